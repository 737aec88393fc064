"""Optional libraries: one clear error where one is missing or too old."""

from __future__ import annotations

import re
from importlib import import_module, metadata
from types import ModuleType


def require(module: str, minimum: str, extra: str, distributions: tuple[str, ...] = ()) -> ModuleType:
    """Import an optional library of at least the version `minimum`.

    Parameters
    ----------
    module : str
        What to import.
    minimum : str
        Oldest version that works, as "3.1".
    extra : str
        The extra of this package that installs it.
    distributions : tuple of str, optional
        Names under which the library may be installed, if other than `module`.

    Raises
    ------
    ImportError
        If it is missing or too old; the message says how to install it.
    """
    wanted, remedy = f"this needs {module} >= {minimum}", f"pip install 'fastloss[{extra}]'"
    try:
        library = import_module(module)
    except ImportError as error:
        raise ImportError(f"{wanted}, which cannot be imported ({error}): {remedy}") from error
    found = getattr(library, "__version__", None) or _installed(distributions or (module,))
    if found is not None and _release(found) < _release(minimum):
        raise ImportError(f"{wanted}, found {found}: {remedy}")
    return library


def _installed(distributions: tuple[str, ...]) -> str | None:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])
