"""The table of verdicts is current, and every statement has what it needs."""

from pathlib import Path

import pytest

from verdicts import report
from verdicts.config import load_config

CONFIG = load_config(Path(__file__).parent)
pytest.importorskip(
    CONFIG.statements.partition(":")[0], reason="the registry of statements is not there yet"
)


@pytest.mark.parametrize(
    "check",
    [report.stale, report.missing, report.unknown, report.too_many],
    ids=lambda f: f.__name__,
)
def test_table_of_verdicts(check):
    messages = check(CONFIG)
    assert not messages, "\n".join(messages)
