from .estimates import Estimate as Estimate
from .estimates import mean as mean
from .estimates import jackknife as jackknife
from .estimates import paired_ratio as paired_ratio
from .estimates import log_log_slope as log_log_slope
from .estimates import wilson_interval as wilson_interval
from .divergences import kl as kl
from .divergences import total_variation as total_variation
from .divergences import wasserstein_1 as wasserstein_1
from .divergences import energy_distance as energy_distance
from .divergences import gaussian_kl as gaussian_kl
from .divergences import frechet_distance as frechet_distance
from .divergences import frechet_of_images as frechet_of_images
from .divergences import InceptionMetrics as InceptionMetrics
from .divergences import inception_metrics as inception_metrics
from .memorisation import NearestNeighbour as NearestNeighbour
from .memorisation import nearest_neighbour_ratio as nearest_neighbour_ratio
from .memorisation import memorised_fraction as memorised_fraction
from .memorisation import collision_probability as collision_probability
from .memorisation import membership_advantage as membership_advantage
from .dimension import TwoNN as TwoNN
from .dimension import neighbour_distances as neighbour_distances
from .dimension import two_nearest_neighbours as two_nearest_neighbours
from .dimension import levina_bickel as levina_bickel
from .dimension import log_ball_constants as log_ball_constants
from .signatures import MemorisationExcess as MemorisationExcess
from .signatures import memorisation_excess as memorisation_excess
from .signatures import spread_ratio as spread_ratio
from .signatures import TrainingSignature as TrainingSignature
from .signatures import SIGNATURES as SIGNATURES
from .signatures import training_signature as training_signature
from .leave_one_out import Denoiser as Denoiser
from .leave_one_out import Algorithm as Algorithm
from .leave_one_out import Jackknife as Jackknife
from .leave_one_out import joint as joint
from .leave_one_out import per_time as per_time
from .leave_one_out import retrain as retrain
from .leave_one_out import elbo_weights as elbo_weights

__all__ = [
    "SIGNATURES",
    "Algorithm",
    "Denoiser",
    "Estimate",
    "InceptionMetrics",
    "Jackknife",
    "MemorisationExcess",
    "NearestNeighbour",
    "TrainingSignature",
    "TwoNN",
    "collision_probability",
    "elbo_weights",
    "energy_distance",
    "frechet_distance",
    "frechet_of_images",
    "gaussian_kl",
    "inception_metrics",
    "jackknife",
    "joint",
    "kl",
    "levina_bickel",
    "log_ball_constants",
    "log_log_slope",
    "mean",
    "membership_advantage",
    "memorisation_excess",
    "memorised_fraction",
    "nearest_neighbour_ratio",
    "neighbour_distances",
    "paired_ratio",
    "per_time",
    "retrain",
    "spread_ratio",
    "total_variation",
    "training_signature",
    "two_nearest_neighbours",
    "wasserstein_1",
    "wilson_interval",
]
