"""The door of array arguments: every public function, every way in which numbers are held."""

import dataclasses
import importlib
import inspect
import math
import pkgutil
import re
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import score_stability
from score_stability import arrays, datasets, diffusion
from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting, process
from score_stability.optimiser import adjacent_sgd, contraction, gradient_noise, training
from score_stability.sampler import exact_law, path_bounds, sampling
from score_stability.scores import empirical, fourier, linear_denoisers, networks, pretrained
from score_stability.stability import definition_2, exchanges, self_posterior
from score_stability.theory import averaged, bounds, exact_cases
from score_stability.yardsticks import (
    dimension,
    divergences,
    estimates,
    leave_one_out,
    memorisation,
    signatures,
)

# The door itself, what draws pictures, compiles formulas, seeds, and lists the statements.
EXEMPT = {"arrays", "plots", "rounding", "runtime", "statements"}
NOT_ROOMS = ("data", "pictures")  # files, and pictures, which take no arrays


def rooms():
    """Every module of the library by its short name: the laws, one a file, are all "targets"."""
    for found in pkgutil.walk_packages(score_stability.__path__, "score_stability."):
        path = found.name.split(".")
        if not found.ispkg and path[1] not in NOT_ROOMS and path[-1] not in EXEMPT:
            yield "targets" if "targets" in path else path[-1], importlib.import_module(found.name)


OU, TAU = OrnsteinUhlenbeck(0.5), TimeWeighting([1.0, 2.0], [1.0, 3.0])

# Small whole numbers are the same in every representation.
X = np.array([[0, 1], [3, 2], [1, 4]])
Y = np.array([[2, 2], [0, 3], [4, 1]])
ONE = np.array([[5, 1]])
T = np.array([1, 2, 1])
TIMES = np.array([4, 2, 1])
LEVELS = np.array([0.75, 0.5, 0.25])
THETA = np.array([[1], [2]])
STACK = np.stack([X, Y])
ROWS = np.random.default_rng(0).integers(0, 9, (4, 8, 2))
PAIR = linear_denoisers.fit_ridge(linear_denoisers.affine, np.vstack([X, Y]),
                                  np.random.default_rng(0).standard_normal((6, 3, 2)), 1.0, 1.0)


repeatable = settings(max_examples=60, deadline=None, derandomize=True)


def generator():
    return np.random.default_rng(0)


def first_rows(points, n):
    dense = points is not None and not getattr(points, "is_sparse", False)
    return points[:n] if dense else points


def drawing(function, *first, **options):
    """A function of ``draw``, which hands out the first points of an array."""
    def call(draw):
        return function(*first, lambda n, generator: first_rows(draw, n), OU,
                        **{"number": 3, "generator": generator(), "replicates": 2, "queries": 2,
                           **options.get("keys", {})})
    return call


def losses(draw):
    return definition_2.direct_losses(
        lambda n, generator: first_rows(draw, n), OU, 1.0, 3, generator(), replicates=2, queries=2,
        true_score=lambda x, t: -x)


def last(iterator):
    return list(iterator)[-1]


def empirical_score(name):
    return lambda data, x, t: getattr(empirical.EmpiricalScore(data, OU), name)(x, t)


def target(name, maker):
    return {f"targets.{name}.{method}": (
        lambda x, t, method=method: getattr(maker(), method)(x, t), {
            "x": np.tile(X, (1, 2))[:, :maker().dimension], "t": T})
        for method in ("score", "log_density", "posterior_mean")}


LOSS = training.DenoisingLoss(OU, training.single_time(1.0))
LINEAR = networks.ScaledLinear()
FAMILY = fourier.FourierDenoisers(1, 1.0, OU, 1.0)
MEASURED = [np.array([2, 1, 2]), np.array([4, 5, 4]), np.array([1, 2, 2])]
JACKKNIVES = [leave_one_out.Jackknife(each, 1.0, 1.0) for each in ([1.0, 2.0], [3.0, 2.0])]


def options(**vectors):
    return training.SGD(**{"steps": 2, "batch_size": 2, "step_size": 0.25, **vectors})


def parts(function):
    """``function`` with the three numbers of its ``Estimate``."""
    def numbers(*arguments, **vectors):
        return dataclasses.astuple(function(*arguments, **vectors))
    return numbers


def run(theta, data, **vectors):
    return last(training.sgd(LINEAR, theta, data, LOSS, options(**vectors),
                             training.streams(generator()))).theta


CHAIN = contraction.ComparisonChain(0.5, 1.0, 2.0, 1.0, 0.5, nodes=4)
SCATTERED = np.random.default_rng(1).integers(0, 99, (12, 2))
LOGS = {"log_p": np.array([-1, -2, -1]), "log_q": np.array([-2, -1, -1]), "weights": np.ones(3)}
PIXELS = np.random.default_rng(2).integers(0, 2, (2049, 1, 1, 3))
START, LINE = exact_law.Start(0.5, 2.0), diffusion.Gaussian([0.0], 2.0, OU)
LAW = {"nodes": np.array([0, 1, 2, 4, 5]), "weights": np.ones(5),
       "log_density": np.array([-3, -1, -2, -1, -3]), "error": np.array([0, 1, 0, 2, 0])}


class Colours:
    """What a metric of torchmetrics looks like; the mean colour."""

    def __init__(self, **options):
        self.sums = []

    def update(self, part, real=None):
        self.sums.append(part.double().sum())

    def compute(self):
        return self.sums[-1] if len(self.sums) > 1 else (self.sums[0], 1.0)


def steeper(x, t):
    return -x / 2


def flatter(x, t):
    return -x / 4


