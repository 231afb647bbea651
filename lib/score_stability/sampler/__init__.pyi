from .sampling import KappaGrid as KappaGrid
from .sampling import kappa_grid as kappa_grid
from .sampling import kappa_of_steps as kappa_of_steps
from .sampling import geometric_grid as geometric_grid
from .sampling import Step as Step
from .sampling import TwoStageStep as TwoStageStep
from .sampling import Scheme as Scheme
from .sampling import euler_maruyama as euler_maruyama
from .sampling import exponential_integrator as exponential_integrator
from .sampling import martingale_integrator as martingale_integrator
from .sampling import ddpm as ddpm
from .sampling import ddim as ddim
from .sampling import ode_euler as ode_euler
from .sampling import ode_exponential as ode_exponential
from .sampling import heun as heun
from .sampling import step_pairs as step_pairs
from .sampling import steps_of as steps_of
from .sampling import gaussian_law as gaussian_law
from .sampling import effective_stopping_time as effective_stopping_time
from .sampling import sample as sample
from .exact_law import Start as Start
from .exact_law import matched_start as matched_start
from .exact_law import exact_start as exact_start
from .exact_law import Law as Law
from .exact_law import score_and_slope as score_and_slope
from .exact_law import sampler_law as sampler_law
from .law_divergences import divergences_from as divergences_from
from .law_divergences import kl_from as kl_from
from .law_divergences import kl_at as kl_at
from .law_divergences import tv_between as tv_between
from .law_divergences import kl_between as kl_between
from .path_bounds import GirsanovTerms as GirsanovTerms
from .path_bounds import start_cost as start_cost
from .path_bounds import score_error as score_error
from .path_bounds import score_term as score_term
from .path_bounds import discretisation_term as discretisation_term
from .path_bounds import girsanov_bound as girsanov_bound
from .path_bounds import chain_rule_bound as chain_rule_bound
from .path_bounds import gronwall_w2_bound as gronwall_w2_bound
from .path_bounds import jacobian_tv_bound as jacobian_tv_bound

__all__ = [
    "GirsanovTerms",
    "KappaGrid",
    "Law",
    "Scheme",
    "Start",
    "Step",
    "TwoStageStep",
    "chain_rule_bound",
    "ddim",
    "ddpm",
    "discretisation_term",
    "divergences_from",
    "effective_stopping_time",
    "euler_maruyama",
    "exact_start",
    "exponential_integrator",
    "gaussian_law",
    "geometric_grid",
    "girsanov_bound",
    "gronwall_w2_bound",
    "heun",
    "jacobian_tv_bound",
    "kappa_grid",
    "kappa_of_steps",
    "kl_at",
    "kl_between",
    "kl_from",
    "martingale_integrator",
    "matched_start",
    "ode_euler",
    "ode_exponential",
    "sample",
    "sampler_law",
    "score_and_slope",
    "score_error",
    "score_term",
    "start_cost",
    "step_pairs",
    "steps_of",
    "tv_between",
]
