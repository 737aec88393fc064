"""Loss functions, their gradients and hessians for NumPy arrays, in one pass at memory speed."""

from importlib import import_module as _import_module
from typing import Any as _Any

from ._audit import Audit, audit
from ._base import Evaluation, Loss, PointwiseLoss
from ._registry import LossInfo, get, list_losses
from ._threads import get_num_threads, num_threads, set_num_threads
from ._version import __version__, show_versions
from .losses import *  # noqa: F403
from .losses import __all__ as _losses
from .multitask import MultiTask
from .penalties import L1, L2, ElasticNet, GroupLasso
from .weighted_sum import WeightedSum

__all__ = [
    "L1",
    "L2",
    "Audit",
    "ElasticNet",
    "Evaluation",
    "GroupLasso",
    "Loss",
    "LossInfo",
    "MultiTask",
    "PointwiseLoss",
    "WeightedSum",
    "__version__",
    "audit",
    "get",
    "get_num_threads",
    "list_losses",
    "num_threads",
    "set_num_threads",
    "show_versions",
    *_losses,
]


def __getattr__(name: str) -> _Any:
    """Import subpackages on first use."""
    if name in ("adapters", "nn", "optim", "reference"):
        return _import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