def exact(function, *first, **keys):
    """A function of ``times``, of samplers on the line."""
    return lambda times: function(*first, times, START, **keys)


# What is called, with its array arguments.
CALLS = {
    **{f"process.OrnsteinUhlenbeck.{name}": (getattr(OU, name), {argument: T})
       for name, argument in (("mean_scale", "t"), ("variance", "t"), ("snr", "t"),
                              ("denoiser_to_score_units", "t"), ("time_of_snr", "snr"))},
    "process.OrnsteinUhlenbeck.sample": (OU.sample, {"x0": X, "t": T, "noise": Y}),
    "process.OrnsteinUhlenbeck.conditional_score": (OU.conditional_score,
                                                    {"x": X, "t": T, "x0": Y}),
    "process.OrnsteinUhlenbeck.score_from_denoiser": (
        lambda denoised, x, t: OU.score_from_denoiser(denoised, x, t),
        {"x": X, "t": T, "denoised": Y}),
    "process.OrnsteinUhlenbeck.denoiser_from_score": (OU.denoiser_from_score,
                                                      {"x": X, "t": T, "score": Y}),
    "process.check_time": (lambda t: process.check_time(t) or 0.0, {"t": T}),
    "process.one_time": (process.one_time, {"t": np.array(2)}),
    "weighting.TimeWeighting": (
        lambda times, weights: TimeWeighting(times, weights).integrate(lambda t: t),
        {"times": T, "weights": TIMES}),
    "weighting.TimeWeighting.sampler_grid": (
        lambda grid: TimeWeighting.sampler_grid(grid).integrate(lambda t: t), {"grid": TIMES}),
    "empirical.EmpiricalScore": (lambda data: empirical.EmpiricalScore(data, OU).data, {"data": X}),
    **{f"empirical.EmpiricalScore.{name}": (empirical_score(name), {"data": X, "x": Y, "t": T})
       for name in ("__call__", "denoiser", "log_density", "weights")},
    "empirical.EmpiricalScore.replace_one": (
        lambda data, x, fresh, origin: empirical.EmpiricalScore(data, OU).replace_one(
            x, 1.0, fresh, origin), {"data": X, "x": Y, "fresh": ONE, "origin": X}),
    "exchanges.fourier_exchanges": (
        lambda points: exchanges.fourier_exchanges(
            fourier.FourierDenoisers(1, 1.0, OU, 0.5), points).gap, {"points": X}),
    "exchanges.empirical_exchanges": (
        lambda points: exchanges.empirical_exchanges(points, OU, 0.5).gap, {"points": X}),
    "averaged.fresh_part": (
        lambda points, weights, positions: averaged.fresh_part([4], points, weights, 0.5,
                                                               positions),
        {"points": TIMES, "weights": np.array([0, 1, 0]), "positions": TIMES}),
    "adjacent_sgd.affine_runs": (
        lambda population: adjacent_sgd.affine_runs(
            population, 2, np.random.default_rng(0), sets=2, steps=2, batch_size=2,
            step_size=0.01).gap, {"population": np.concatenate([X, Y])}),
    "dimension.cap_radius": (lambda mass: dimension.cap_radius(mass, 2.0),
                             {"mass": np.array([0, 1, 1])}),
    "memorisation.plain_edge": (memorisation.plain_edge, {"data": X, "noise": Y}),
    "memorisation.index_information": (lambda points: memorisation.index_information(points, 0.5),
                                       {"points": X[:, :1]}),
    "memorisation.own_weights": (
        lambda points, sigmas: memorisation.own_weights(points, [0, 2], sigmas,
                                                        np.random.default_rng(0)),
        {"points": X, "sigmas": TIMES}),
    "definition_2.replace_one_rows": (
        lambda fresh, noise, third: definition_2.replace_one_rows(
            empirical.EmpiricalScore(X, OU), fresh, TAU, noise, third=third),
        {"fresh": X, "noise": Y, "third": Y}),
    "definition_2.measure_empirical": (
        lambda draw: drawing(definition_2.measure_empirical,
                             keys={"weighting": TAU})(draw).stability,
        {"draw": X}),
    "definition_2.measure": (
        lambda draw: drawing(definition_2.measure,
                             lambda data, g: lambda x, t: -x + data.mean(0),
                             keys={"weighting": TAU})(draw).stability, {"draw": X}),
    "definition_2.direct_losses": (losses, {"draw": X}),
    "definition_2.excess_losses": (
        lambda draw: definition_2.excess_losses(
            lambda n, generator: first_rows(draw, n), OU, 1.0, 3, generator(), replicates=1,
            queries=3, true_score=lambda x, t: -x), {"draw": X}),
    "definition_2.excess_root_gap": (
        parts(lambda rows: definition_2.excess_root_gap(rows, 5.0)), {"rows": X[:, :2]}),
    "definition_2.Measurement": (
        lambda **vectors: definition_2.Measurement(**vectors).root_gap.value,
        dict(zip(("stability", "fresh_loss", "seen_loss"), MEASURED, strict=True))),
    "targets.Gaussian": (
        lambda mean, covariance: diffusion.Gaussian(mean, covariance, OU).score(X, 1.0),
        {"mean": np.array([1, 2]), "covariance": np.array([[2, 1], [1, 3]])}),
    "targets.GaussianMixture": (
        lambda weights, means, variances: diffusion.GaussianMixture(
            weights, means, variances, OU).score(X, 1.0),
        {"weights": np.array([1]), "means": ONE, "variances": np.array([2])}),
    **target("Gaussian", lambda: diffusion.Gaussian([1.0, 2.0], 2.0, OU)),
    **target("GaussianMixture",
             lambda: diffusion.GaussianMixture([0.5, 0.5], [[0, 1], [2, 3]], [1, 0], OU)),
    **target("TwoPoint", lambda: diffusion.TwoPoint(OU)),
    **target("Torus", lambda: diffusion.Torus(2, OU)),
    **target("Circle", lambda: diffusion.Circle(OU)),
    **target("Sphere", lambda: diffusion.Sphere(OU)),
    **target("UniformInterval", lambda: diffusion.UniformInterval(OU)),
    **target("HarmonicCurve", lambda: diffusion.HarmonicCurve(2, OU)),
    "targets.HarmonicCurve.points": (lambda angle: diffusion.HarmonicCurve(2, OU).points(angle),
                                     {"angle": T}),
    "sampling.step_pairs": (sampling.step_pairs, {"times": TIMES}),
    "sampling.steps_of": (
        lambda times: [s[2] for s in sampling.steps_of(sampling.ddpm, OU, times)],
        {"times": TIMES}),
    "sampling.gaussian_law": (
        lambda times: sampling.gaussian_law(OU, times, sampling.ddpm, (0.0, 1.0)),
        {"times": TIMES}),
    "sampling.effective_stopping_time": (
        lambda times: sampling.effective_stopping_time(OU, times, sampling.ddpm),
        {"times": TIMES}),
    "sampling.sample": (
        lambda times, start: sampling.sample(lambda x, t: -x / 2, OU, times, start, generator()),
        {"times": TIMES, "start": X}),
    "networks.parameters": (lambda theta: networks.parameters(theta, "B", "P"), {"theta": THETA}),
    "networks.noise_at": (lambda theta, x: networks.noise_at(LINEAR, theta, x, OU, 1.0),
                          {"theta": THETA, "x": STACK}),
    "networks.score_of": (lambda theta, x, t: networks.score_of(LINEAR, theta, OU)(x, t),
                          {"theta": np.array([0.25]), "x": X, "t": T}),
    "training.SGD": (lambda **vectors: run(THETA, STACK, **vectors),
                     {"clip": np.array([1, 2]), "weight_decay": np.array([1, 2]),
                      "noise_std": np.array([0, 1]), "step_size": np.array([1, 0.5])}),
    "training.SGD.step": (lambda step_size: options(step_size=step_size).step(1),
                          {"step_size": T}),
    "training.adjacent": (lambda data, index, fresh: training.adjacent(data, index, fresh),
                          {"data": STACK, "fresh": np.array([[7.5, 8], [9, 1.25]]),
                           "index": np.array([2, 0])}),
    "training.sgd": (run, {"theta": THETA, "data": STACK}),
    "training.averaged": (
        lambda start: last(training.averaged(training.sgd(
            LINEAR, THETA, STACK, LOSS, options(), training.streams(generator())), start,
            [2])).average, {"start": THETA.astype(float)}),
    "training.pair_distance": (training.pair_distance, {"theta": np.vstack([X, ONE])}),
    "training.denoised_samples": (
        lambda theta, times, start: training.denoised_samples(LINEAR, theta, OU, times, start,
                                                              generator()),
        {"theta": -THETA, "times": TIMES, "start": STACK}),
    "training.exact_loss": (
        lambda theta, points: training.exact_loss(LINEAR, theta, points, OU, TAU),
        {"theta": THETA, "points": STACK}),
    "training.score_distance": (
        lambda theta, other, points: training.score_distance(LINEAR, theta, other, points, OU, TAU),
        {"theta": THETA, "other": 3 * THETA, "points": STACK}),
    "memorisation.nearest_neighbour_ratio": (memorisation.nearest_neighbour_ratio,
                                             {"samples": X, "data": Y}),
    "memorisation.memorised_fraction": (memorisation.memorised_fraction,
                                        {"ratio": np.array([0, 1, 1])}),
    "memorisation.collision_probability": (memorisation.collision_probability,
                                           {"weights": np.eye(3)}),
    "memorisation.membership_advantage": (
        lambda data, fresh: memorisation.membership_advantage(data, 1, fresh, OU, 1.0),
        {"data": X, "fresh": ONE}),
    "signatures.memorisation_excess": (signatures.memorisation_excess,
                                       {"samples": X, "data": Y, "fresh": X + 1}),
    "signatures.spread_ratio": (signatures.spread_ratio, {"samples": X, "held_out": Y + X}),
    "signatures.training_signature": (
        lambda loss, norm, clipped: signatures.training_signature(
            loss, norm, clipped, zero_loss=2.0)[1:],
        {"loss": TIMES, "norm": T, "clipped": np.array([0, 1, 1])}),
    "self_posterior.moment_bounds": (
        lambda data: self_posterior.moment_bounds(data, OU, 1.0, 2.0), {"data": X}),
    "self_posterior.exchange_parts": (
        lambda points: self_posterior.exchange_parts(points, OU, 1.0)[0], {"points": X}),
    "self_posterior.certificate_inputs": (
        lambda data: self_posterior.certificate_inputs(data, OU, 1.0).pull, {"data": X}),
    "linear_denoisers.affine": (lambda y: linear_denoisers.affine(y, 1.0), {"y": X}),
    "linear_denoisers.RandomReLU": (
        lambda weights, biases: linear_denoisers.RandomReLU(weights, biases)(X, 1.0),
        {"weights": Y, "biases": T}),
    "linear_denoisers.RandomReLU.__call__": (
        lambda y: linear_denoisers.RandomReLU.draw(2, 4, generator())(y, 1.0), {"y": X}),
    "linear_denoisers.Codebook": (lambda points: linear_denoisers.Codebook(points)(X, 1.0),
                                  {"points": Y}),
    "linear_denoisers.Codebook.__call__": (lambda y: linear_denoisers.Codebook(Y)(y, 1.0),
                                           {"y": X}),
    "linear_denoisers.Mixture": (
        lambda probabilities, means, covariances: linear_denoisers.Mixture(
            probabilities, means, covariances)(X, 1.0),
        {"probabilities": np.array([1]), "means": ONE,
         "covariances": np.array([[[2, 1], [1, 3]]])}),
    "linear_denoisers.Mixture.__call__": (
        lambda y: linear_denoisers.Mixture([1.0], ONE, np.eye(2)[None])(y, 1.0), {"y": X}),
    "linear_denoisers.LinearDenoiser": (
        lambda parameters: linear_denoisers.LinearDenoiser(linear_denoisers.affine, 1.0,
                                                           parameters)(X), {"parameters": Y}),
    "linear_denoisers.LinearDenoiser.__call__": (lambda y: PAIR.full(y), {"y": X}),
    "linear_denoisers.LinearDenoiser.losses": (lambda data, noise: PAIR.full.losses(data, noise),
                                               {"data": X, "noise": Y[:, None]}),
    "linear_denoisers.fit_ridge": (
        lambda data, noise: linear_denoisers.fit_ridge(
            linear_denoisers.affine, data, noise, 1.0, 1.0).full.parameters,
        {"data": X, "noise": Y[:, None]}),
    "linear_denoisers.Ridge.stability_elsewhere": (PAIR.stability_elsewhere, {"y": X}),
    "linear_denoisers.Ridge.leave_two_out": (PAIR.leave_two_out, {"pairs": ONE}),
    "linear_denoisers.Ridge.replace_one_changes": (PAIR.replace_one_changes,
                                                   {"triples": np.array([[0, 1, 2]])}),
    "leave_one_out.Jackknife": (lambda loo_losses: leave_one_out.Jackknife(loo_losses, 1, 1).loo,
                               {"loo_losses": T}),
    "leave_one_out.joint": (lambda weights: leave_one_out.joint(JACKKNIVES, weights).loo_losses,
                           {"weights": np.array([1, 2])}),
    "leave_one_out.per_time": (lambda weights: leave_one_out.per_time(JACKKNIVES, weights),
                              {"weights": np.array([1, 2])}),
    "leave_one_out.retrain": (
        lambda data, noise_levels: leave_one_out.retrain(
            lambda data, g: lambda y, s: 0 * y + data.mean(0), data, generator(),
            noise_levels=noise_levels, models=2)[0].loo_losses, {"data": X, "noise_levels": T}),
    "leave_one_out.elbo_weights": (leave_one_out.elbo_weights, {"noise_levels": TIMES}),
    **{f"fourier.FourierDenoisers.{name}": (getattr(FAMILY, name), {"data": T})
       for name in ("gram", "moment", "fit")},
    "fourier.FourierDenoisers.loss": (lambda data: FAMILY.loss(np.array([1, 2, 1j]), data),
                                      {"data": T}),
    "fourier.FourierDenoisers.distance": (
        lambda data: FAMILY.distance(np.array([1, 2, 1j]), np.array([0, 1, 1]), data),
        {"data": T}),
    "fourier.FourierDenoisers.replace_one": (FAMILY.replace_one, {"data": T, "fresh": np.array(3)}),
    "gradient_noise.row_gradients": (
        lambda theta, points: gradient_noise.row_gradients(LINEAR, theta, points, LOSS, 2,
                                                           generator()),
        {"theta": THETA[0], "points": X}),
    "gradient_noise.noise_covariances": (gradient_noise.noise_covariances, {"gradients": ROWS}),
    "gradient_noise.gradient_covariance": (
        lambda **parts: gradient_noise.gradient_covariance(
            gradient_noise.NoiseCovariances(**parts), 4, 2, 3),
        {"index": np.diag([1, 2]), "draws": np.diag([3, 4])}),
    "gradient_noise.participation_ratio": (gradient_noise.participation_ratio,
                                           {"covariance": np.diag([1, 2])}),
    "gradient_noise.held_out_spectrum": (gradient_noise.held_out_spectrum, {"gradients": ROWS}),
    "gradient_noise.excess_kurtosis": (gradient_noise.excess_kurtosis,
                                       {"gradients": ROWS, "direction": np.array([1, 2])}),
    "contraction.reflection_maximal": (
        lambda a, b, s: contraction.reflection_maximal(a, b, s, generator())[:2],
        {"a": X, "b": Y, "s": T}),
    "contraction.ComparisonChain.free": (CHAIN.free, {"r": T}),
    "contraction.ComparisonChain.hit": (CHAIN.hit, {"r": T}),
    "contraction.ComparisonChain.kernel": (CHAIN.kernel, {"x": T}),
    "dimension.neighbour_distances": (
        lambda points: dimension.neighbour_distances(points, 3), {"points": SCATTERED}),
    "dimension.two_nearest_neighbours": (
        lambda points: [(found := dimension.two_nearest_neighbours(points)).dimension.value,
                        found.dimension.standard_error], {"points": SCATTERED}),
    "dimension.levina_bickel": (lambda points: dimension.levina_bickel(points, 3),
                                {"points": SCATTERED}),
    "dimension.log_ball_constants": (
        lambda points: dimension.log_ball_constants(points, 2.0, 3), {"points": SCATTERED}),
    **{f"divergences.{name}": (
        lambda name=name, **vectors: getattr(divergences, name)(**vectors, missing=0.5,
                                                                with_error=True),
        {**LOGS, "error": np.array([0, 1, 0])}) for name in ("kl", "total_variation")},
    "divergences.wasserstein_1": (
        lambda **vectors: divergences.wasserstein_1(**vectors, missing=0.5),
        {**LOGS, "nodes": np.array([1, 2, 4])}),
    "divergences.energy_distance": (divergences.energy_distance, {"x": X, "y": Y}),
    "divergences.gaussian_kl": (divergences.gaussian_kl, {
        "mean_p": np.array(1), "variance_p": np.array(2), "mean_q": np.array(3),
        "variance_q": np.array(4)}),
    "divergences.frechet_distance": (
        lambda x, y: divergences.frechet_distance(x, y, features="plane"), {"x": X, "y": Y}),
    "divergences.frechet_of_images": (
        lambda images, reference: divergences.frechet_of_images(
            images, reference, lambda x: x[..., :1], features="left"),
        {"images": X, "reference": Y}),
    "divergences.inception_metrics": (
        lambda images, reference: divergences.inception_metrics(
            images, reference, batch=2049, metrics=types.SimpleNamespace(
                FrechetInceptionDistance=Colours, InceptionScore=Colours)),
        {"images": PIXELS, "reference": 1 - PIXELS}),
    "exact_cases.scaled_linear_sgd": (
        lambda data, fresh: exact_cases.scaled_linear_sgd(
            data, 1, fresh, mean_scale=0.5, variance=0.5, steps=3, step_size=0.1),
        {"data": X, "fresh": T}),
    "exact_law.Start.log": (START.log, {"y": T}),
    "exact_law.Law": (lambda **vectors: [*exact_law.Law(**vectors).moments(),
                                         exact_law.Law(**vectors).error_at([1.0, 4.5])], LAW),
    "bounds.Bound.__call__": (lambda intrinsic_dimension: bounds.MANIFOLD_SLACK(
        intrinsic_dimension=intrinsic_dimension), {"intrinsic_dimension": T}),
    "bounds.last_iterate_zcdp": (lambda steps: bounds.last_iterate_zcdp(1.0, 2.0, 0.5, steps),
                                 {"steps": T}),
    "datasets.Images": (lambda pixels: datasets.Images(
        "three", pixels, np.arange(3), (1, 2)).pixels, {"pixels": np.eye(3, 2)}),
    "datasets.standardise": (datasets.standardise, {"train": X}),
    "datasets.Standardisation": (lambda mean: datasets.Standardisation(mean, 2.0)(X),
                                 {"mean": ONE[0]}),
    "datasets.Standardisation.of": (lambda train: datasets.Standardisation.of(train).mean,
                                    {"train": X}),
    "datasets.Standardisation.__call__": (datasets.Standardisation.of(X), {"images": Y}),
    "datasets.Standardisation.to_pixels": (datasets.Standardisation.of(X).to_pixels, {"array": Y}),
    "estimates.mean": (parts(estimates.mean), {"replicates": T}),
    "estimates.jackknife": (lambda replicates: parts(estimates.jackknife)(
        lambda a: a, replicates), {"replicates": T}),
    "estimates.paired_ratio": (parts(estimates.paired_ratio), {"numerator": T,
                                                               "denominator": TIMES}),
    "estimates.log_log_slope": (parts(estimates.log_log_slope), {"x": TIMES, "y": T}),
    "pretrained.level_times": (lambda alpha_bar: pretrained.level_times(alpha_bar, OU),
                               {"alpha_bar": LEVELS}),
    "pretrained.score_from_prediction": (
        lambda x, alpha_bar: pretrained.score_from_prediction(lambda y, k: y, alpha_bar, OU)(
            x, OU.time_of_snr(1.0)), {"x": X, "alpha_bar": LEVELS}),
    "exact_law.Law.at": (exact_law.Law(**LAW).at, {"x": T}),
    "exact_law.Law.error_at": (exact_law.Law(**LAW).error_at, {"x": T}),
    "exact_law.sampler_law": (
        lambda times, cover: exact_law.sampler_law(steeper, OU, times, START,
                                                   cover=cover).moments(),
        {"times": TIMES, "cover": np.array([-2, 3])}),
    "path_bounds.score_term": (lambda times: path_bounds.score_term(LINE, steeper, times),
                             {"times": TIMES}),
    "path_bounds.discretisation_term": (
        lambda times: path_bounds.discretisation_term(LINE, times), {"times": TIMES}),
    "path_bounds.girsanov_bound": (exact(path_bounds.girsanov_bound, LINE, steeper),
                                   {"times": TIMES}),
    "path_bounds.chain_rule_bound": (
        lambda times: path_bounds.chain_rule_bound([exact_law.Law(**LAW)] * 2, steeper, flatter,
                                                   OU, times), {"times": TIMES}),
    "path_bounds.gronwall_w2_bound": (
        exact(path_bounds.gronwall_w2_bound, steeper, flatter, OU, cover=(-2, 3),
              scheme=sampling.ddpm), {"times": TIMES}),
    "path_bounds.jacobian_tv_bound": (
        exact(path_bounds.jacobian_tv_bound, flatter, steeper, OU, scheme=sampling.ode_exponential,
              nodes=101), {"times": TIMES}),
}

