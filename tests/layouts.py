"""The same numbers at other addresses and in other types, and calls that are watched: shared by the tests of losses."""

from __future__ import annotations

import signal
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


def unaligned(a: np.ndarray) -> np.ndarray:
    raw = np.empty(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    raw[...] = a
    return raw


def read_only(a: np.ndarray) -> np.ndarray:
    a = a.copy()
    a.flags.writeable = False
    return a


FORMS = {
    "F order": np.asfortranarray,
    "reversed": lambda a: a[(slice(None, None, -1),) * a.ndim].copy()[(slice(None, None, -1),) * a.ndim],
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "rows apart": lambda a: np.repeat(a, 3, axis=0)[::3],
    "of a wider array": lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1]],
    "swapped bytes": lambda a: a.astype(a.dtype.newbyteorder()),
    "unaligned": unaligned,
    "read-only": read_only,
    "longdouble": lambda a: a.astype(np.longdouble),
    "a list": lambda a: a.tolist(),
}

needs_timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")


def assert_interrupted(call: Callable[[], Any], *, after: float, within: float) -> None:
    """A signal in the midst of a long call ends it, in fewer seconds than it would take."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    start = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, after)
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - start < within


def peak_of(call: Callable[[], Any]) -> int:
    """The most bytes in use during a call, above those before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
