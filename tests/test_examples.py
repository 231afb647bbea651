"""Every public function, and every class that one constructs, has an example that is run."""

import doctest
import importlib
import inspect

import pytest

DOORS = ("yardsticks", "scores", "stability")
WITHOUT = {
    "Ridge": "made by fit_ridge, whose example shows one",
    "inception_metrics": "downloads the Inception weights",
}


def wants_example(value):
    """A function, or a class that one constructs: no protocol, no tuple that is only returned."""
    if not inspect.isclass(value):
        return inspect.isfunction(value)
    return not issubclass(value, tuple) and not getattr(value, "_is_protocol", False)


def public():
    """(door.name, what it is) of all that the doors give."""
    for door in DOORS:
        package = importlib.import_module(f"score_stability.{door}")
        for name in package.__all__:
            yield f"{door}.{name}", getattr(package, name)


def wrong(name, value):
    """What is wrong with the examples in the docstring of a public name, as sentences."""
    # Own globals: an example must import what it uses.
    tests = doctest.DocTestFinder(recurse=False).find(value, name, globs={"__name__": name})
    if not any(test.examples for test in tests):
        return [f"{name} has no example"]
    found = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    for test in tests:
        runner.run(test, out=found.append)
    return found


PUBLIC = dict(public())
EXAMPLES = [name for name, value in PUBLIC.items()
            if wants_example(value) and name.partition(".")[2] not in WITHOUT]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_shows_what_it_prints(name):
    assert wrong(name, PUBLIC[name]) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_imports_its_subject_through_the_door(name):
    door, _, subject = name.partition(".")
    (test,) = doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name)
    lines = [example.source for example in test.examples]
    (line,) = [line for line in lines if line.startswith(f"from score_stability.{door} import ")]
    assert subject in line.strip().partition(" import ")[2].split(", ")
    assert any(f"{subject}(" in line for line in lines)


def test_an_exception_is_one():
    # An excuse outlives its function easily.
    found = {name.partition(".")[2]: wrong(name, value) for name, value in PUBLIC.items()
             if wants_example(value) and name.partition(".")[2] in WITHOUT}
    assert found.keys() == WITHOUT.keys()
    assert [name for name, sentences in found.items() if "has no example" not in sentences[0]] == []


@pytest.mark.parametrize(("docstring", "message"), [
    ("No example.", "f has no example"),
    (None, "f has no example"),
    (">>> 1 + 1\n3", "Expected:\n    3\nGot:\n    2"),
    (">>> 1 / 0\n1", "ZeroDivisionError"),
    (">>> np.ones(1)\narray([1.])", "NameError"),
    (">>> 1 + 1\n2\n>>> 1 + 2\n2", "Expected:\n    2\nGot:\n    3"),
])
def test_a_wrong_or_missing_example_is_found(docstring, message):
    def f():
        pass

    f.__doc__ = docstring
    assert message in "".join(wrong("f", f))
    f.__doc__ = ">>> print(0.12345)\n0.123..."
    assert wrong("f", f) == []


def test_what_wants_an_example():
    wanted = {name for name, value in PUBLIC.items() if wants_example(value)}
    assert {"yardsticks.mean", "yardsticks.Estimate", "scores.EmpiricalScore"} <= wanted
    assert wanted.isdisjoint({"scores.Network", "scores.ReplaceOne", "scores.Features",
                              "yardsticks.SIGNATURES", "stability.Draw"})
