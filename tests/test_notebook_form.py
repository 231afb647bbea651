"""The form of every notebook of this collection (read as JSON; nothing is run)."""

import re
from pathlib import Path

import pytest

from score_stability.theory import bounds
from verdicts import notebook
from verdicts.config import load_config
from verdicts.form import check_notebook

CONFIG = load_config(Path(__file__).parent)


@pytest.mark.parametrize("path", CONFIG.all_paths(), ids=lambda p: p.stem)
def test_notebook_form(path):
    messages = check_notebook(path, CONFIG)
    assert not messages, "\n".join(messages)


@pytest.mark.parametrize("path", CONFIG.all_paths(), ids=lambda p: p.stem)
def test_a_figure_says_how_wide_its_bars_are(path):
    # ± is one standard error; what a bar is, the text under it says.
    cells = notebook.read(path)["cells"]
    for cell, below in zip(cells, [*cells[1:], {"cell_type": "", "source": ""}], strict=True):
        if cell["cell_type"] == "code" and re.search(r"error_bars\(|yerr=", cell["source"]):
            assert "standard error" in below["source"], cell["source"][:80]


def test_claims_name_bounds_that_exist():
    known = {name for name, value in vars(bounds).items() if isinstance(value, bounds.Bound)}
    for path in CONFIG.all_paths():
        for record in notebook.claims(notebook.read(path)):
            if named := record.get("bound"):
                equation = re.fullmatch(r"\((\d+)\.\d+\)", named)
                assert named in known or (equation and int(equation[1]) == int(path.name[:2])), (
                    f"{path.name}: {named} is neither a bound of the library nor an equation here")


def test_what_the_template_says_is_refused_with_its_cell(tmp_path):
    template = notebook.read(CONFIG.root / CONFIG.template)
    copy = CONFIG.notebook_paths()[-1].with_name("99_copy.ipynb")
    path = tmp_path / copy.name
    notebook.write(path, notebook.dumps(template))
    found = {int(m[1]) for message in check_notebook(path, CONFIG)
             if (m := re.match(r"cell (\d+): the template's own words", message))}
    generated = {i for i, c in enumerate(template["cells"]) if c["id"] in ("cell-02", "summary")}
    assert found == set(range(len(template["cells"]))) - generated
    # One sentence, title or description that stayed is enough.
    filled = notebook.read(CONFIG.notebook(5))
    filled["cells"][6]["source"] += "\n\nWhat to read first. How long it runs.\n\n**References.** …"
    picture = next(c for c in template["cells"] if c["id"] == "exact")
    filled["cells"][9]["source"] = "#@title What this cell does, in plain words"
    filled["cells"][10] = picture | {"source": "#@title Figure 5.9: something else", "id": "own"}
    notebook.write(path, notebook.dumps(filled))
    said = [m for m in check_notebook(path, CONFIG) if "template's own" in m]
    assert [m.split(":")[0] for m in said] == ["cell 6", "cell 6", "cell 9", "cell 10"]
    own = [m for p in CONFIG.all_paths() for m in check_notebook(p, CONFIG) if "template's" in m]
    assert own == []
