"""The form of every notebook of this collection (read as JSON; nothing is run)."""

from pathlib import Path

import pytest

from verdicts.config import load_config
from verdicts.form import check_notebook

CONFIG = load_config(Path(__file__).parent)


@pytest.mark.parametrize("path", CONFIG.all_paths(), ids=lambda p: p.stem)
def test_notebook_form(path):
    messages = check_notebook(path, CONFIG)
    assert not messages, "\n".join(messages)
