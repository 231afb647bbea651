"""How wide the intervals of statistical verdicts are: one family error, set here only."""

import math

# All verdicts that rest on replicates may together call something true false less than once in
# 1 / FAMILY_ERROR seeds, as far as t-intervals keep their level.  How rarely an effect is missed is
# another matter: each such verdict says how many half widths its effect has.
FAMILY_ERROR = 1e-4
# Bonferroni over this many statistical verdicts; a test keeps the collection below it.
MAX_STATISTICAL_VERDICTS = 500
VERDICT_ERROR = FAMILY_ERROR / MAX_STATISTICAL_VERDICTS


def half_width(standard_error, degrees_of_freedom, comparisons=1):
    """Half width of the t-interval of one verdict: t(1 - error / 2, dof) * SE.

    error is FAMILY_ERROR / MAX_STATISTICAL_VERDICTS, divided by ``comparisons`` where one verdict
    makes several (Bonferroni).  Raises ValueError if the SE is positive and dof < 1.
    """
    if standard_error == 0:
        return 0.0
    if not degrees_of_freedom >= 1:
        raise ValueError(f"degrees_of_freedom must be at least 1, not {degrees_of_freedom!r}")
    return upper_quantile(VERDICT_ERROR / comparisons / 2, degrees_of_freedom) * float(
        standard_error
    )


def level(comparisons=1):
    """The level of the intervals in words, such as "99.99998 %"."""
    # Two digits of what is missing, rounded down: the interval has at least this level.
    missing = 100 * VERDICT_ERROR / comparisons
    digits = 1 - math.floor(math.log10(missing))
    shown = math.floor((100 - missing) * 10**digits) / 10**digits
    return f"{shown:.{digits}f}".rstrip("0") + " %"


def upper_quantile(probability, degrees_of_freedom):
    """What Student's t exceeds with this probability; the normal law at infinitely many degrees."""
    from scipy.special import ndtri, stdtrit  # scipy.stats takes half a second to load

    # The lower quantile, because 1 - probability would lose digits.
    infinite = math.isinf(degrees_of_freedom)
    return -float(ndtri(probability) if infinite else stdtrit(degrees_of_freedom, probability))
