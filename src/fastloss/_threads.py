"""How many threads a call may use.

Design. The default is min(setting or OMP_NUM_THREADS, CPU affinity, cgroup quota), read when a call is large enough to
matter; a number given with the call itself may exceed it. No call uses more threads than its work is worth. Results
never depend on any of this.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from ._core import machine as _core
from ._validation import positive_integer

_setting: int | None = None
_local: ContextVar[int | None] = ContextVar("fastloss_num_threads", default=None)


def set_num_threads(n_threads: int | None) -> None:
    """Set the number of threads for all later calls; None restores the default.

    Parameters
    ----------
    n_threads : int or None
        At least 1. More than the processors that this process may use has no effect.

    Raises
    ------
    TypeError, ValueError
        If `n_threads` is not a positive integer.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.set_num_threads(1)
    >>> fl.get_num_threads()
    1
    >>> fl.set_num_threads(None)
    """
    global _setting
    _setting = None if n_threads is None else positive_integer("n_threads", n_threads)


def get_num_threads() -> int:
    """Return the number of threads that a large call uses now.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.get_num_threads() >= 1
    True
    """
    limit = _processors()
    wanted = _local.get() or _setting or _from_environment()
    return min(wanted, limit) if wanted else limit


@contextmanager
def num_threads(n_threads: int) -> Iterator[None]:
    """Set the number of threads within a `with` block, for the current thread or task only.

    Parameters
    ----------
    n_threads : int
        At least 1.

    Examples
    --------
    >>> import fastloss as fl
    >>> with fl.num_threads(1):
    ...     fl.get_num_threads()
    1
    """
    token = _local.set(positive_integer("n_threads", n_threads))
    try:
        yield
    finally:
        _local.reset(token)


def _for_call(n_threads: int | None, most: int) -> int:
    """Threads for one call whose work is worth at most `most` of them."""
    if not _core.openmp():
        return 1
    return min(get_num_threads() if n_threads is None else n_threads, most)


def _processors() -> int:
    if not _core.openmp():
        return 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, _cgroup_quota()))


def _from_environment() -> int | None:
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else None


@cache
def _cgroup_quota() -> int:
    """Processors that the control group grants, rounded up (Linux, both versions of the interface)."""
    try:
        text = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        quota, period = (math.inf if text[0] == "max" else float(text[0])), float(text[1])
    except (OSError, ValueError, IndexError):
        try:
            quota = float(Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").read_text())
            period = float(Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us").read_text())
        except (OSError, ValueError):
            return os.cpu_count() or 1
    if not 0 < quota < math.inf or period <= 0:
        return os.cpu_count() or 1
    return max(1, math.ceil(quota / period))


_core.use_thread_policy(_for_call)
