"""The form of a chapter: each rule notices what breaks it, and the list of exceptions is exact."""

import copy
import re

import pytest

from verdicts import chapter, notebook
from verdicts.config import Config, load_config

SYMBOLS = {"κ": r"\\kappa", "N": "(?<![A-Za-z])N(?![A-Za-z])"}
PICTURE = {"output_type": "display_data", "data": {"image/png": "eA=="}, "metadata": {}}
CLAIM = {"statement": "S", "key": "the bound, N = 2", "kind": "upper", "numbers": {}}
WORDS = "What is drawn here, in which units, and what one sees in it when one looks at it."
FOLDED = {"tags": ["hide-input"], "cellView": "form", "jupyter": {"source_hidden": True}}


def markdown(*parts):
    return {"cell_type": "markdown", "metadata": {}, "source": "\n\n".join(parts)}


def code(title, source="x = 1", outputs=(), **metadata):
    return {"cell_type": "code", "metadata": copy.deepcopy(FOLDED) | metadata,
            "source": f"#@title {title}\n{source}", "outputs": list(outputs),
            "execution_count": 1}


def figure(title, source="x = 1"):
    return code(title, source, [PICTURE], mystnb={"image": {"alt": WORDS}})


def good():
    """A chapter that keeps all the rules."""
    setup = code("Setup")
    setup["metadata"]["tags"] = ["setup", "hide-input"]
    card = {"output_type": "display_data", "data": {}, "metadata": {"verdicts": [CLAIM]}}
    return {"cells": [
        markdown("badge", "# 07 · A short title", "navigation"),
        markdown("> **In one sentence.** At most this, in all cases.\n> It goes on.",
                 "<!-- claims: the bound, N = 2 -->"),
        setup,
        figure("Figure 7.1: the bound"),
        markdown(f"**Figure 7.1.** {WORDS}", "An argument between two cells."),
        markdown("**You need.**", "| | |\n|---|---|\n| $N$ | the number of points |"),
        markdown("## The claim", "A ratio $\\kappa\\le N$.", "<!-- introduces: κ -->"),
        code("The bound", outputs=[card]),
        figure("Figure 7.2: more", 'axis.set(xlabel=r"$\\kappa$", title=f"{n} points")'),
        markdown(f"**Figure 7.2.** {WORDS} It agrees.", "<!-- claims: the bound, N = 2 -->"),
        code("Try it", "N = 3", tags=[]),
        markdown("## What this does not say"), markdown("## Exercises"), markdown("## Evidence"),
    ]}


@pytest.fixture
def chapters(tmp_path):
    """Complaints about a chapter with these exceptions."""
    def complaints(nb, *lines, name="07_short.ipynb"):
        (tmp_path / "unmended.txt").write_text("\n".join(["# a comment", *lines]), "utf-8")
        config = Config(root=tmp_path, unmended="unmended.txt", symbols=SYMBOLS)
        return list(chapter.complaints(tmp_path / name, nb, config))

    return complaints


def test_a_good_chapter_has_no_complaint(chapters):
    assert chapters(good()) == [] and list(chapter.hidden(good()["cells"])) == []


def spoil(nb, index, old, new):
    assert old in nb["cells"][index]["source"]
    nb["cells"][index]["source"] = nb["cells"][index]["source"].replace(old, new)


def alt(nb, index, text):
    nb["cells"][index]["metadata"]["mystnb"] = {"image": {"alt": text}}


