"""What the tests of row losses share: the vectors' parameter sets, and random data for any number of classes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from support import VECTORS

import fastloss as fl
from fastloss._domains import UNIT
from fastloss._rows import RowLoss
from fastloss.reference._rows import row_terms

METHODS = ("__call__", "gradient", "hessian", "value_and_gradient", "gradient_and_hessian", "evaluate")
STEP = 1e-30


# ---- vectors --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RowCase:
    """A call of the vector files."""

    data: dict[str, Any]

    @property
    def registered(self) -> bool:
        return issubclass(getattr(fl, self.data["loss"], object), RowLoss)

    @property
    def loss(self) -> RowLoss:
        params = self.data["params"]
        if len({len(x["shape"]) for x in self.data["inputs"]}) == 1:  # dense targets, where no label can be ignored
            params = {key: value for key, value in params.items() if key != "ignore_index"}
        return getattr(fl, self.data["loss"])(**params)

    @property
    def expected(self) -> dict[str, Any]:
        return self.data["expected"]

    def arguments(self, dtype: type = np.float64) -> list[np.ndarray | None]:
        """y_true, y_pred and sample_weight; floats in the type, integers as they are."""
        given = [array(x) for x in self.data["inputs"]]
        if self.data.get("sample_weight") is not None:
            given.append(array(self.data["sample_weight"]))
        typed = [x.astype(dtype) if x.dtype.kind == "f" else x for x in given]
        return [*typed, None][:3]

    def __repr__(self) -> str:
        return self.data["id"]


def array(item: dict[str, Any]) -> np.ndarray:
    """An array of the files: integers, or hexadecimal floats."""
    flat = item["data"] if "data" in item else [float.fromhex(x) for x in item["hex"]]
    return np.array(flat, item.get("dtype", "float64")).reshape(item["shape"])


@cache
def row_file(name: str) -> dict[str, list[Any]]:
    content = json.loads((VECTORS / name).read_text())
    return content | {"cases": [RowCase(case) for case in content["cases"]]}


def row_cases(name: str = "structured_multiclass.json") -> list[RowCase]:
    """Calls of losses of rows (the file also holds losses of another shape)."""
    return [case for case in row_file(name)["cases"] if case.registered]


# ---- losses ---------------------------------------------------------------------------------------------------------


@cache
def default_row_losses() -> list[RowLoss]:
    """Each registered row loss with default parameters, on its natural and on its raw scale."""
    defaults = [loss for name in fl.list_losses() if isinstance(loss := fl.get(name), RowLoss)]
    return list(dict.fromkeys(loss for default in defaults for loss in (default, default.on_raw())))


@cache
def row_losses() -> list[RowLoss]:
    """The default losses and every parameter set of the vectors."""
    return list(dict.fromkeys([*default_row_losses(), *(case.loss for case in row_cases())]))


def n_classes(loss: RowLoss, default: int = 4) -> int:
    """The number of classes that a parameter fixes."""
    return next((len(value) for value in loss._parameters().values() if isinstance(value, tuple)), default)


def sized(loss: RowLoss, k: int) -> RowLoss:
    """The same loss for k classes: parameters with an entry for each class are repeated or cut."""
    changes = {key: np.resize(value, k) for key, value in loss._parameters().items() if isinstance(value, tuple)}
    return dataclasses.replace(loss, **changes)


def forms(loss: RowLoss) -> tuple[str, ...]:
    """The kinds of targets that a loss takes."""
    return ("labels", "dense") if loss.targets == "both" and ignore_index(loss) is None else (first_form(loss),)


def first_form(loss: RowLoss) -> str:
    return "labels" if loss.targets == "both" else loss.targets


def every_form(losses: list[RowLoss]) -> list[tuple[RowLoss, str]]:
    return [(loss, form) for loss in losses for form in forms(loss)]


def ignore_index(loss: RowLoss) -> int | None:
    return getattr(loss, "ignore_index", None)


def is_softmax(loss: RowLoss) -> bool:
    """Whether predictions are logits, of which only differences matter."""
    return bool(getattr(loss, "from_logits", False))


def has_hessian(loss: RowLoss) -> bool:
    return bool(loss.hessian_policies)


def outputs(loss: RowLoss) -> tuple[str, ...]:
    return ("value", "gradient", "hessian")[: 3 if has_hessian(loss) else 2]


def counts(loss: RowLoss, y: np.ndarray, form: str) -> np.ndarray:
    """What a row adds to the denominator of the mean, before weights."""
    class_weight = getattr(loss, "class_weight", None)
    if form != "labels":
        return np.ones(len(y)) if class_weight is None else y.astype(float) @ np.array(class_weight)
    labels = y.astype(np.intp)
    kept = labels != ignore_index(loss) if ignore_index(loss) is not None else np.ones(len(y), bool)
    weights = np.ones(len(y)) if class_weight is None else np.array(class_weight)[np.where(kept, labels, 0)]
    return np.where(kept, weights, 0.0)


# ---- data -----------------------------------------------------------------------------------------------------------


def draw_rows(
    loss: RowLoss, n: int, k: int, rng: np.random.Generator, *, form: str | None = None, grid: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of k classes inside the domains; on a grid, which meets ties and kinks, if asked for."""
    form = form or first_form(loss)
    scores = rng.choice([0.3, 2.0, 10.0], (n, 1)) * rng.standard_normal((n, k))
    if form == "values":
        y = 2 * rng.standard_normal(n)
        f = y[:, None] + scores
        return (np.round(8 * y) / 8, np.round(8 * f) / 8) if grid else (y, f)
    if grid:
        f = rng.integers(0, 9, (n, k)) / 8 if loss.info.f_domain == UNIT else np.round(8 * scores) / 8
    elif loss.info.f_domain == UNIT:
        f = np.maximum(softmax(scores), 2.0**-20)
    elif loss.info.name == "negative_log_likelihood" or getattr(loss, "log_input", False):
        f = np.log(np.maximum(softmax(scores), 2.0**-40))
    else:
        f = scores
    y = _labels(loss, n, k, rng) if form == "labels" else _dense(loss, n, k, rng, form, grid)
    return y, f


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def one_hot(labels: np.ndarray, k: int) -> np.ndarray:
    return (labels[..., None] == np.arange(k)).astype(float)


