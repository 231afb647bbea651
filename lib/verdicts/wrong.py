"""What a notebook says about wrong variants: its own, and those that no case can separate.

Both are for ``python -m verdicts mutants``, which sets ``tool`` while it runs a notebook.
"""

from verdicts import display
from verdicts.cards import pretty

tool = None


def correct(name, value, /, **wrong):
    """``value``; under ``mutants`` the notebook is run with each of the wrong ones as well.

    ``name`` says in words what could be wrong, each keyword how: ``correct("evaluation point",
    fresh, **{"a point of the training set": seen})``.  Raises ValueError without a name or a wrong
    value.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"name must be a non-empty string, not {name!r}")
    if not wrong:
        raise ValueError("correct needs at least one wrong value, by its name in words")
    return value if tool is None else tool.own(name, value, wrong)


def inseparable(bound, variant, why):
    """Show the reader why no claim here can refute a wrong variant of a bound.

    ``bound`` is one of the library, with a name and a ``quantity`` to show, or the name of a
    function or of the notebook's own mutant; ``variant`` its words in the table of ``mutants``.
    Raises ValueError for a variant that the bound has not, or unless ``why`` says it in words.
    """
    if not isinstance(why, str) or not why.strip():
        raise ValueError(f"why must say it in words; got {why!r}")
    name = shown = bound
    if not isinstance(bound, str):
        from verdicts.variants import variants

        name = bound.name
        shown = f"the bound on {bound.quantity}" if hasattr(bound, "quantity") else name
        known = [v.words for v in variants(bound.expression, bound.relation)]
        if variant not in known:
            raise ValueError(f"variant must be one of {known}; got {variant!r}")
    if tool is not None:
        tool.explain(name, variant, why)
    text = f"No case here can separate {shown} from a wrong variant of it, {variant}: {why}"
    display.publish(text, f'<div style="overflow-wrap:anywhere">{pretty(text)}</div>')
