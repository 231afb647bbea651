"""The score network, and what can stand in its place: everything that is learned.

The empirical score in closed form (the perfect minimiser), linear and Fourier classes whose
minimiser is known, and small networks of which many train at a time.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