# Without an array argument of their own …
WITHOUT = set(re.findall(r"\S+", """
jobs.spread
adjacent_sgd.AffineRuns dimension.sphere_dimension dimension.sphere_reading exact_cases.Moves
exact_cases.fitted_mean exact_cases.fitted_slope exact_cases.two_point_algorithm exchanges.Exchanges
bounds.Bound datasets.DataUnavailable datasets.LongRun datasets.cifar10 datasets.digits
datasets.gradient_noise_long_run datasets.load datasets.mnist datasets.noisy_ring datasets.split
estimates.Estimate estimates.Estimate.half_width estimates.independent_ratio
estimates.wilson_interval quadrature.gauss_hermite
quadrature.gauss_legendre quadrature.standard_normal leave_one_out.Jackknife.upper_end
fourier.FourierDenoisers gradient_noise.NoiseCovariances linear_denoisers.RandomReLU.draw
linear_denoisers.combine linear_denoisers.draw_triples memorisation.NearestNeighbour
networks.DeepLinear networks.MLP networks.MLP.initial networks.RandomFeatures networks.ScaledLinear
process.OrnsteinUhlenbeck sampling.KappaGrid sampling.Step sampling.TwoStageStep sampling.ddim
sampling.ddpm sampling.euler_maruyama sampling.exponential_integrator sampling.geometric_grid
sampling.heun sampling.kappa_grid sampling.kappa_of_steps sampling.martingale_integrator
sampling.ode_euler sampling.ode_exponential self_posterior.Certificate
flat_space.FlatStability flat_space.FlatStability.of flat_space.flat_stability
self_posterior.CertificateInputs self_posterior.MomentBounds self_posterior.average_inputs
self_posterior.ball_moment_bound self_posterior.empirical_score_certificate
self_posterior.laplace_moment self_posterior.PoissonMoments self_posterior.poisson_moments
signatures.MemorisationExcess signatures.TrainingSignature
definition_2.loss_only_sandwich targets.Circle targets.HarmonicCurve targets.Sphere
targets.StabilityConstants targets.Torus targets.TwoPoint targets.UniformInterval
targets.isometric_embedding targets.radial_rule training.DenoisingLoss training.Diverged
training.Mark training.State training.Streams training.gauss_hermite training.hit_probability
training.log_uniform_times training.minibatches training.pair_groups training.single_time
training.streams weighting.TimeWeighting.at weighting.TimeWeighting.integrate
weighting.TimeWeighting.lebesgue weighting.TimeWeighting.log_uniform empirical.ReplaceOne
linear_denoisers.Ridge linear_denoisers.Ridge.parameters_without targets.Target contraction.BurnIn
contraction.Bracket contraction.ComparisonChain contraction.ComparisonChain.adjacent
contraction.ComparisonChain.doeblin contraction.ComparisonChain.eberle
contraction.ComparisonChain.green contraction.ComparisonChain.green_continuous
contraction.ComparisonChain.green_partial contraction.ComparisonChain.meeting_time
contraction.ComparisonChain.spectral_rate contraction.ComparisonChain.stationary contraction.Coupled
contraction.best_burn_in contraction.first_moment contraction.second_moment dimension.TwoNN
divergences.InceptionMetrics exact_cases.AdjacentMoments exact_cases.ExactCase
exact_cases.gaussian_affine exact_cases.gaussian_mean exact_cases.two_point
exact_cases.two_point_true_score
path_bounds.GirsanovTerms exact_law.Law.moments exact_law.Start law_divergences.divergences_from
exact_law.exact_start law_divergences.kl_at law_divergences.kl_between law_divergences.kl_from
exact_law.matched_start exact_law.score_and_slope path_bounds.score_error path_bounds.start_cost
law_divergences.tv_at law_divergences.tv_between
"""))
# … of which the arrays have passed the door already: inner steps, and what runs under autograd.
INSIDE = set(re.findall(r"\S+", """
averaged.pair_kernel
networks.DeepLinear.noise networks.MLP.layers networks.MLP.noise networks.MLP.rescaling_directions
networks.Network networks.Network.noise networks.RandomFeatures.features
networks.RandomFeatures.noise networks.ScaledLinear.noise process.by_time quadrature.trapezoid_error
exact_law.log_density_at exact_law.step_map sampling.Step.mean sampling.Step.multiplier
sampling.TwoStageStep.mean sampling.TwoStageStep.multiplier sampling.evaluate
training.DenoisingLoss.rows training.clip_rows training.point_gradients
"""))
TARGETS = ("Gaussian", "GaussianMixture", "TwoPoint", "Torus", "Circle", "Sphere",
           "UniformInterval", "HarmonicCurve")


