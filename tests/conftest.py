"""What several tests of claims need."""

from types import SimpleNamespace

import pytest

from verdicts import ledger


@pytest.fixture
def fresh_ledger(monkeypatch):
    """No claim made, no statement known, no context: other tests leave theirs."""
    monkeypatch.setattr(ledger, "_known", None)
    monkeypatch.setattr(ledger, "_context", {})
    monkeypatch.setattr(ledger, "_made", {})


def estimate(value, standard_error, dof=19):
    """As claims take it; they know it by its attributes."""
    return SimpleNamespace(value=value, standard_error=standard_error, degrees_of_freedom=dof)
