"""Where wrong values come in: the calls of bounds and of functions that return one.

A bound is any object of the module that [tool.verdicts] names as ``bounds`` with ``expression``
(sympy), ``relation``, ``name`` and a call by the names of its symbols; its class is a dataclass.
Only what the call returns is ever wrong: ``expression`` stays, so that a derivation is compared
with the true one.  The objects themselves are hooked, whatever names a notebook gives them.
"""

import dataclasses
import functools
import importlib
import sys
from typing import NamedTuple

import numpy as np

from verdicts.quantities import is_estimate
from verdicts.variants import FACTORS, variants


class Target(NamedTuple):
    """Something that can be wrong: a bound, a function, or what a notebook calls correct."""

    name: str
    relation: str
    variants: tuple  # in words


def _bounds(config):
    module = importlib.import_module(config.bounds)
    return [b for b in vars(module).values()
            if hasattr(b, "expression") and callable(b) and not isinstance(b, type)]


def unasserted(config):
    """The names of the bounds that say of themselves that they are quoted or shown, never claimed:
    no claim could refute a variant."""
    found = _bounds(config) if config.bounds else []
    return list(dict.fromkeys(b.name for b in found if not getattr(b, "asserted", True)))


def install(config, watch):
    """Hook all bounds of the collection that are asserted; their names.

    At each call ``watch.at(target, true, wrong)`` decides what is returned; ``wrong(words)`` gives
    the value of a variant.
    """
    names = []
    if config.bounds:
        found = [_Bound(b) for b in _bounds(config) if getattr(b, "asserted", True)]
        known = {id(b.bound): b for b in found}
        names += dict.fromkeys(b.bound.name for b in found)
        for kind in {type(b.bound) for b in found}:
            kind.__call__ = _hooked_call(kind.__call__, known, watch)
    return names + [_hook_function(text, watch) for text in config.bound_functions]


class _Bound:
    """A bound and its variants, made when it is called for the first time."""

    def __init__(self, bound):
        self.bound, self._made = bound, {}

    @functools.cached_property
    def variants(self):
        return {v.words: v for v in variants(self.bound.expression, self.bound.relation)}

    @functools.cached_property
    def target(self):
        return Target(self.bound.name, self.bound.relation, tuple(self.variants))

    def wrong(self, call, words, true, values):
        variant = self.variants[words]
        if variant.factor is not None:
            return variant.factor * true
        if words not in self._made:
            formula = _taking(self.bound.expression.free_symbols, variant.expression)
            self._made[words] = dataclasses.replace(self.bound, expression=formula)
        value = call(self._made[words], **values)
        return np.broadcast_to(value, np.shape(true)).copy() if np.ndim(true) else value


def _taking(symbols, expression):
    """The expression plus 0 times the symbols that it lacks: it is called with the same names."""
    import sympy

    lost = sorted(symbols - expression.free_symbols, key=str)
    if not lost:
        return expression
    return sympy.Add(expression, *(sympy.Mul(0, s, evaluate=False) for s in lost), evaluate=False)


def _hooked_call(original, known, watch):
    def call(self, /, *args, **values):
        true = original(self, *args, **values)
        if id(self) not in known:
            return true
        bound = known[id(self)]
        return watch.at(bound.target, true,
                        lambda words: bound.wrong(original, words, true, values))

    return call


def _hook_function(text, watch):
    """Hook "relation module:function field": one field, or place, of what it returns, or all."""
    relation, path, *field = text.split()
    module, _, dotted = path.partition(":")
    *owners, last = dotted.split(".")
    module = importlib.import_module(module)
    owner = functools.reduce(getattr, owners, module)
    original = getattr(owner, last)
    target = Target(".".join([dotted, *field]), relation, tuple(FACTORS[relation]))

    @functools.wraps(original)
    def hooked(*args, **kwargs):
        result = original(*args, **kwargs)
        part = _part(result, *field)
        seen = watch.at(target, part, lambda words: _scaled(part, FACTORS[relation][words]))
        return result if seen is part else _with(result, seen, *field)

    setattr(owner, last, hooked)
    for other in list(sys.modules.values()):  # who has imported it by name
        for name, value in list(getattr(other, "__dict__", {}).items()):
            if value is original:
                setattr(other, name, hooked)
    return target.name


def _part(result, field=None):
    if field is None:
        return result
    return result[int(field)] if field.isdecimal() else getattr(result, field)


def _with(result, part, field=None):
    if field is None:
        return part
    if field.isdecimal():
        return tuple(part if k == int(field) else old for k, old in enumerate(result))
    if hasattr(result, "_replace"):
        return result._replace(**{field: part})
    return dataclasses.replace(result, **{field: part})


def _scaled(value, factor):
    if is_estimate(value):
        return dataclasses.replace(value, value=factor * value.value,
                                   standard_error=factor * value.standard_error)
    return factor * value
