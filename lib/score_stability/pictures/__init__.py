"""Pictures that open the chapters: drawings of one computed example each.

Every picture has two functions. One computes and returns the numbers that are drawn; the other
calls it, draws, shows and returns the same numbers, so that a notebook can claim what its picture
shows: ``shown = pictures.kappa_and_the_law()``, then claims about ``shown.kl``. Seeds are chosen
for legibility; what the tests say of the numbers they say of other seeds as well.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
