from .empirical import ReplaceOne as ReplaceOne
from .empirical import EmpiricalScore as EmpiricalScore
from .linear_denoisers import Features as Features
from .linear_denoisers import affine as affine
from .linear_denoisers import RandomReLU as RandomReLU
from .linear_denoisers import Codebook as Codebook
from .linear_denoisers import Mixture as Mixture
from .linear_denoisers import combine as combine
from .linear_denoisers import LinearDenoiser as LinearDenoiser
from .linear_denoisers import Ridge as Ridge
from .linear_denoisers import draw_triples as draw_triples
from .linear_denoisers import fit_ridge as fit_ridge
from .fourier import FourierDenoisers as FourierDenoisers
from .networks import Network as Network
from .networks import MLP as MLP
from .networks import ScaledLinear as ScaledLinear
from .networks import DeepLinear as DeepLinear
from .networks import RandomFeatures as RandomFeatures
from .networks import noise_at as noise_at
from .networks import score_of as score_of
from .pretrained import level_times as level_times
from .pretrained import score_from_prediction as score_from_prediction

__all__ = [
    "MLP",
    "Codebook",
    "DeepLinear",
    "EmpiricalScore",
    "Features",
    "FourierDenoisers",
    "LinearDenoiser",
    "Mixture",
    "Network",
    "RandomFeatures",
    "RandomReLU",
    "ReplaceOne",
    "Ridge",
    "ScaledLinear",
    "affine",
    "combine",
    "draw_triples",
    "fit_ridge",
    "level_times",
    "noise_at",
    "score_from_prediction",
    "score_of",
]
