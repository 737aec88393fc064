"""Names of losses: the decorator that registers a class, and what finds it again."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform

from ._domains import Domain
from ._links import Link
from ._parameters import choice, flag, integer, number, numbers, optional, parameter

if TYPE_CHECKING:
    from ._base import Loss

L = TypeVar("L", bound="Loss")


@dataclasses.dataclass(frozen=True)
class LossInfo:
    """What is known about a loss; docs, tests, benchmarks and the guide read this table.

    Attributes
    ----------
    name : str
        Registry name, the class name in snake case.
    aliases : tuple of str
        Further names that `fastloss.get` knows.
    family : str
        ``"regression"``, ``"counts"``, ``"distributions"``, ``"binary"``, ``"multiclass"``, ``"ranking"``,
        ``"embeddings"``, ``"segmentation"`` or ``"sequence"``.
    formula : str
        The value of one sample, with y = y_true, f = y_pred, r = f - y.
    convex : bool
        Whether the loss is convex in y_pred, on the scale of this object.
    differentiability : str
        ``"C0"`` (continuous), ``"C1"``, ``"C2"``, ``"C-inf"``.
    lipschitz : float
        Largest absolute slope in y_pred, for a row of predictions the largest 2-norm of the gradient (or a bound for
        it) where the shares of a dense target sum to 1; ``inf`` if there is none.
    outliers : str
        Influence of a far target: ``"low"`` (bounded), ``"high"`` (unbounded), ``"redescending"`` (fades to 0).
    proper : bool or None
        Whether it is a proper scoring rule; None for point predictions.
    elicits : str
        What the best prediction is: mean, median, quantile ...
    y_domain, f_domain : Interval, Labels or ClassLabels
        Allowed targets, and allowed finite predictions (a tuple of two where a sample has two predictions).
    link : Link
        Between the natural scale and the raw one.
    default_hessian : str
        The curvature that boosters should use; empty if the loss has no hessian.
    reference : str
        The source in the literature.
    """

    name: str
    aliases: tuple[str, ...]
    family: str
    formula: str
    convex: bool
    differentiability: str
    lipschitz: float
    outliers: str
    proper: bool | None
    elicits: str
    y_domain: Domain
    f_domain: Domain | tuple[Domain, ...]
    link: Link
    default_hessian: str
    reference: str


_CLASSES: dict[str, type[Loss]] = {}
_LISTED: list[str] = []  # those with a default object
_NAMES: dict[str, str] = {}  # every accepted spelling -> registry name
_PRESETS: dict[str, dict[str, Any]] = {}  # parameters that go with an alias


def snake_case(name: str) -> str:
    """`SmoothL1` -> `smooth_l1`, `GaussianNLL` -> `gaussian_nll`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@dataclass_transform(
    frozen_default=True,
    kw_only_default=True,
    field_specifiers=(number, numbers, integer, flag, choice, optional, parameter),
)
def loss(
    *, listed: bool = True, presets: dict[str, dict[str, Any]] | None = None, **info: Any
) -> Callable[[type[L]], type[L]]:
    """Make a class a frozen, keyword-only dataclass and enter it into the registry.

    The keywords are those of `LossInfo`; name and family follow from the class and its module. A callable
    stands for a value that depends on the object: ``lipschitz=lambda loss: loss.delta``. A class that is not `listed`
    is known to `get` only: it has no object with default parameters. `presets` are parameters that an alias stands for.
    """

    def register(cls: type[L]) -> type[L]:
        name = info.get("name") or snake_case(cls.__name__)
        cls._declared = {"name": name, "family": cls.__module__.rsplit(".", 1)[-1], "aliases": (), **info}
        cls = dataclasses.dataclass(frozen=True, kw_only=True, repr=False)(cls)
        enter(name, cls, cls._declared["aliases"])
        _PRESETS.update(presets or {})
        if listed:
            _LISTED.append(name)
        return cls

    return register


def enter(name: str, cls: Any, aliases: tuple[str, ...] = ()) -> None:
    """Make a class known to `get`."""
    _CLASSES[name] = cls
    for spelling in (name, cls.__name__.lower(), *aliases):
        if _NAMES.setdefault(spelling, name) != name:
            raise ValueError(f"{spelling!r} names both {_NAMES[spelling]!r} and {name!r}")


def get(identifier: Any, **parameters: Any) -> Loss:
    """Build a loss from its name, an alias or a configuration.

    Parameters
    ----------
    identifier : str, dict or Loss
        A name (any case), a dict as `Loss.config` returns it, or a loss, which is returned as it is.
    **parameters
        Parameters of the loss; only with a name.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        If the name is unknown; the message suggests close ones.
    TypeError
        If `identifier` is none of the above, or a parameter is unknown.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.get("huber", delta=1.5)
    Huber(delta=1.5)
    >>> fl.get({"name": "quantile", "quantile": 0.9})
    Quantile(quantile=0.9)
    """
    is_config = isinstance(identifier, dict)
    if isinstance(identifier, dict):
        if parameters:
            raise TypeError("parameters belong into the configuration, not beside it")
        parameters = {k: v for k, v in identifier.items() if k != "name"}
        if "name" not in identifier:
            raise ValueError(f"configuration must have the key 'name', got {sorted(identifier)}")
        identifier = identifier["name"]
    if isinstance(identifier, tuple(_CLASSES.values())) or isinstance(getattr(identifier, "info", None), LossInfo):
        if parameters:
            raise TypeError("a loss that is built already takes no parameters")
        return cast("Loss", identifier)
    if not isinstance(identifier, str):
        raise TypeError(f"identifier must be a name, a configuration or a loss, got {type(identifier).__name__}")
    spelling = identifier.strip().lower()
    name = _NAMES.get(spelling)
    if name is None:
        close = difflib.get_close_matches(identifier.lower(), _NAMES, n=3)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else "; see fastloss.list_losses()"
        raise ValueError(f"unknown loss {identifier!r}{hint}")
    cls = _CLASSES[name]
    if is_config:  # "inf" is a number but where the parameter is a word
        parameters = {k: v if isinstance(getattr(cls, k, None), str) else _decoded(v) for k, v in parameters.items()}
    return cls(**_PRESETS.get(spelling, {}) | parameters)


def list_losses(**criteria: Any) -> list[str]:
    """Names of all losses whose metadata match.

    Parameters
    ----------
    **criteria
        Fields of `LossInfo` and the value each must have (for the loss with default parameters);
        ``lipschitz=True`` asks for a finite constant.

    Returns
    -------
    list of str

    Raises
    ------
    TypeError
        If a criterion is not a field of `LossInfo`.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.list_losses(family="binary", proper=True)
    ['binary_cross_entropy', 'exponential']
    """
    fields = {field.name for field in dataclasses.fields(LossInfo)}
    for name in criteria:
        if name not in fields:
            raise TypeError(f"criteria must be among {', '.join(sorted(fields))}, got {name!r}")
    return [name for name in _LISTED if all(_matches(_CLASSES[name]().info, *item) for item in criteria.items())]


def _matches(info: LossInfo, name: str, wanted: Any) -> bool:
    value = getattr(info, name)
    if name == "lipschitz" and isinstance(wanted, bool):
        return math.isfinite(value) == wanted
    return bool(value == wanted)


def encoded(value: Any) -> Any:
    """A parameter as JSON has it: infinities as text, tuples as lists."""
    if hasattr(value, "config"):
        return value.config()
    if isinstance(value, tuple):
        return [encoded(entry) for entry in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _decoded(value: Any) -> Any:
    return float(value) if isinstance(value, str) and value in ("inf", "-inf") else value
