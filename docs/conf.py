"""Sphinx configuration."""

from fastloss import __version__

project = "fastloss"
author = "The fastloss developers"
copyright = "2026, The fastloss developers"
version = release = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build", "accuracy_table.rst"]
html_theme = "alabaster"
html_theme_options = {"description": "Losses, gradients and hessians for NumPy arrays", "fixed_sidebar": True}
autodoc_member_order = "bysource"
REQUESTS = ("fit", "partial_fit", "predict", "predict_distribution", "predict_proba", "score")  # scikit-learn's routing
autodoc_default_options = {"exclude-members": ", ".join(["delta", *(f"set_{name}_request" for name in REQUESTS)])}
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
