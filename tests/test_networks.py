"""Score networks: an independent loop of torch modules, symmetries, closed forms, wrong inputs."""

import math

import numpy as np
import pytest
import torch

from score_stability.diffusion import OrnsteinUhlenbeck
from score_stability.scores import MLP, DeepLinear, RandomFeatures, ScaledLinear, noise_at, score_of

HEAT = OrnsteinUhlenbeck(0.0)


def batch(models, rows, d, seed=0, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.standard_normal((models, rows, d))).to(dtype)
    mu = torch.from_numpy(rng.uniform(0.3, 1.0, (models, rows))).to(dtype)
    sigma = torch.from_numpy(rng.uniform(0.05, 2.0, (models, rows))).to(dtype)
    return x, mu, sigma


@pytest.mark.parametrize("activation", ["relu", "silu", "tanh"])
def test_mlp_is_a_stack_of_torch_modules(activation):
    net = MLP(2, (7, 5), activation)
    theta = net.initial(3, np.random.default_rng(1), torch.float64)
    x, mu, sigma = batch(3, 11, 2)
    out = net.noise(theta, x, mu, sigma)
    assert out.shape == (3, 11, 2)
    layer = {"relu": torch.nn.ReLU, "silu": torch.nn.SiLU, "tanh": torch.nn.Tanh}[activation]
    for m in range(3):
        module = torch.nn.Sequential(torch.nn.Linear(4, 7), layer(), torch.nn.Linear(7, 5),
                                     layer(), torch.nn.Linear(5, 2)).double()
        linears = [part for part in module if isinstance(part, torch.nn.Linear)]
        for linear, (weight, bias) in zip(linears, net.layers(theta), strict=True):
            linear.weight.data = weight[m].T.clone()
            linear.bias.data = bias[m, 0].clone()
        inputs = torch.cat([x[m] / torch.sqrt(mu[m] ** 2 + sigma[m] ** 2)[:, None],
                            torch.log(sigma[m] / mu[m])[:, None], (sigma[m] / mu[m])[:, None]], 1)
        assert torch.allclose(module(inputs), out[m], atol=1e-12)
    assert net.parameters == sum(p.numel() for p in module.parameters())


def test_initial_parameters():
    net = MLP(2, (64, 64))
    theta = net.initial(50, np.random.default_rng(0), torch.float64)
    for weight, bias in net.layers(theta):
        assert (bias == 0).all()
        assert float(weight.std() * math.sqrt(weight.shape[1])) == pytest.approx(1, abs=0.02)
    assert net.initial(2, np.random.default_rng(0)).dtype == torch.float64
    single = net.initial(50, np.random.default_rng(0), torch.float32)
    assert torch.equal(single, theta.float())
    # The layers are all of the parameters, in order, as views.
    parts = [piece.flatten(1) for layer in net.layers(theta) for piece in layer]
    assert torch.equal(torch.cat(parts, 1), theta)
    assert net.layers(theta)[0][0].data_ptr() == theta.data_ptr()
    again = net.initial(50, np.random.default_rng(0), torch.float64)
    assert torch.equal(theta, again)


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_rescaling_changes_nothing_for_relu_only(activation):
    net = MLP(1, (6, 4), activation)
    theta = net.initial(2, np.random.default_rng(3), torch.float64)
    x, mu, sigma = batch(2, 40, 1)
    directions = net.rescaling_directions(theta)
    assert directions.shape == (2, 10, net.parameters)
    gradient_rows = []
    for row in range(40):
        leaf = theta.clone().requires_grad_(True)
        loss = (net.noise(leaf, x[:, row:row + 1], mu[:, row:row + 1],
                          sigma[:, row:row + 1]) ** 2).sum()
        gradient_rows.append(torch.autograd.grad(loss, leaf)[0])
    gradients = torch.stack(gradient_rows, dim=1)
    along = torch.einsum("brp,bup->bru", gradients, directions) \
        / gradients.norm(dim=2, keepdim=True).clamp_min(1e-12) / directions.norm(dim=2)[:, None]
    assert (float(along.abs().max()) < 1e-14) == (activation == "relu")
    assert activation == "relu" or float(along.abs().max()) > 1e-3
    # The finite symmetry itself: unit 0 of the first layer scaled by 3.
    scaled = theta.clone()
    (w1, b1), (w2, _), _ = net.layers(scaled)
    w1[:, :, 0] *= 3
    b1[:, :, 0] *= 3
    w2[:, 0, :] /= 3
    same = torch.allclose(net.noise(scaled, x, mu, sigma), net.noise(theta, x, mu, sigma))
    assert same == (activation == "relu")


