"""Sphinx configuration of the site; `make docs` builds it."""

import importlib.metadata
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "_ext")]

project = "Tercet"
author = "The Tercet contributors"
copyright = "the Tercet contributors, Apache-2.0"
release = importlib.metadata.version("tercet")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "api_pages",
    "command_help",
    "datapaths",
]
exclude_patterns = ["_ext"]

# Blocks in docstrings are drawings; code blocks of pages name their language.
highlight_language = "none"
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "Tercet"
html_static_path = ["_static"]
html_css_files = ["site.css"]

myst_enable_extensions = ["attrs_inline", "deflist"]
myst_heading_anchors = 3

# NumPy docstrings, with one custom section: the members of a component's signature.
napoleon_google_docstring = False
napoleon_custom_sections = [("Members", "params_style")]
napoleon_use_ivar = True
napoleon_use_rtype = False
# Single backquotes in docstrings name Python objects; documented ones become links.
default_role = "py:obj"
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
# Optional dependencies that a documentation build does not install.
autodoc_mock_imports = ["cupy", "matplotlib", "sklearn", "threadpoolctl"]

# Copying a block copies its commands only, without prompt and output.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
