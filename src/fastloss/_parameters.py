"""Parameters of a loss, declared beside their legal range: `delta: float = number(1.0, gt=0)`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from ._validation import flag as check_flag
from ._validation import integer as check_integer
from ._validation import one_of, real_number, real_numbers


class Configured:
    """An immutable object whose parameters are the fields of a dataclass.

    `repr` evaluates back to the object; it is rebuilt from its parameters when it is unpickled or copied.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            if "check" in field.metadata:
                object.__setattr__(self, field.name, field.metadata["check"](field.name, getattr(self, field.name)))
        self._check_parameters()

    def _check_parameters(self) -> None:
        """Raise where parameters do not go together."""

    def _parameters(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def __repr__(self) -> str:
        shown = (f"{k}={_source(v)}" for k, v in self._parameters().items())
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._parameters())


def _source(value: Any) -> str:
    return f"float('{value}')" if isinstance(value, float) and math.isinf(value) else repr(value)


def _rebuild(cls: type[Any], parameters: dict[str, Any]) -> Any:
    return cls(**parameters)


def parameter(default: Any = dataclasses.MISSING, *, check: Callable[[str, Any], Any]) -> Any:
    """Any parameter: `check(name, value)` returns what is kept, or raises."""
    return dataclasses.field(default=default, metadata={"check": check})


def number(
    default: float,
    *,
    gt: float = -math.inf,
    ge: float = -math.inf,
    lt: float = math.inf,
    le: float = math.inf,
    nonzero: bool = False,
    infinite: bool = False,
) -> Any:
    """A real number within bounds, finite unless `infinite`."""

    def check(name: str, value: Any) -> float:
        return real_number(name, value, gt=gt, ge=ge, lt=lt, le=le, nonzero=nonzero, infinite=infinite)

    return parameter(default, check=check)


def numbers(
    default: tuple[float, ...] = (),
    *,
    gt: float = -math.inf,
    ge: float = -math.inf,
    lt: float = math.inf,
    or_number: bool = False,
) -> Any:
    """Real numbers within bounds, at least one, kept as a tuple; or a single one, if `or_number`."""

    def check(name: str, value: Any) -> Any:
        if or_number and isinstance(value, Real):
            return real_number(name, value, gt=gt, ge=ge, lt=lt)
        return real_numbers(name, value, gt=gt, ge=ge, lt=lt)

    return parameter(default, check=check)


def integer(default: int = 0) -> Any:
    """An integer."""
    return parameter(default, check=check_integer)


def optional(declared: Any) -> Any:
    """The same parameter, where None is allowed and the default."""
    check = declared.metadata["check"]
    return parameter(None, check=lambda name, value: None if value is None else check(name, value))


def flag(default: bool) -> Any:
    """True or False."""
    return parameter(default, check=check_flag)


def choice(default: Any, options: tuple[Any, ...]) -> Any:
    """One of some values."""
    return parameter(default, check=lambda name, value: one_of(name, value, options))