def test_every_module_is_looked_at():
    names = [name for name, _ in rooms() if name != "targets"]
    assert len(names) == len(set(names))  # a short name is that of one module
    files = {p.stem for p in Path(score_stability.__file__).parent.rglob("[!_]*.py")
             if not {"targets", *NOT_ROOMS} & set(p.parent.parts)}
    assert files == set(names) | EXEMPT


def test_every_public_function_is_listed():
    found = set()
    for short, module in rooms():
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                found.add(f"{short}.{name}")
            if inspect.isclass(value):
                found |= {f"{short}.{name}.{method}" for method, function in vars(value).items()
                          if (method == "__call__" or not method.startswith("_"))
                          and (inspect.isfunction(function) or isinstance(function, classmethod))}
    # Of a law only the three functions of points take arrays; the base class names all the rest.
    found = {f for f in found if not re.match(
        r"targets\.\w+\.(sample|score_matching_constant|fisher_information|interval|line_rule|"
        r"entropy|stability_constants)$|targets\.Target\.", f)}
    inherited = {f"targets.{law}.{method}" for law in TARGETS
                 for method in ("score", "log_density", "posterior_mean")}
    assert {f"targets.{law}" for law in TARGETS} == {
        f for f in found if f.startswith("targets.") and f.count(".") == 1} - {
            "targets.Target", "targets.StabilityConstants", "targets.isometric_embedding",
            "targets.radial_rule"}
    listed = set(CALLS) | WITHOUT | INSIDE
    assert found - listed == set()  # a new function goes into CALLS if it takes an array
    assert listed - found - inherited == set()


