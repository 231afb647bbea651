from .training import TimeLaw as TimeLaw
from .training import Diverged as Diverged
from .training import single_time as single_time
from .training import log_uniform_times as log_uniform_times
from .training import DenoisingLoss as DenoisingLoss
from .training import SGD as SGD
from .training import Streams as Streams
from .training import streams as streams
from .training import State as State
from .training import adjacent as adjacent
from .training import sgd as sgd
from .training import pair_groups as pair_groups
from .training import pair_distance as pair_distance
from .training import Mark as Mark
from .training import averaged as averaged
from .training import denoised_samples as denoised_samples
from .training import minibatches as minibatches
from .training import hit_probability as hit_probability
from .training import clip_rows as clip_rows
from .training import point_gradients as point_gradients
from .training import gauss_hermite as gauss_hermite
from .training import exact_loss as exact_loss
from .training import score_distance as score_distance
from .gradient_noise import row_gradients as row_gradients
from .gradient_noise import NoiseCovariances as NoiseCovariances
from .gradient_noise import noise_covariances as noise_covariances
from .gradient_noise import gradient_covariance as gradient_covariance
from .gradient_noise import participation_ratio as participation_ratio
from .gradient_noise import held_out_spectrum as held_out_spectrum
from .gradient_noise import excess_kurtosis as excess_kurtosis
from .contraction import first_moment as first_moment
from .contraction import second_moment as second_moment
from .contraction import BurnIn as BurnIn
from .contraction import best_burn_in as best_burn_in
from .contraction import Coupled as Coupled
from .contraction import reflection_maximal as reflection_maximal
from .contraction import Bracket as Bracket
from .contraction import ComparisonChain as ComparisonChain

__all__ = [
    "SGD",
    "Bracket",
    "BurnIn",
    "ComparisonChain",
    "Coupled",
    "DenoisingLoss",
    "Diverged",
    "Mark",
    "NoiseCovariances",
    "State",
    "Streams",
    "TimeLaw",
    "adjacent",
    "averaged",
    "best_burn_in",
    "clip_rows",
    "denoised_samples",
    "exact_loss",
    "excess_kurtosis",
    "first_moment",
    "gauss_hermite",
    "gradient_covariance",
    "held_out_spectrum",
    "hit_probability",
    "log_uniform_times",
    "minibatches",
    "noise_covariances",
    "pair_distance",
    "pair_groups",
    "participation_ratio",
    "point_gradients",
    "reflection_maximal",
    "row_gradients",
    "score_distance",
    "second_moment",
    "sgd",
    "single_time",
    "streams",
]
