from .process import Score as Score
from .process import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from .weighting import TimeWeighting as TimeWeighting
from .targets.base import StabilityConstants as StabilityConstants
from .targets.base import Target as Target
from .targets.gaussian import Gaussian as Gaussian
from .targets.mixture import GaussianMixture as GaussianMixture
from .targets.mixture import TwoPoint as TwoPoint
from .targets.torus import Torus as Torus
from .targets.torus import Circle as Circle
from .targets.sphere import Sphere as Sphere
from .targets.interval import UniformInterval as UniformInterval
from .targets.curve import HarmonicCurve as HarmonicCurve
from .targets.embedding import isometric_embedding as isometric_embedding

__all__ = [
    "Circle",
    "Gaussian",
    "GaussianMixture",
    "HarmonicCurve",
    "OrnsteinUhlenbeck",
    "Score",
    "Sphere",
    "StabilityConstants",
    "Target",
    "TimeWeighting",
    "Torus",
    "TwoPoint",
    "UniformInterval",
    "isometric_embedding",
]
