from .process import Score as Score
from .process import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from .weighting import TimeWeighting as TimeWeighting
from .targets.base import StabilityConstants as StabilityConstants
from .targets.base import Target as Target
from .targets.base import Gaussian as Gaussian
from .targets.base import GaussianMixture as GaussianMixture
from .targets.base import TwoPoint as TwoPoint
from .targets.base import Torus as Torus
from .targets.base import Circle as Circle
from .targets.base import Sphere as Sphere
from .targets.base import UniformInterval as UniformInterval
from .targets.base import HarmonicCurve as HarmonicCurve
from .targets.base import isometric_embedding as isometric_embedding

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
