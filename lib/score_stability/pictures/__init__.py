"""Pictures that open the chapters: one computed example each, drawn by one call.

Each returns the numbers that it draws, so that a notebook makes its claims about the same ones.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
