"""Score stability: Definition 2 measured, and both sides of Theorem 3.

For any algorithm by refitting, for the empirical score in one pass; and the certificate of
Proposition 6 from moments of the self-posterior.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
