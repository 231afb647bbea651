"""Runtime: seed and profile from the environment, reproducible generators, silent progress."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from score_stability import runtime


@pytest.mark.parametrize(("text", "seed"), [("0", 0), ("7", 7), ("123456789012", 123456789012)])
def test_seed(text, seed):
    assert runtime._read_seed(text) == seed


@pytest.mark.parametrize("text", ["", "-1", "1.5", "one", " 1", "1e3", "²"])
def test_wrong_seed(text):
    with pytest.raises(ValueError, match="SCORE_STABILITY_SEED must be a non-negative integer"):
        runtime._read_seed(text)


def test_profile():
    assert runtime._read_profile("quick") == "quick" and runtime._read_profile("full") == "full"
    for text in ("", "Quick", "fast"):
        with pytest.raises(ValueError, match="SCORE_STABILITY_PROFILE must be 'quick' or 'full'"):
            runtime._read_profile(text)


def test_choose(monkeypatch):
    for profile, value in (("quick", 1), ("full", 2)):
        monkeypatch.setattr(runtime, "PROFILE", profile)
        assert runtime.choose(quick=1, full=2) == value


def test_device(monkeypatch):
    import torch

    for profile, available, expected in (("quick", True, "cpu"), ("full", False, "cpu"),
                                         ("full", True, "cuda")):
        monkeypatch.setattr(runtime, "PROFILE", profile)
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        assert runtime.device() == expected
        assert runtime.context() == {"seed": runtime.SEED, "profile": profile, "device": expected}


def test_generators_are_reproducible_and_different():
    def draws(*key):
        return runtime.generator(*key).standard_normal(1000)

    keys = [(1,), (2,), (1, 0), (1, 1), (2, 1), (1, 1, 0)]
    values = [draws(*key) for key in keys]
    for key, value in zip(keys, values, strict=True):
        np.testing.assert_array_equal(draws(*key), value)
    # 1000 draws: correlations of independent streams stay within 6/√1000.
    correlations = np.corrcoef(values) - np.eye(len(keys))
    assert np.abs(correlations).max() < 0.19


def test_generators_depend_on_the_seed(monkeypatch):
    first = runtime.generator(1).standard_normal(5)
    monkeypatch.setattr(runtime, "SEED", runtime.SEED + 1)
    assert not np.array_equal(first, runtime.generator(1).standard_normal(5))


def test_wrong_generators():
    for key in ((-1,), (1, -1)):
        with pytest.raises(ValueError, match="notebook and stream must be non-negative"):
            runtime.generator(*key)


def test_progress(monkeypatch, capsys):
    items = [1, 2, 3]
    assert runtime.progress(items) is items
    monkeypatch.setattr(runtime, "PROFILE", "full")
    assert runtime.progress(items) is items  # no terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    bar = runtime.progress(items, "work")
    assert list(bar) == items and "work" in capsys.readouterr().err


def test_environment_is_read_at_import():
    code = ("import json; from score_stability import runtime; "
            "print(json.dumps([runtime.SEED, runtime.PROFILE, runtime.choose(quick=1, full=2)]))")
    environment = {**os.environ, "SCORE_STABILITY_SEED": "5", "SCORE_STABILITY_PROFILE": "full"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True,
                            text=True, check=True)
    assert json.loads(result.stdout) == [5, "full", 2]
