"""Harmonic curves and isometric embeddings."""

import math

import numpy as np
import pytest
import torch

from score_stability.diffusion import Circle, HarmonicCurve, OrnsteinUhlenbeck, isometric_embedding

heat = OrnsteinUhlenbeck(0.0)
rng = np.random.default_rng(2)


def test_one_harmonic_is_the_circle():
    x = torch.from_numpy(rng.standard_normal((6, 2)))
    curve, circle = HarmonicCurve(1, heat), Circle(heat)
    assert torch.allclose(curve.score(x, 0.02), circle.score(x, 0.02), atol=1e-11)
    assert torch.allclose(curve.log_density(x, 0.02), circle.log_density(x, 0.02), atol=1e-11)


@pytest.mark.parametrize("harmonics", (1, 3, 10))
def test_unit_speed_and_curvature(harmonics):
    curve, h = HarmonicCurve(harmonics, heat), 1e-4
    angle = torch.from_numpy(rng.uniform(0, 2 * math.pi, 5))
    before, at, after = (curve.points(angle + shift) for shift in (-h, 0, h))
    speed = torch.linalg.vector_norm(after - before, dim=1) / (2 * h)
    bend = torch.linalg.vector_norm(after - 2 * at + before, dim=1) / h**2
    assert torch.allclose(speed, torch.ones_like(speed), atol=1e-5)
    assert bend.numpy() == pytest.approx(curve.curvature, rel=1e-4)


def test_score_is_the_gradient():
    curve, t, h = HarmonicCurve(3, heat), 0.01, 1e-5
    x = curve.sample(4, rng) + 0.1 * torch.from_numpy(rng.standard_normal((4, 6)))
    gradient = torch.stack([(curve.log_density(x + h * e, t) - curve.log_density(x - h * e, t))
                            / (2 * h) for e in torch.eye(6, dtype=torch.float64)], 1)
    assert torch.allclose(curve.score(x, t), gradient, atol=1e-5)


def test_embedding_is_an_isometry():
    matrix = isometric_embedding(3, 50, rng)
    assert torch.allclose(matrix @ matrix.T, torch.eye(3, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("call, name", (
    (lambda: HarmonicCurve(0, heat), "harmonics"), (lambda: HarmonicCurve(1, heat, 1), "nodes"),
    (lambda: isometric_embedding(4, 3, rng), "dimension"),
    (lambda: HarmonicCurve(1, heat).sample(0, rng), "n")))
def test_wrong_inputs(call, name):
    with pytest.raises(ValueError, match=name):
        call()
