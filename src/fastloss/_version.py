"""Version of the package and of what it was built with and runs on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import numpy as np

from ._core import machine as _core
from ._threads import get_num_threads

__version__ = version("fastloss")


def _force_instruction_set() -> None:
    """Let FASTLOSS_ISA choose, for tests and comparisons."""
    forced = os.environ.get("FASTLOSS_ISA")
    if forced:
        try:
            _core.use_instruction_set(forced)
        except ValueError as error:
            raise ImportError(f"FASTLOSS_ISA: {error}") from None


def versions() -> dict[str, str]:
    """Versions, instruction sets and threads, as `show_versions` prints them."""
    return {
        "fastloss": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": _processor(),
        "compiler": _core.compiler(),
        "instruction set": f"{_core.instruction_set_in_use()} (available: {', '.join(_core.instruction_sets())})",
        "openmp": str(_core.openmp()) if _core.openmp() else "none: serial build",
        "threads": str(get_num_threads()),
    }


def show_versions() -> None:
    """Print versions, compiler, instruction set chosen and available, OpenMP runtime and threads.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.show_versions()  # doctest: +ELLIPSIS
    fastloss         ...
    """
    for name, value in versions().items():
        print(f"{name:<16} {value}")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    except OSError:
        return platform.processor() or platform.machine()


_force_instruction_set()
