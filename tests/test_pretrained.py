"""Denoisers of another library: exact for Gaussian data, whatever they predict."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.diffusion import Gaussian, OrnsteinUhlenbeck
from score_stability.scores import level_times, score_from_prediction

# The "scaled linear" table of Stable Diffusion, the cosine one, and a short made-up one.
SCALED = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
COSINE = np.cos((np.arange(1, 100) / 101 + 0.008) / 1.008 * math.pi / 2) ** 2
TABLES = {"scaled linear": SCALED, "cosine": COSINE, "short": np.array([0.99, 0.5, 0.01])}
MEAN, VARIANCE = 0.7, 2.5


def exact(table, prediction):
    """What a perfect denoiser predicts for N(MEAN, VARIANCE) data, from its own definition."""
    def model(y, k):
        signal, noise = (torch.as_tensor(v)[k].reshape(-1, *[1] * (y.ndim - 1))
                         for v in (np.sqrt(table), np.sqrt(1 - table)))
        clean = MEAN + signal * VARIANCE * (y - signal * MEAN) / (signal**2 * VARIANCE + noise**2)
        eps = (y - signal * clean) / noise
        return {"epsilon": eps, "sample": clean, "v_prediction": signal * eps - noise * clean}[
            prediction]
    return model


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_exact_for_gaussian_data(table, prediction, alpha):
    process = OrnsteinUhlenbeck(alpha)
    score = score_from_prediction(exact(table, prediction), table, process, prediction=prediction)
    law = Gaussian([MEAN] * 2, VARIANCE, process)
    times = level_times(table, process)
    assert (np.diff(times) > 0).all()
    for t in times[[0, len(times) // 2, -1]].tolist():
        x = torch.tensor([[0.0, 1.0], [-3.0, 2.0], [10.0, -7.0]], dtype=torch.float64)
        torch.testing.assert_close(score(x, t), law.score(x, t), rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=20, unique=True),
       st.floats(0, 3), st.floats(-5, 5))
def test_the_three_predictions_are_one_score(levels, alpha, x):
    table, process = np.array(sorted(levels, reverse=True)), OrnsteinUhlenbeck(
        alpha if alpha > 1e-3 else 0.0)
    scores = [score_from_prediction(exact(table, p), table, process, prediction=p)
              for p in ("epsilon", "sample", "v_prediction")]
    for t in level_times(table, process).tolist():
        values = [score([[x]], t).item() for score in scores]
        scale = 1e-9 * (1 + abs(values[0]) + (abs(x) + 1) / process.variance(t))
        assert max(values) - min(values) <= scale


def test_images_fields_and_dtypes():
    table, process = TABLES["short"], OrnsteinUhlenbeck(1.0)
    inner = exact(table, "epsilon")

    def model(y, k):
        assert y.shape == (5, 1, 2, 3) and k.dtype == torch.int64 and k.shape == (5,)
        assert not torch.is_grad_enabled()
        return SimpleNamespace(sample=inner(y, k))

    t = float(level_times(table, process)[1])
    x = torch.randn(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    score = score_from_prediction(model, table, process, shape=(1, 2, 3))
    flat = score_from_prediction(inner, table, process)
    assert torch.equal(score(x, t), flat(x, t))
    assert score(x.float(), t).dtype == torch.float32
    assert torch.equal(score(x, [t] * 5), flat(x, t))


def test_wrong_input():
    table, process = TABLES["short"], OrnsteinUhlenbeck(1.0)
    model = exact(table, "epsilon")
    for bad in (table[::-1], [1.0, 0.5], [0.5, 0.0], [0.5, 0.5]):
        with pytest.raises(ValueError, match=r"^alpha_bar must fall strictly"):
            level_times(bad, process)
    with pytest.raises(ValueError, match=r"^prediction must be one of"):
        score_from_prediction(model, table, process, prediction="eps")
    with pytest.raises(TypeError, match=r"^model must be a function"):
        score_from_prediction(None, table, process)
    score = score_from_prediction(model, table, process)
    with pytest.raises(ValueError, match=r"^t must be the time of a level"):
        score(np.zeros((2, 1)), 0.3)
    wrong = score_from_prediction(lambda y, k: y[:1], table, process)
    with pytest.raises(ValueError, match=r"^model must return shape"):
        wrong(np.zeros((2, 1)), float(level_times(table, process)[0]))