def read_only(a):
    a = a.astype(float)
    a.flags.writeable = False
    return a


def strided(a):
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan) if a.ndim else np.array(a, float)
    if a.ndim:
        wide[..., ::2] = a
        return wide[..., ::2]
    return wide


REPRESENTATIONS = {
    "list": lambda a: a.tolist(),
    "list of rows": lambda a: [np.asarray(row) for row in a] if a.ndim else a.item(),
    "uint8": lambda a: a.astype(np.uint8),
    "int64": lambda a: a.astype(np.int64),
    "float16": lambda a: a.astype(np.float16),
    "float32": lambda a: a.astype(np.float32),
    "big-endian": lambda a: a.astype(">f8"),
    "reversed": lambda a: a[..., ::-1].astype(float).copy()[..., ::-1] if a.ndim else a,
    "columns first": lambda a: np.array(a, dtype=float, order="F"),
    "strided": strided,
    "read-only": read_only,
    "table": lambda a: {1: pd.Series, 2: pd.DataFrame}.get(a.ndim, np.asarray)(a),
    "torch uint8": lambda a: torch.from_numpy(a.astype(np.uint8)),
    "torch int64": lambda a: torch.from_numpy(a.astype(np.int64)),
    "torch float16": lambda a: torch.from_numpy(a.astype(np.float16)),
    "torch bfloat16": lambda a: torch.from_numpy(a.astype(np.float32)).bfloat16(),
    "torch float32": lambda a: torch.from_numpy(a.astype(np.float32)),
    "torch float64": lambda a: torch.from_numpy(a.astype(float)),
    "torch strided": lambda a: torch.from_numpy(np.array(a, dtype=float, order="F")),
    "torch with gradient": lambda a: torch.from_numpy(a.astype(float)).requires_grad_(),
}
PRECISION = {torch.float16: 2e-2, torch.bfloat16: 1e-1, torch.float32: 1e-5,
             np.dtype(np.float16): 2e-2, np.dtype(np.float32): 1e-5}


