"""Sphinx configuration."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# Examples run on one thread each, so that the figures do not depend on the load of the machine; libraries read this
# when they are loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from fastloss import __version__

project = "fastloss"
author = "The fastloss developers"
copyright = "2026, The fastloss developers"
version = release = __version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "pages",
]
exclude_patterns = ["_build", "accuracy_table.rst"]

html_theme = "pydata_sphinx_theme"
html_title = "fastloss"
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"contributing": [], "changelog": []}
html_show_sourcelink = False

autodoc_member_order = "bysource"
REQUESTS = ("fit", "partial_fit", "predict", "predict_distribution", "predict_proba", "score")  # scikit-learn's routing
autodoc_default_options = {"exclude-members": ", ".join(["delta", *(f"set_{name}_request" for name in REQUESTS)])}
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib",),
}
