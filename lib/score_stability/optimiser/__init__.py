"""The optimiser, and its gradient noise: how a network is trained.

Clipped SGD with weight decay for families of networks on adjacent data sets, the covariance of the
gradient noise, and how far two runs stay apart.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
