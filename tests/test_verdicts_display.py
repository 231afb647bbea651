"""What is published, and what the comparison of texts leaves out."""

import sys
from types import SimpleNamespace

import pytest
from conftest import estimate

import verdicts
from verdicts import display, ledger
from verdicts.records import neutralise


@pytest.fixture
def published(fresh_ledger, monkeypatch):
    """A fake IPython shell; what it publishes."""
    found = []
    hooks = []
    shell = SimpleNamespace(
        execution_count=1,
        events=SimpleNamespace(register=lambda name, hook: hooks.append((name, hook))),
        display_pub=SimpleNamespace(publish=lambda **kwargs: found.append(kwargs)),
    )
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(ledger, "_context", {"seed": 0})
    monkeypatch.setattr(display, "_pending", [])

    def end_of_cell(result=None):
        assert [name for name, _ in hooks] == ["post_run_cell"]
        hooks[0][1](result)
        return found

    return SimpleNamespace(outputs=found, shell=shell, end_of_cell=end_of_cell)


def test_the_verdicts_of_a_cell_are_one_card_with_their_records(published):
    first = verdicts.upper("S", "a < b", 1, 2)
    second = verdicts.control("S", "c", "upper", 2, 1)
    assert first._ipython_display_() is None and published.outputs == []
    (output,) = published.end_of_cell()
    assert output["data"]["text/plain"] == f"{first.line}\n{second.line}"
    assert output["metadata"] == {"verdicts": [first.record(), second.record()]}
    assert "a &lt; b" in output["data"]["text/html"]
    assert published.end_of_cell() == [output]  # the next cell makes none
    published.shell.execution_count = 2
    verdicts.upper("S", "k", 1, 2)
    assert len(published.end_of_cell()) == 2


def test_a_card_is_headed_by_the_title_of_its_cell(published):
    verdicts.upper("S", "k", 1, 2)
    cell = SimpleNamespace(info=SimpleNamespace(raw_cell="#@title Both sides, 1 < 2\nupper()"))
    (output,) = published.end_of_cell(cell)
    head = "<summary><i>Both sides, 1 &lt; 2.</i> <b>Holds.</b> S, k: "
    assert head in output["data"]["text/html"]


def test_a_violated_claim_is_shown_although_it_raises(published):
    with pytest.raises(AssertionError):
        verdicts.upper("S", "k", 2, 1)
    (output,) = published.end_of_cell()
    assert output["data"]["text/plain"].startswith("[violated] S · k (upper)")


def test_a_key_is_used_once_in_a_cell_but_a_cell_may_run_again(published):
    verdicts.upper("S", "k", 1, 2)
    with pytest.raises(ValueError, match="'k' is used twice for 'S'"):
        verdicts.upper("S", "k", 1, 3)
    published.shell.execution_count = 2
    assert verdicts.upper("S", "k", 1, 3).numbers["rhs"] == 3


def test_outside_ipython_nothing_is_printed(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    monkeypatch.setattr(ledger, "_known", None)
    verdicts.upper("S", "quiet", 1, 2)
    verdicts.summary()
    assert capsys.readouterr() == ("", "")


def test_a_table_stores_its_floats(published):
    verdicts.table(
        ["case", "n", "gap"],
        [["a", 10, 0.12345], ["b", 20, estimate(2.0, 0.25)], ["c", 30, float("inf")]],
        caption="Gaps",
    )
    (output,) = published.outputs
    assert output["data"]["text/plain"] == (
        "Gaps (values ≈)\n"
        "case  n   gap\n"
        "----  --  ---\n"
        "a     10  0.1235\n"
        "b     20  2.000 ± 0.25\n"
        "c     30  inf"
    )
    assert "overflow-x:auto" in output["data"]["text/html"]
    record = output["metadata"]["verdicts"]
    assert (record["table"], record["kind"]) == ("Gaps", "table")
    assert record["numbers"] == {"gap": [0.12345, 2.0, "inf"]}
    assert record["standard_errors"] == {"gap": [0.25]}


def test_a_table_is_typeset_and_folded_from_eight_rows_on(published):
    columns = ["sigma", "N", "eps_stab"]

    def shown(rows, **options):
        verdicts.table(columns, rows, caption="Circle, sigma small", **options)
        return published.outputs[-1]["data"]

    short = shown([[0.05, 20, 1.0], [0.2, 30, 1.25]])
    assert "σ</th>" in short["text/html"] and "ε<sub>stab</sub></th>" in short["text/html"]
    # What was chosen without idle zeros, what was measured with its digits; compared as it was.
    assert ">0.05</td>" in short["text/html"] and ">1.000</td>" in short["text/html"]
    assert "0.05000" in short["text/plain"] and "<details>" not in short["text/html"]
    assert "text-align:right" in short["text/html"] and "values" not in short["text/html"]
    long = shown([[0.1 * k, k, 1.0] for k in range(8)])["text/html"]
    assert long.startswith("<details><summary>Circle, σ small · 8 rows</summary>")
    assert "<details>" not in shown([[0.1, k, 1.0] for k in range(7)])["text/html"]
    words = shown([["a -> b", 1, float("inf")], ["0.5", 2, -2.0]])["text/html"]
    assert words.count("text-align:left") == 4  # the caption, and the column with words


def test_wrong_tables(published):
    with pytest.raises(ValueError, match="row 0 must have 2 cells"):
        verdicts.table(["a", "b"], [[1]], caption="c")
    with pytest.raises(ValueError, match="row 0, column 'a' must not be NaN"):
        verdicts.table(["a"], [[float("nan")]], caption="c")
    with pytest.raises(ValueError, match="row 0, column 'a' must be one number"):
        verdicts.table(["a"], [[[1.0, 2.0]]], caption="c")


def test_the_summary_lists_what_was_claimed(published):
    verdicts.upper("S", "k", 1, 2)
    verdicts.control("S", "c", "upper", 2, 1)
    verdicts.summary()
    text = published.outputs[-1]["data"]["text/plain"]
    assert text.splitlines()[0] == "2 verdicts"
    assert text.splitlines()[-1] == "S          c      control of upper  [refuted, as it must be]"
    assert published.outputs[-1]["metadata"] == {}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x ≈ 1.5; y", "x ≈ 1.6e-05; y"),
        ("x ≈ 1.5 ± 0.1", "x ≈ -2 ± 3"),
        ("[holds] S", "[consistent] S"),
        ("<td>[holds]</td>", "<td>[consistent]</td>"),
        ("lhs ≈ 0 <= rhs ≈ 1; slack ≈ 3e+17; n", "lhs ≈ -1e-17 <= rhs ≈ 1; n"),
        ("x ≈ inf", "x ≈ 3"),
        ("c (values ≈)\na     b\n----  --\n0.5   7", "c (values ≈)\na      b\n-----  --\n-1.25  7"),
    ],
)
def test_digits_within_a_tolerance_are_not_compared_as_text(a, b):
    assert neutralise(a) == neutralise(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x = 1.5", "x = 1.6"),
        ("[holds] S", "[refuted, as it must be] S"),
        ("x ≈ 1", "y ≈ 1"),
        ("t (values ≈)\n7  0.5", "t (values ≈)\n8  0.5"),
    ],
)
def test_all_else_is(a, b):
    assert neutralise(a) != neutralise(b)
