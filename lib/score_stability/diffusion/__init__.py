"""The forward process and the time weighting: how data become noise, and what counts when.

The Ornstein–Uhlenbeck process with Tweedie's formula, the measure tau of Definition 2, and laws
whose noised score is known exactly.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
