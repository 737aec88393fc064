"""Losses in the form that other libraries call: one module for each library, none of which is imported here."""

from importlib import import_module as _import_module
from typing import Any as _Any

__all__ = ["catboost", "dask", "jax", "keras", "lightgbm", "scipy", "sklearn", "torch", "xgboost"]


def __getattr__(name: str) -> _Any:
    """Import an adapter on first use."""
    if name in __all__:
        return _import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
