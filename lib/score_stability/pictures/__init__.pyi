from .exchange import Replacement as Replacement
from .exchange import one_replacement as one_replacement
from .exchange import replace_one as replace_one
from .exchange import Band as Band
from .exchange import band as band
from .exchange import theorem_3 as theorem_3
