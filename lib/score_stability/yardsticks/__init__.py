"""What the arrows of the map are measured with: numbers with their standard errors.

Means and slopes over replicates, divergences, memorisation, intrinsic dimension, signatures of
failure, and certificates from leave-one-out models.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
