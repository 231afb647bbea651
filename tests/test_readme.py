"""The README's Python runs as it is printed."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_snippets_run_in_their_order(capsys):
    snippets = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(snippets) == 2
    names: dict = {}
    for snippet in snippets:
        exec(snippet, names)
    stability, gap = re.findall(r"([-0-9.]+) ± ", capsys.readouterr().out)
    assert 0 < float(gap) < float(stability)  # Theorem 3
    assert names["distance"].shape == (8,) and bool((names["distance"] > 0).any())
