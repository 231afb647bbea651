"""The generalisation bounds: what is claimed, in closed form; nothing here knows data.

The statements, every bound as one sympy expression (``bounds``: the formula that is read is the
formula that runs), cases in which both sides are known, and the quadrature behind them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
