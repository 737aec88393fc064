"""Loss functions, their gradients and hessians for NumPy arrays, in one pass at memory speed."""

from ._base import Evaluation, Loss, PointwiseLoss
from ._registry import LossInfo, get, list_losses
from ._threads import get_num_threads, num_threads, set_num_threads
from ._version import __version__, show_versions
from .losses import *  # noqa: F403
from .losses import __all__ as _losses

__all__ = [
    "Evaluation",
    "Loss",
    "LossInfo",
    "PointwiseLoss",
    "__version__",
    "get",
    "get_num_threads",
    "list_losses",
    "num_threads",
    "set_num_threads",
    "show_versions",
    *_losses,
]