def test_small_models_have_the_scores_they_name():
    x, mu, sigma = batch(2, 5, 1)
    theta = torch.tensor([[0.5], [-2.0]], dtype=torch.float64)
    assert torch.allclose(-ScaledLinear().noise(theta, x, mu, sigma) / sigma[..., None],
                          theta[:, None] * x)
    pair = torch.tensor([[0.5, 3.0], [-2.0, 0.1]], dtype=torch.float64)
    assert torch.allclose(-DeepLinear().noise(pair, x, mu, sigma) / sigma[..., None],
                          pair.prod(1)[:, None, None] * x)
    features = RandomFeatures(8, 1.5, np.random.default_rng(0))
    many = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 8)))
    score = -features.noise(many, x, mu, sigma) / sigma[..., None]
    expected = math.sqrt(2 / 8) * torch.cos(x * features.frequencies + features.phases) \
        @ many[:, :, None]
    assert torch.allclose(score, expected)
    assert float((features.features(x) ** 2).sum(-1).max()) <= 2


def test_score_of_one_model():
    net = MLP(2, (8,))
    theta = net.initial(4, np.random.default_rng(0), torch.float64)
    process = OrnsteinUhlenbeck(1.0)
    score = score_of(net, theta[2], process)
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((6, 2)))
    one = score(x, 0.3)
    mu = torch.full((4, 6), math.exp(-0.3), dtype=torch.float64)
    sigma = torch.full((4, 6), math.sqrt(process.variance(0.3)), dtype=torch.float64)
    stacked = -net.noise(theta, x.expand(4, 6, 2), mu, sigma) / sigma[..., None]
    assert torch.allclose(one, stacked[2])
    times = torch.tensor([0.3, 0.1, 0.3, 0.1, 0.3, 0.3])
    mixed = score(x, times)
    assert torch.allclose(mixed[[0, 2, 4, 5]], one[[0, 2, 4, 5]], rtol=1e-6)
    assert not one.requires_grad


@pytest.mark.parametrize(("build", "words"), [
    (lambda: MLP(0, (4,)), "dimension"), (lambda: MLP(2, ()), "widths"),
    (lambda: MLP(2, (4, 0)), "widths"), (lambda: MLP(2, (4,), "gelu"), "activation"),
    (lambda: RandomFeatures(0, 1.0, np.random.default_rng(0)), "features"),
    (lambda: RandomFeatures(3, 0.0, np.random.default_rng(0)), "bandwidth"),
    (lambda: MLP(2, (4,)).layers(torch.zeros(2, 3)), "theta"),
    (lambda: ScaledLinear().noise(torch.zeros(2, 2), *batch(2, 3, 1)), "theta"),
    (lambda: score_of(ScaledLinear(), torch.zeros(1, 1), HEAT), "theta"),
    (lambda: RandomFeatures(3, 1.0, np.random.default_rng(0)).noise(
        torch.zeros(2, 3, dtype=torch.float64), *batch(2, 3, 2)), "x must have one column")])
def test_wrong_inputs(build, words):
    with pytest.raises(ValueError, match=words):
        build()


@pytest.mark.parametrize("limit", [1, 40, 10**9])
def test_evaluation_in_blocks_of_models_changes_nothing(monkeypatch, limit):
    generator = np.random.default_rng(0)
    model = MLP(2, (7, 5))
    theta = model.initial(6, generator)
    x = torch.from_numpy(generator.standard_normal((6, 4, 2)))
    process = OrnsteinUhlenbeck(0.5)
    one_by_one = torch.cat([noise_at(model, theta[k:k + 1], x[k:k + 1], process, 0.3)
                            for k in range(6)])
    monkeypatch.setattr("score_stability.scores.networks._ACTIVATION", limit)
    torch.testing.assert_close(noise_at(model, theta, x, process, 0.3), one_by_one,
                               rtol=1e-12, atol=1e-13)