def flat(result):
    """All numbers of a result, and the dtypes in which they came."""
    if isinstance(result, tuple | list):
        parts = [flat(part) for part in result]
        return np.concatenate([p[0] for p in parts]), set().union(*(p[1] for p in parts))
    if isinstance(result, torch.Tensor):
        return result.detach().double().numpy().ravel(), {result.dtype}
    result = np.asarray(result)
    return result.astype(complex).ravel(), {result.dtype}


def replaced(name, argument, represent):
    function, base = CALLS[name]
    return function(**{key: represent(value) if key == argument else
                       value.astype(float) for key, value in base.items()})


CASES = [(name, argument) for name, (_, base) in CALLS.items() for argument in base]
# A network works in the precision of its parameters, a fitted score in that of the data.
IN_ITS_PRECISION = {"theta", "other", "start", "draw", "a"}


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_every_representation_gives_the_same_numbers(name, argument):
    base = CALLS[name][1][argument]
    plain, kinds = flat(replaced(name, argument, lambda a: a.astype(float)))
    assert kinds <= {torch.float64, torch.int64, np.dtype(float), np.dtype(int),
                     np.dtype(complex)}
    for label, represent in REPRESENTATIONS.items():
        if base.min() < 0 and "uint8" in label:
            continue
        if (base != np.floor(base)).any() and "int" in label:
            continue
        held = represent(base)
        value, kinds = flat(replaced(name, argument, represent))
        low = getattr(held, "dtype", None) in PRECISION
        if not low:  # nothing is rounded to a type that the numbers came in by accident
            assert not kinds & set(PRECISION), label
        tolerance = max([1e-9, *(PRECISION.get(kind, 0) for kind in kinds)])
        if low and argument in IN_ITS_PRECISION:
            tolerance = 4 * PRECISION[held.dtype]
        scale = np.abs(plain).max()
        np.testing.assert_allclose(value, plain, rtol=tolerance, atol=tolerance * scale,
                                   err_msg=label)


