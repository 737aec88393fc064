"""Loss functions, their gradients and hessians for NumPy arrays, in one pass at memory speed."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from ._base import Evaluation, Loss, PointwiseLoss
from ._registry import LossInfo, get, list_losses
from ._threads import get_num_threads, num_threads, set_num_threads
from ._version import __version__, show_versions
from .losses import *  # noqa: F403
from .losses import __all__ as _losses
from .multitask import MultiTask
from .penalties import L1, L2, ElasticNet, GroupLasso
from .weighted_sum import WeightedSum

if _TYPE_CHECKING:
    from ._accumulator import LossAccumulator
    from ._audit import Audit, audit
    from .monitor import LossMonitor

__all__ = [
    "L1",
    "L2",
    "Audit",
    "ElasticNet",
    "Evaluation",
    "GroupLasso",
    "Loss",
    "LossAccumulator",
    "LossInfo",
    "LossMonitor",
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


_SUBPACKAGES = ("adapters", "guide", "monitor", "nn", "optim", "plotting", "reference", "testing")
_ELSEWHERE = {
    "Audit": "._audit",
    "LossAccumulator": "._accumulator",
    "LossMonitor": ".monitor",
    "audit": "._audit",
}


def __getattr__(name: str) -> _Any:
    """Import what is not always needed on first use."""
    if name in _SUBPACKAGES:
        return _import_module(f".{name}", __name__)
    if name in _ELSEWHERE:
        return getattr(_import_module(_ELSEWHERE[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
