from .definition_2 import Algorithm as Algorithm
from .definition_2 import Draw as Draw
from .definition_2 import Measurement as Measurement
from .definition_2 import loss_only_sandwich as loss_only_sandwich
from .definition_2 import replace_one_rows as replace_one_rows
from .definition_2 import measure_empirical as measure_empirical
from .definition_2 import direct_losses as direct_losses
from .definition_2 import measure as measure
from .self_posterior import MomentBounds as MomentBounds
from .self_posterior import moment_bounds as moment_bounds
from .self_posterior import CertificateInputs as CertificateInputs
from .self_posterior import certificate_inputs as certificate_inputs
from .self_posterior import average_inputs as average_inputs
from .self_posterior import Certificate as Certificate
from .self_posterior import empirical_score_certificate as empirical_score_certificate
from .self_posterior import laplace_moment as laplace_moment
from .self_posterior import ball_moment_bound as ball_moment_bound

__all__ = [
    "Algorithm",
    "Certificate",
    "CertificateInputs",
    "Draw",
    "Measurement",
    "MomentBounds",
    "average_inputs",
    "ball_moment_bound",
    "certificate_inputs",
    "direct_losses",
    "empirical_score_certificate",
    "laplace_moment",
    "loss_only_sandwich",
    "measure",
    "measure_empirical",
    "moment_bounds",
    "replace_one_rows",
]