BAD = {
    "complex": lambda a: a + 1j,
    "torch complex": lambda a: torch.from_numpy(np.asarray(a + 0j)),
    "text": lambda a: a.astype(str),
    "list of text": lambda a: a.astype(str).tolist(),
    "objects": lambda a: np.full(a.shape, None),
    "dates": lambda a: a.astype("datetime64[D]"),
    "masked": lambda a: np.ma.masked_equal(a, a.flat[0]),
    "ragged": lambda a: [[1.0], [1.0, 2.0]],
    "NaN": lambda a: a * math.nan,
    "infinite": lambda a: a + math.inf,
    "torch NaN": lambda a: torch.from_numpy(np.asarray(a * math.nan)),
    "sparse": lambda a: torch.from_numpy(np.atleast_1d(a).astype(float)).to_sparse(),
    "one axis more": lambda a: a[None, ..., None].astype(float),
    "empty": lambda a: np.empty((0,) * max(a.ndim, 1)),
    "nothing": lambda a: None,
}
# Not refused: a model that has diverged is NaN, no clip is infinite, without a third point the
# fresh one counts, and closed forms, one point or one number for all take more than one shape.
NUMBERS = ("NaN", "infinite", "torch NaN")
DIVERGED = {("networks.noise_at", "theta"), ("training.pair_distance", "theta"),
            ("training.exact_loss", "theta"), ("training.score_distance", "theta"),
            ("training.score_distance", "other"), ("contraction.reflection_maximal", "a"),
            ("contraction.reflection_maximal", "b")}
