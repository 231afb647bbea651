"""Sphinx settings of the site; the source folder is assembled by build.py."""

import importlib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import npm

from verdicts.config import load_config

_config = load_config(Path(__file__).parent)

project = "A paper you can run"
author = "the score-stability authors"
copyright = "the score-stability authors. Text CC BY 4.0, code MIT"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.linkcode", "sphinx_copybutton",
              "sphinxext.opengraph"]
exclude_patterns = []

# Chapters show the stored outputs: nothing is run.
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "code"
nb_code_prompt_hide = "hide code"
nb_render_markdown_format = "myst"
myst_enable_extensions = ["dollarmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 3

html_theme = "sphinx_book_theme"
html_title = project
html_context = {"default_mode": "auto"}
html_baseurl = _config.site
html_favicon = "favicon.svg"
ogp_site_url = html_baseurl
ogp_site_name = project
ogp_image = "_images/one_image.png" if _config.published else None
ogp_custom_meta_tags = ['<meta name="twitter:card" content="summary_large_image" />']
ogp_social_cards = {"enable": False}
copybutton_exclude = ".linenos, .gp, .go"
html_static_path = ["style.css", "reading.js"]
html_css_files = ["style.css"]
html_js_files = [("reading.js", {"defer": "defer"})]
html_scaled_image_link = False  # reading.js enlarges in place
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "repository_url": _config.repository,
    "repository_branch": _config.branch,
    "path_to_docs": "",
    "use_repository_button": _config.published,
    "use_download_button": False,
    "use_edit_page_button": _config.published,
    "use_issues_button": _config.published,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"} if _config.published
    else {},
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "home_page_in_toc": True,
}

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # short signatures: what an argument must be is in its docstring
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": False}


def _as_rst(app, what, name, obj, options, lines):
    """Docstrings here are plain text with formulas: |x|, a_*, 2^d.  Only ``code`` is markup.

    Indented lines are formulas, and lines from ``>>>`` to the next empty one are an example: both
    stay as they are; elsewhere what reStructuredText would take for markup is escaped.
    """
    if lines and lines[0].startswith("Alias for field number"):  # what Python says of every tuple
        lines[:] = []
    out, literal, example = [], False, False
    for line in lines:
        example = line.startswith(">>>") or (example and bool(line.strip()))
        if example:
            literal = False
            out.append(line)
            continue
        indented = line.startswith("    ") and line.strip()
        if indented and not literal and (not out or not out[-1].strip()):
            out += ["::", ""]
            literal = True
        elif line.strip() and not indented:
            literal = False
        if not literal:
            pieces = re.split(r"(``[^`]+``|(?<!\S)\*[A-Za-z]+\*)", line)  # code, emphasis
            pieces[::2] = [re.sub(r"([*|`\\]|_\b)", r"\\\1", piece) for piece in pieces[::2]]
            line = "".join(pieces)
        out.append(line)
    lines[:] = out


def linkcode_resolve(domain, info):
    """The "[source]" link of a module's object leads to its file in the repository."""
    module = info.get("module", "") if domain == "py" else ""
    if module:  # what comes through a door is defined behind it
        name = info.get("fullname", "").split(".")[0]
        module = getattr(getattr(importlib.import_module(module), name, None), "__module__", module)
    path = "lib/" + module.replace(".", "/")
    for name in (f"{path}.py", f"{path}/__init__.py"):
        if module and (_config.root / name).is_file():
            return f"{_config.repository}/blob/{_config.branch}/{name}"
    return None


def _katex(app, config):
    """Formulas as Sphinx marks them for MathJax; reading.js sets them by KaTeX, a quarter of it."""
    config.mathjax_path = f"{config.katex}katex.min.js"
    app.add_css_file(f"{config.katex}katex.min.css")


def setup(app):
    app.add_config_value("katex", f"https://cdn.jsdelivr.net/npm/{npm.KATEX.name}/dist/", "html")
    app.connect("config-inited", _katex)
    app.connect("autodoc-process-docstring", _as_rst)
