"""The sampler, and its step ratio kappa: how samples are drawn, and their law.

Time grids and one-step rules, the exact law of a sampler on the line, its distance from the target,
and the sums along the path that bound this distance.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