ELEMENTWISE = {("contraction.ComparisonChain.free", "r"),
               ("contraction.ComparisonChain.hit", "r"),
               ("exact_law.Start.log", "y"), ("exact_law.Law.at", "x"),
               ("exact_law.Law.error_at", "x"), ("bounds.Bound.__call__", "intrinsic_dimension"),
               ("bounds.last_iterate_zcdp", "steps")}
ANY_SHAPE = {("targets.Gaussian", "covariance"), ("dimension.cap_radius", "mass"),
             ("memorisation.membership_advantage", "fresh"),
             ("training.SGD", "clip"), ("training.SGD", "weight_decay"),
             ("training.SGD", "noise_std"), ("training.SGD", "step_size"),
             ("training.SGD.step", "step_size"), *(
                 (f"fourier.FourierDenoisers.{name}", argument) for name, argument in (
                     ("gram", "data"), ("moment", "data"), ("fit", "data"), ("loss", "data"),
                     ("distance", "data"), ("replace_one", "data"), ("replace_one", "fresh")))}


def accepted(name, argument, label):
    elementwise = name.startswith("process.") and not (argument == "t" and len(CALLS[name][1]) > 1)
    elementwise |= (name, argument) in ELEMENTWISE
    return ((label in NUMBERS and (name, argument) in DIVERGED)
            or (label == "infinite" and argument == "clip")
            or (label == "nothing" and argument in ("origin", "third"))
            or (label in ("one axis more", "empty") and elementwise)
            or (label == "one axis more" and (name, argument) in ANY_SHAPE))


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_what_are_no_numbers_is_refused_by_name(name, argument):
    for label, spoil in BAD.items():
        if not accepted(name, argument, label):
            with pytest.raises((TypeError, ValueError), match=rf"\b{argument}\b"):
                replaced(name, argument, spoil)
                pytest.fail(f"{label} passes")


# The door itself


@repeatable
@given(hnp.arrays(st.sampled_from(["u1", "<i4", ">i2", "<f4", ">f4", "<f8", ">f8", "?"]),
                  hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
                  elements={"allow_nan": False, "allow_infinity": False}),
       st.booleans(), st.booleans())
def test_the_door_is_the_conversion_to_float64(array, backwards, table):
    if backwards and array.ndim:
        array = array[::-1]
    if array.ndim == 2 and table:
        expected, array = array.astype(float), pd.DataFrame(array)
    else:
        expected = array.astype(float)
    for door in (arrays.real, arrays.as_numpy, arrays.as_tensor):
        value = door("x", array)
        assert value.dtype in (np.float64, torch.float64)
        np.testing.assert_array_equal(value, expected)
        assert door("x", array, *expected.shape).shape == expected.shape
        for wrong in ((*expected.shape, 1), tuple(n + 1 for n in expected.shape) or (1,)):
            with pytest.raises(ValueError, match=r"^x must have shape"):
                door("x", array, *wrong)
        if 0 in expected.shape:
            with pytest.raises(ValueError, match=r"^x must have shape .* and not be empty"):
                door("x", array, *"abc"[:expected.ndim])


def test_inputs_are_left_alone():
    for name, (function, base) in CALLS.items():
        held = {key: value.astype(float) for key, value in base.items()}
        function(**held)
        for key, value in base.items():
            np.testing.assert_array_equal(held[key], value, err_msg=name)


@pytest.mark.parametrize("points", [np.float32, np.float64, torch.float32, torch.float64])
@pytest.mark.parametrize("clock", [list, np.float32, np.float64, torch.float32, torch.float64])
def test_times_do_not_decide_the_precision_of_points(points, clock):
    x = (torch.from_numpy(X).to(points) if isinstance(points, torch.dtype) else X.astype(points))
    t = (T.tolist() if clock is list else torch.from_numpy(T).to(clock)
         if isinstance(clock, torch.dtype) else T.astype(clock))
    for function in (OU.sample, lambda x, t, y: OU.conditional_score(x, t, y),
                     lambda x, t, y: OU.denoiser_from_score(y, x, t)):
        value = function(x, t, Y)
        assert type(value) is type(x) and value.dtype == x.dtype
    score = diffusion.Gaussian([0.0, 1.0], 1.0, OU).score(x, t)
    assert score.dtype == (points if isinstance(points, torch.dtype) else torch.float64)
    # The list of the report: as float32 the answer was −745.
    near = empirical.EmpiricalScore([[.1, .2], [.3, -.1], [1., 1.]], OrnsteinUhlenbeck(0.0))
    assert float(near([[.1, .2]], [1e-12]).abs().max()) < 1e-3


def test_a_result_that_does_not_fit_is_an_error():
    small = torch.tensor([[1.0, 2.0]], dtype=torch.float16)
    score = empirical.EmpiricalScore(X, OU)
    assert float(score(small.double(), 1e-6).abs().max()) > 1e5
    for call in (lambda: score(small, 1e-6), lambda: OU.conditional_score(small, 1e-6, X[:1]),
                 lambda: OU.snr(torch.tensor(1e-6, dtype=torch.float16))):
        with pytest.raises(ValueError, match=r"overflows torch\.float16"):
            call()


def test_counts():
    for bad in (0, -1, np.int64(0)):
        with pytest.raises(ValueError, match=r"^n must be at least 1"):
            arrays.count("n", bad)
    for bad in (1.0, True, "1", None, np.ones(1, int)):
        with pytest.raises(TypeError, match=r"^n must be an integer"):
            arrays.count("n", bad)
    assert arrays.count("n", np.uint8(3)) == 3
