"""Statements: nothing of the paper is missing, and each says what its notebook must show."""

import re

import pytest

from score_stability.theory import IDS, STATEMENTS, statement

# id: what its notebook must have (V verdicts, C a control), and the notebooks that treat it.
EXPECTED = {
    "Lemma 1": ("VC", (2,)),
    "Definition 2": ("V", (3,)),
    "Theorem 3": ("VC", (4,)),
    "Lemma 4": ("VC", (5,)),
    "Wang's Harnack inequality": ("VC", (6,)),
    "Self-posterior lemma (ours)": ("VC", (6,)),
    "Assumption 5": ("", (8,)),
    "Proposition 6": ("VC", (7, 8)),
    "Proposition 7": ("VC", (12,)),
    "Corollary 8": ("VC", (13,)),
    "Assumption 9": ("V", (16, 17)),
    "Assumption 10": ("V", (16, 17)),
    "Proposition 11": ("VC", (16,)),
    "Assumption 12": ("VC", (17,)),
    "Assumption 13": ("VC", (17,)),
    "Proposition 14": ("VC", (18,)),
    "Figure 1": ("VC", (2,)),
    "Figure 2": ("VC", (14,)),
    "Mechanism: denoising regularisation": ("V", (7,)),
    "Mechanism: sampler regularisation": ("V", (12,)),
    "Mechanism: optimisation regularisation": ("V", (18,)),
    "Experiment 1": ("VC", (19,)),
    "Experiment 2": ("VC", (19,)),
    "Experiment 3": ("VC", (20,)),
    "Check 1": ("VC", (9,)),
    "Check 2": ("VC", (21,)),
    "Check 3": ("VC", (20,)),
    "Failure: memorisation": ("V", (22,)),
    "Failure: collapse": ("V", (22,)),
    "Failure: unstable training": ("V", (22,)),
    "Open: probability-flow ODE": ("VC", (15,)),
    "Open: high probability": ("VC", (23,)),
    "Open: memorisation and privacy": ("VC", (24,)),
    "Open: smoothness": ("VC", (25,)),
    "Certificate (ours)": ("VC", (26,)),
    "Question 1": ("", (1,)),
    "Question 2": ("", (3,)),
    "Question 3": ("", (1,)),
}


def test_the_list_is_complete_and_without_repetition():
    assert len(set(IDS)) == len(IDS) == len(STATEMENTS)
    assert list(IDS) == list(EXPECTED), "a new statement has a line in EXPECTED above"


@pytest.mark.parametrize("entry", STATEMENTS, ids=lambda entry: entry.id)
def test_flags_notebooks_and_texts(entry):
    flags = "V" * entry.needs_verdict + "C" * entry.needs_control
    assert (flags, entry.notebooks) == EXPECTED.get(entry.id), "its line in EXPECTED above"
    for text in (entry.title, entry.sentence, entry.paper_form, entry.ours):
        assert text and text == text.strip()
        assert text.count("$") % 2 == 0
        words = " ".join(text.split("$")[::2])  # symbols are set as formulas
        assert not re.search(r"\b(?:eps|kappa|alpha)|[≤≲∈∫√^_²ŝ]", words), words
    assert entry.sentence.endswith((".", "?"))
    assert "|" not in entry.sentence  # it stands in a table
    assert statement(entry.id) is entry


def test_unknown_statement():
    with pytest.raises(ValueError, match=r"id must be one of Lemma 1, .*; got 'Lemma 2'"):
        statement("Lemma 2")
