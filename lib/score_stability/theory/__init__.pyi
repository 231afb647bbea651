from .statements import Statement as Statement
from .statements import STATEMENTS as STATEMENTS
from .statements import IDS as IDS
from .statements import statement as statement
from .bounds import SYMBOLS as SYMBOLS
from .bounds import Bound as Bound
from .bounds import last_iterate_zcdp as last_iterate_zcdp
from .exact_cases import ExactCase as ExactCase
from .exact_cases import two_point as two_point
from .exact_cases import gaussian_mean as gaussian_mean
from .exact_cases import gaussian_affine as gaussian_affine
from .exact_cases import AdjacentMoments as AdjacentMoments
from .exact_cases import scaled_linear_sgd as scaled_linear_sgd
from .quadrature import standard_normal as standard_normal
from .quadrature import gauss_hermite as gauss_hermite
from .quadrature import gauss_legendre as gauss_legendre

__all__ = [
    "IDS",
    "STATEMENTS",
    "SYMBOLS",
    "AdjacentMoments",
    "Bound",
    "ExactCase",
    "Statement",
    "gauss_hermite",
    "gauss_legendre",
    "gaussian_affine",
    "gaussian_mean",
    "last_iterate_zcdp",
    "scaled_linear_sgd",
    "standard_normal",
    "statement",
    "two_point",
]