def _labels(loss: RowLoss, n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    labels = rng.integers(0, k, n)
    if (ignored := ignore_index(loss)) is not None:
        labels[rng.random(n) < 0.2] = ignored
        if k > 1 and n:  # the mean needs a row that counts
            labels[0] = (ignored + 1) % k
    return labels


def _dense(loss: RowLoss, n: int, k: int, rng: np.random.Generator, form: str, grid: bool) -> np.ndarray:
    if form == "vectors":
        y = rng.standard_normal((n, k))
        return np.round(y) if grid else y
    sure = one_hot(rng.integers(0, k, n), k)
    if loss.info.name == "categorical_hinge":
        return sure
    soft = rng.dirichlet(np.full(k, 0.7), n)
    loose = rng.integers(0, 9, (n, k)) / 8 if grid else rng.random((n, k))
    kind = rng.integers(0, 4, (n, 1))
    y = np.select([kind == 0, kind == 1, kind == 2], [sure, soft, loose / (1 if grid else k)], soft)
    if getattr(loss, "log_target", False):
        with np.errstate(divide="ignore"):
            return np.log(y)
    return y


# ---- the reference as a formula -------------------------------------------------------------------------------------


def terms(loss: RowLoss, y: np.ndarray, f: np.ndarray) -> Any:
    """The lazy terms of the reference, also at complex predictions."""
    with np.errstate(all="ignore"):
        return row_terms(loss, y, f)


def moved(loss: RowLoss, term: str, y: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Derivatives of a term of the reference in each prediction, along a new last axis, by complex steps."""
    with np.errstate(all="ignore"):
        columns = [np.imag(getattr(terms(loss, y, f + 1j * STEP * e), term)()) / STEP for e in np.eye(f.shape[1])]
    return np.stack(columns, axis=-1)


def deviation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b|, 0 for equal infinities and NaN in both."""
    with np.errstate(invalid="ignore"):
        return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, np.abs(a - b))


def assert_near(a: Any, b: Any, tolerance: float, message: str = "") -> None:
    """Equal up to a tolerance relative to 1 + |b|."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    assert a.shape == b.shape, message
    size = 1 + np.abs(np.where(np.isfinite(b), b, 0))
    worst = np.max(deviation(a, b) / size, initial=0)
    assert worst <= tolerance, f"{message}: {worst:.3g} away, {tolerance:.3g} allowed"
