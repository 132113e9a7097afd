"""How the site is built: ``make docs``.

Sphinx's source folder is the root of the repository, so that a link between two files is the same
here as wherever the repository is read, and Sphinx checks it. What is no page of the site
(``include_patterns``) and is linked all the same can be had as a download.

Sphinx and not MkDocs: the docstrings are numpydoc's, Sphinx has been kept for eighteen years by
many, and MkDocs has had no release since August 2024, its successor drops the plugins and themes
that make it what it is, and its best theme is at the end of its maintenance. The theme is NumPy's
and pandas'.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the extension beside this file

import rebox  # noqa: E402 - installed, or PYTHONPATH says where

project = "rebox"
author = "the rebox developers"
copyright = author  # noqa: A001 - Sphinx reads it by this name
release = version = rebox.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "command_line"]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "benchmarks/ENGINES.md",
    "benchmarks/VERDICT.md",
    "benchmarks/frontier/RESULTS.md",
    "benchmarks/published_services/RESULTS.md",
    "benchmarks/seed/MOVES.md",
    "benchmarks/several/RESULTS.md",
    "*.md",
]
exclude_patterns = [
    ".*",
    "README.md",  # docs/index.md takes its place
    "site",
    "src",
    "tests",
]

myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # tables that plans print begin at the third level

# Docstrings are numpydoc's: `name` is a name of ours, ``name`` is literal.
default_role = "py:obj"
numpydoc_show_class_members = False  # autodoc lists them
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it, with shapes and units
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True

html_theme = "pydata_sphinx_theme"
html_title = "rebox"
html_theme_options = {
    "collapse_navigation": True,  # the buttons that unfold it have no name for a screen reader
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
html_show_sourcelink = False
html_copy_source = False
html_additional_pages = {"index": "front.html"}
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["narrow.css"]