SPOILED = {
    "title": lambda nb: spoil(nb, 0, "A short", "A title of more than forty-five characters"),
    "sentence": lambda nb: spoil(nb, 1, "It goes on.", "word " * 40),
    "sentence, formula": lambda nb: spoil(nb, 1, "It goes on.", "It is $x$."),
    "sentence, more": lambda nb: spoil(nb, 1, "It goes on.", "It goes on.\n\nAnd more."),
    "hero, late": lambda nb: nb["cells"].insert(3, markdown("words")),
    "hero, long": lambda nb: spoil(nb, 3, "x = 1", "x = 1\n" * 9),
    "captions, number": lambda nb: spoil(nb, 9, "Figure 7.2", "Figure 7.3"),
    "captions, none": lambda nb: nb["cells"].pop(9),
    "captions, short": lambda nb: spoil(nb, 4, WORDS, "Short."),
    "captions, long": lambda nb: spoil(nb, 4, WORDS, WORDS * 5),
    "captions, alt": lambda nb: alt(nb, 8, "a line"),
    "need, none": lambda nb: nb["cells"].pop(5),
    "need, late": lambda nb: nb["cells"].insert(7, nb["cells"].pop(5)),
    "need, many": lambda nb: spoil(nb, 5, "| $N$ |", "| $a$ | b |\n" * 8 + "| $N$ |"),
    "symbols, not introduced": lambda nb: spoil(nb, 6, "introduces: κ", "introduces: N"),
    "symbols, too early": lambda nb: spoil(nb, 4, "An argument", "An argument $\\kappa$"),
    "audit, no claim": lambda nb: spoil(nb, 9, "<!-- claims: the bound, N = 2 -->", ""),
    "audit, no such claim": lambda nb: spoil(nb, 9, "claims: the bound", "claims: the bund"),
    "audit, alt": lambda nb: alt(nb, 3, f"{WORDS} It is always one."),
    "sections, one missing": lambda nb: nb["cells"].pop(),
    "sections, order": lambda nb: nb["cells"].append(nb["cells"].pop(11)),
    "labels": lambda nb: spoil(nb, 8, '"$\\kappa$"', '"kappa"'),
    "labels, f-string": lambda nb: spoil(nb, 8, "{n} points", "sigma = {n}"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_each_rule_notices_and_can_be_excused(chapters, name):
    nb, rule = good(), name.split(",")[0]
    SPOILED[name](nb)
    found = chapters(nb)
    assert found and all(f"({rule}: {chapter.RULES[rule]})" in message for message in found)
    assert chapters(nb, f"07 {rule}") == []
    assert chapters(nb, f"08 {rule}") == found  # of another chapter


def test_an_exception_without_need_is_refused(chapters):
    assert chapters(good(), "07 labels") == [
        "keeps the rule 'labels': take 07 'labels' out of unmended.txt"]
    assert chapters(good(), "07 screens") == []  # measured on the page, not here
    with pytest.raises(ValueError, match="no such rule: '07 lables'"):
        chapters(good(), "07 lables")


def test_pages_and_collections_without_a_list_are_free(chapters, tmp_path):
    nb = good()
    nb["cells"].pop()
    assert chapters(nb, name="a_page.ipynb") == []
    assert list(chapter.complaints(tmp_path / "07_x.ipynb", nb, Config(root=tmp_path))) == []


@pytest.mark.parametrize(("spoiled", "message"), [
    (lambda cells: cells[7].update(source="x = 1"), "cell 7: no title"),
    (lambda cells: cells[7].update(source="#@title " + "x" * 61), "has 61 characters"),
    (lambda cells: cells[8].update(source="#@title The bound"), "cell 8: the title of cell 7"),
    (lambda cells: cells[7]["metadata"].pop("cellView"), "cell 7: folded on the site only"),
    (lambda cells: cells[7].update(metadata={}), "2 visible cells"),
])
def test_cells_are_titled_and_folded(spoiled, message):
    cells = good()["cells"]
    spoiled(cells)
    (found,) = chapter.hidden(cells)
    assert message in found


def test_a_formula_is_one_word_and_a_comment_none():
    assert chapter.words("one $a + b = c$ two -- three <!-- not these -->, $$x$$") == 5


def test_texts_of_figures_and_no_other_strings():
    source = ('%matplotlib inline\nupper("S", "kappa grows", 1, 2, names=("sigma", "b"))\n'
              'axis.annotate("sigma" + " x", (0, 1), color="tau")\n'
              'axis.plot(x, y, label=rf"$\\tau={t}$")')
    assert list(chapter.labels(source)) == ["sigma", " x", "$\\tau=0$"]
    assert list(chapter.labels("not python (")) == []


def test_every_symbol_of_the_notation_is_found_where_it_stands():
    symbols = load_config().symbols
    places = {"ŝ": "$\\hat s-g$", "ŝ^i": "$\\hat s^i$", "S": "$A(S)$", "S^i": "$A(S^i)$",
              "L": "$\\sqrt L$", "L̂": "$\\sqrt{\\hat L}$", "ε_stab": "$\\varepsilon_{stab}^2$",
              "ε": "$[\\varepsilon,4]$", "g": "$\\hat s-g$", "n_loc": "$n_{loc}=1$", "C": "$B>2C$",
              "B": "$B>2C$", "V": "$\\sqrt{VC}/B$", "d*": "$d^*$", "X_t": "$X_t$"}
    for name, text in places.items():
        assert re.search(symbols[name], text), name
    others = {"S": "$S^i$", "L": "$\\hat L$ $\\Lambda$", "ŝ": "$\\hat s^i$", "C": "$C_{sm}$",
              "ε": "$\\varepsilon_{stab}$", "g": "$\\gamma\\log$"}
    for name, text in others.items():
        assert not re.search(symbols[name], text), name


def test_the_stored_chapters_know_their_figures():
    config = load_config()
    cells = notebook.read(config.notebook(4))["cells"]
    captions = [chapter.caption_of(c)[0] for c in cells if chapter.caption_of(c)]
    assert captions == [(4, k) for k in range(1, len(captions) + 1)] and len(captions) >= 4
