"""Whether a loss, or somebody's own objective, is right, and whether gradient boosters will train on it.

Design. Whatever comes becomes a `_Subject`: a call that returns gradient and hessian as a booster would get them and,
where there is one, the value of every row. Derivatives are compared with central differences of what they should be
derivatives of, all rows at once: a row's results may depend on that row alone. Boosters judge nothing: they sum up
gradients and hessians and step by -sum g / sum h, so what `audit` says about training follows from those two.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from . import _validation as check
from ._base import Array, ArrayLike, Loss
from ._differences import common_ratio, compared
from ._domains import BINARY, REAL, UNIT, ClassLabels, Domain, Labels
from ._inputs import InputsLoss
from ._registry import get
from ._text import aligned

__all__ = ["Audit", "Derivative", "audit"]

STANDS_STILL = 0.1  # share of rows without a positive hessian from which boosters fail: tried with LightGBM and XGBoost
OVERSHOOTS = 0.15  # share of the true hessian below which a step of learning rate 0.3 is more than twice too long


@dataclass(frozen=True)
class Derivative:
    """A gradient or hessian: what it looks like, and how it compares with finite differences.

    Attributes
    ----------
    size : int
        Number of entries.
    zero, negative, non_finite : int
        How many entries are 0, below 0, and NaN or infinite.
    shape, dtype, order : tuple of int, str, str
        Of the array that was returned; the order is ``"C"``, ``"F"`` or ``"strided"``.
    error : float or None
        Largest distance from the central difference, relative to the larger of the two; None if nothing could be
        checked: for the gradient of a callable without `value`, or a loss without exact hessian.
    wrong, kinks, unchecked : int
        Entries that are off; that are off from a difference across a kink or jump, where one-sided slopes differ
        (no mistake); that have no finite difference.
    ratio : float or None
        The entry over the true derivative, where that is the same number everywhere: 1 if it is right, 2 if it is
        twice the true one.
    """

    size: int
    zero: int
    negative: int
    non_finite: int
    shape: tuple[int, ...]
    dtype: str
    order: str
    error: float | None = None
    wrong: int = 0
    kinks: int = 0
    unchecked: int = 0
    ratio: float | None = None


@dataclass(frozen=True)
class Audit:
    """What `audit` found. ``print`` it for a short table.

    Attributes
    ----------
    name : str
        What was audited.
    hessian_policy : str
        The curvature of a loss that boosters would get; empty for a callable.
    n_rows, n_predictions : int
        Size of the data.
    targets_outside, predictions_outside : int
        Rows outside the domain of the loss; they are left out of everything else.
    gradient, hessian : Derivative
        Figures of the derivatives that boosters would get, with the weights. Of a loss, the differences check the
        exact hessian whatever the policy; the ratio is that of the policy.
    stuck : float
        Share of the entries with a gradient whose hessian is not positive.
    descends : bool or None
        Whether a step along -gradient lowers the value; for a callable without `value`, whether gradients fall where
        targets grow, as those of a loss do. None if that cannot be seen.
    respects_weights : bool or None
        Whether weights multiply gradient and hessian; None for a callable of two parameters, unless there are weights.
    writes_into_inputs : bool
        Whether the call changed `y_true` or `y_pred`.
    findings : tuple of str
        All that is worth knowing, the worst first.
    trains : bool
        Whether boosters will train on it, at usual settings and on data like these.
    sentence : str
        The verdict.
    """

    name: str
    hessian_policy: str
    n_rows: int
    n_predictions: int
    targets_outside: int
    predictions_outside: int
    gradient: Derivative
    hessian: Derivative
    stuck: float
    descends: bool | None
    respects_weights: bool | None
    writes_into_inputs: bool
    findings: tuple[str, ...]
    trains: bool
    sentence: str

    def __str__(self) -> str:
        columns = ("zero", "negative", "non_finite", "error", "wrong", "kinks", "unchecked", "ratio", "dtype")
        table = [("", *(c.replace("_", " ") for c in columns))]
        table += [
            (name, *(_shown(getattr(derivative, c)) for c in columns))
            for name, derivative in (("gradient", self.gradient), ("hessian", self.hessian))
        ]
        policy = f", hessian {self.hessian_policy!r}" if self.hessian_policy else ""
        head = f"{self.name}{policy}: {self.n_rows} rows of {self.n_predictions}"
        verdict = [f"Boosters {self.sentence}.", *(f"- {x}" for x in self.findings if x not in self.sentence)]
        return "\n".join([head, aligned(table, numbers=True), *verdict])


def _shown(x: Any) -> str:
    return "-" if x is None else f"{x:.3g}" if isinstance(x, float) else str(x)


def audit(
    objective: Any,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    hessian: str | None = None,
    min_hessian: float | None = None,
    value: Callable[..., Any] | None = None,
) -> Audit:
    r"""Check the derivatives of a loss or objective, and say in one sentence whether boosters will train on it.

    Use it on your own objective before you blame the booster: none of them complains about a zero, negative or NaN
    hessian, a wrong sign or ignored weights; they learn nothing, or the wrong thing.

    Parameters
    ----------
    objective : Loss, str, dict or callable
        A loss (its name, its configuration), an objective of `fastloss.adapters`, or a callable
        ``(y_true, y_pred) -> (gradient, hessian)``, also with a third parameter for weights; or an object with the
        method ``calc_ders_range`` (or ``calc_ders_multi``) of CatBoost. The results of a row may depend only on it.
    y_true : array_like of shape (n,) or (n, K)
        Targets.
    y_pred : array_like of shape (n,) or (n, K)
        Predictions on the scale of the loss; raw scores for an objective. Take some as training will meet them, from
        the constant at its start to those of a fitted model, rather than the constant alone.
    sample_weight : array_like of shape (n,), optional
        Weights >= 0. By default the counts are without weights, and weights of our own are tried.
    hessian : str, optional
        For a loss: one of its `hessian_policies`, by default its `default_hessian`.
    min_hessian : float, optional
        For a loss: a floor of the hessian.
    value : callable, optional
        For a callable: ``(y_true, y_pred) -> array of shape (n,)``, the loss of every row. Without it the gradient
        can only be checked for its sign and, by the hessian, for being a function whose derivative that is.

    Returns
    -------
    Audit
        All figures. A target or prediction outside the domain of the loss is counted, not an error.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type or shape.

    Notes
    -----
    Differences are central, with a step of :math:`\epsilon^{1/3} \max(1, |f|)` and the epsilon of the type that is
    returned. An entry counts as wrong where it is further from the difference than 1e-4 of its size (5e-4 for float32)
    and than rounding explains, unless there is a kink: it lies between the one-sided slopes, or half the step gives
    another difference.

    That boosters stand still from 10 % of stuck rows on, and overshoot where the hessian is below 15 % of the true
    one, are rules of thumb for learning rates from 0.1 to 0.3.

    References
    ----------
    W. H. Press, S. A. Teukolsky, W. T. Vetterling and B. P. Flannery, Numerical Recipes, 3rd edition, 2007,
    section 5.7.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> y, f = np.array([0.0, 1.0, 2.0]), np.array([0.5, 0.5, 0.5])
    >>> fl.audit(fl.MeanAbsoluteError(), y, f).sentence
    'will train'
    >>> fl.audit(lambda y, f: (np.sign(f - y), np.zeros(3)), y, f).sentence
    'will stand still: 100 % of the hessians are 0 or below where the gradient is not'
    """
    subject = _subject(objective, hessian, min_hessian, value)
    y, f = check.as_array("y_true", y_true), check.as_array("y_pred", y_pred).astype(np.float64)
    if f.ndim not in (1, 2) or f.size == 0 or y.shape not in (f.shape[:1], f.shape):
        raise ValueError(f"y_pred must have the shape (n,) or (n, K) to match y_true {y.shape}, got {f.shape}")
    w = None if sample_weight is None else check.flat_weights(sample_weight, f.shape[:1])
    n_predictions = f[0].size
    y_ok, f_ok = _inside(subject.loss, y, f)
    ok = y_ok & f_ok
    y, f, w = y[ok], f[ok], None if w is None else w[ok]
    with np.errstate(all="ignore"):
        found = _examined(subject, y, f, w)
    verdict = [*_outside(y_ok, f_ok), *_judged(subject, y, f, found)]
    fatal, but, remarks = (tuple(text for kind, text in verdict if kind == x) for x in ("fatal", "but", "remark"))
    success = f"will train, but {but[0]}" if but else f"will train; {remarks[0]}" if remarks else "will train"
    return Audit(
        name=subject.name,
        hessian_policy=subject.policy,
        n_rows=len(ok),
        n_predictions=n_predictions,
        targets_outside=int(np.sum(~y_ok)),
        predictions_outside=int(np.sum(~f_ok)),
        gradient=found.gradient,
        hessian=found.hessian,
        stuck=found.stuck,
        descends=found.descends,
        respects_weights=found.respects_weights,
        writes_into_inputs=found.writes,
        findings=(*fatal, *but, *remarks),
        trains=not fatal,
        sentence=fatal[0] if fatal else success,
    )


# ---- what is audited ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Subject:
    """`call(y, f, w)` gives gradient and hessian as a booster gets them; `value(y, f)` the value of every row."""

    name: str
    call: Callable[[Array, Array, Array | None], Any]
    takes_weights: bool = True
    loss: Loss | None = None
    policy: str = ""
    value: Callable[[Array, Array], Any] | None = None

    def gradient(self, y: Array, f: Array) -> Array:
        """The gradient without weights, of a loss in full precision."""
        if self.loss is None:
            return np.asarray(self.call(y.copy(), f.copy(), None)[0])
        return self.loss.gradient(y, f, reduction="sum")

    def exact_hessian(self, y: Array, f: Array) -> Array | None:
        """What claims to be the derivative of the gradient."""
        if self.loss is None:
            return np.asarray(self.call(y.copy(), f.copy(), None)[1])
        return self.loss.hessian(y, f, reduction="sum") if "exact" in self.loss.hessian_policies else None


def _subject(objective: Any, hessian: Any, min_hessian: Any, value: Any) -> _Subject:
    if isinstance(objective, (str, dict, Loss)):
        loss = get(objective)
        if isinstance(loss, InputsLoss) or not loss.hessian_policies:
            raise ValueError(f"objective must be a loss with a hessian, got {loss!r}")
        _only_for("a callable", value=value)
        options: dict[str, Any] = {"hessian": loss.default_hessian if hessian is None else hessian}
        check.curvature(loss, options["hessian"])
        check.floor(min_hessian)
        options |= {"reduction": "sum", "min_hessian": min_hessian}
        call = partial(loss.gradient_and_hessian, **options)
        return _Subject(repr(loss), call, loss=loss, policy=options["hessian"], value=partial(loss, reduction="none"))
    _only_for("a loss", hessian=hessian, min_hessian=min_hessian)
    if value is not None and not callable(value):
        raise TypeError(f"value must be callable or None, got {value!r}")
    owner = getattr(objective, "__self__", None)
    objective = owner if isinstance(getattr(owner, "loss", None), Loss) else objective  # of its method `native`
    of_catboost = hasattr(objective, "calc_ders_range") or hasattr(objective, "calc_ders_multi")
    if not (of_catboost or callable(objective)):
        raise TypeError(f"objective must be a loss, a callable or an objective, got {objective!r}")
    its_loss = getattr(objective, "loss", None)
    if isinstance(its_loss, Loss) and hasattr(objective, "hessian"):
        _only_for("a callable without a loss", value=value)
        call = partial(_of_catboost, objective) if of_catboost else objective
        return _Subject(
            repr(objective), call, loss=its_loss, policy=objective.hessian, value=partial(its_loss, reduction="none")
        )
    if of_catboost:
        return _Subject(type(objective).__name__, partial(_of_catboost, objective), value=value)
    name = getattr(objective, "__qualname__", None) or type(objective).__name__
    if len(inspect.signature(objective).parameters) > 2:
        return _Subject(name, objective, value=value)
    return _Subject(name, lambda y, f, w: objective(y, f), takes_weights=False, value=value)


def _only_for(which: str, **given: Any) -> None:
    for name, argument in given.items():
        if argument is not None:
            raise ValueError(f"{name} must be None but for {which}, got {argument!r}")


def _of_catboost(objective: Any, y: Array, f: Array, w: Array | None) -> tuple[Array, Array]:
    """The derivatives of a loss whose negative CatBoost maximises."""
    if f.ndim == 1:
        first, second = np.array([tuple(row) for row in objective.calc_ders_range(f, y, w)], float).reshape(-1, 2).T
        return -first, -second
    weights = np.ones(len(f)) if w is None else w
    rows = [objective.calc_ders_multi(*row) for row in zip(f, y, weights, strict=True)]
    diagonals = [np.diag([list(line) for line in second]) for _, second in rows]
    return -np.array([list(first) for first, _ in rows], float), -np.array(diagonals, float)


def _inside(loss: Loss | None, y: Array, f: Array) -> tuple[Array, Array]:
    """Which rows of targets and of predictions are inside the domain of the loss."""
    n = len(f)
    if loss is None:
        return np.ones(n, bool), np.ones(n, bool)
    domain = loss.info.y_domain
    if isinstance(domain, ClassLabels) and y.ndim < f.ndim:
        y_ok = domain.contains(y, f.shape[-1]) | (y == getattr(loss, "ignored", None))
    else:
        y_ok = (UNIT if isinstance(domain, ClassLabels) else domain).contains(y)
        if isinstance(domain, Labels) and domain.signed and (y == -1).any():
            y_ok &= y != 0
    columns = f.reshape(n, -1).T
    inside = [_of_column(loss, k).contains(x) | ~np.isfinite(x) for k, x in enumerate(columns)]
    return y_ok.reshape(n, -1).all(axis=1), np.all(inside, axis=0)


def _of_column(loss: Loss | None, k: int) -> Domain:
    domains = (REAL,) if loss is None else loss.f_domains
    return domains[min(k, len(domains) - 1)]


# ---- figures --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """What was measured; `misfit` says why most was not."""

    gradient: Derivative
    hessian: Derivative
    writes: bool
    misfit: str = ""
    stuck: float = 0.0
    overshooting: float = 0.0
    is_bound: bool = False
    is_constant: bool = False
    descends: bool | None = None
    respects_weights: bool | None = None


def _examined(subject: _Subject, y: Array, f: Array, w: Array | None) -> _Found:
    y_given, f_given = y.copy(), f.copy()
    pair = subject.call(y_given, f_given, None)
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"objective must return a tuple (gradient, hessian), got {pair!r}")
    returned = [np.asarray(x) for x in pair]
    writes = not (np.array_equal(y_given, y) and np.array_equal(f_given, f, equal_nan=True))
    bad = [x.dtype.kind not in "biuf" or x.size != f.size for x in returned]
    if any(bad) or not f.size:
        which, x = ("gradient", returned[0]) if bad[0] else ("hessian", returned[1])
        unread = [Derivative(x.size, 0, 0, 0, *_form(x)) for x in returned]
        return _Found(
            unread[0],
            unread[1],
            writes,
            f"the {which} has the shape {x.shape} and type {x.dtype}, not {f.shape} and float",
        )

    g, h = (x.reshape(f.shape) for x in returned)
    seen, respects = (g, h), None if w is None else False
    if subject.takes_weights:
        tried = np.resize([0.5, 2.0, 0.0, 1.0], len(f)) if w is None else w
        weighted = [np.asarray(x).reshape(f.shape) for x in subject.call(y.copy(), f.copy(), tried)]
        factor = tried.reshape(-1, *(1,) * (f.ndim - 1))
        pairs = list(zip(weighted, (g, h), strict=True))[: 2 if subject.loss is None else 1]  # the hessian has a floor
        respects = all(
            np.allclose(a[tried > 0], (factor * b)[tried > 0], 1e-4, 1e-30, equal_nan=True) for a, b in pairs
        )
        seen = (g, h) if w is None else (weighted[0], weighted[1])

    value, domains = subject.value, [_of_column(subject.loss, k) for k in range(f[0].size)]
    rows = None if value is None else lambda x: _per_row(value(y, x), len(f))
    slope, checked_g = compared(subject.gradient(y, f), rows, f, domains)
    curvature, checked_h = compared(subject.exact_hessian(y, f), lambda x: subject.gradient(y, x), f, domains)
    moving = seen[0] != 0
    small = (h > 0) & (h < OVERSHOOTS * curvature)
    return _Found(
        _figures(seen[0], returned[0], ratio=common_ratio(g, slope), **checked_g),
        _figures(seen[1], returned[1], ratio=common_ratio(h, curvature), **checked_h),
        writes,
        stuck=float(np.mean(~(seen[1][moving] > 0))) if moving.any() else 0.0,
        overshooting=float(np.mean(small[g != 0])) if np.any(g != 0) else 0.0,
        is_bound=bool(np.all((h >= (1 - 1e-3) * curvature) | np.isnan(curvature))),
        is_constant=bool(np.ptp(h) == 0),
        descends=_falls_with_targets(subject, y, f) if value is None else _positive(np.nansum(g * slope)),
        respects_weights=respects,
    )


def _figures(seen: Array, returned: Array, **checked: Any) -> Derivative:
    counts = int(np.sum(seen == 0)), int(np.sum(seen < 0)), int(np.sum(~np.isfinite(seen)))
    return Derivative(seen.size, *counts, *_form(returned), **checked)


def _form(x: Array) -> tuple[tuple[int, ...], str, str]:
    return x.shape, str(x.dtype), "C" if x.flags.c_contiguous else "F" if x.flags.f_contiguous else "strided"


def _per_row(values: Any, n: int) -> Array:
    rows: Array = np.asarray(values)
    if rows.shape != (n,):
        raise ValueError(f"value must return the loss of every row, shape ({n},), got {rows.shape}")
    return rows


def _falls_with_targets(subject: _Subject, y: Array, f: Array) -> bool | None:
    """Whether gradients at a constant prediction fall where targets grow."""
    g = subject.gradient(y, np.broadcast_to(np.nanmean(f, axis=0), f.shape).copy()).reshape(len(f), -1)
    targets = y.astype(float)
    if y.ndim < f.ndim:
        if not ClassLabels().contains(targets, g.shape[1]).all():
            return None
        targets = np.eye(g.shape[1])[targets.astype(int)]
    targets = targets.reshape(len(f), -1)
    return _positive(-np.sum((targets - targets.mean(axis=0)) * g))


def _positive(x: Any) -> bool | None:
    return None if x == 0 or np.isnan(x) else bool(x > 0)


# ---- the verdict ----------------------------------------------------------------------------------------------------

Verdict = Iterator[tuple[str, str]]


def _outside(y_ok: Array, f_ok: Array) -> Verdict:
    if not (y_ok & f_ok).any():
        yield "fatal", "cannot be judged: no row is inside the domain of the loss"
    if not y_ok.all():
        yield "but", f"{_percent(np.mean(~y_ok))} of the targets are outside the domain of the loss: they raise"
    if not f_ok.all():
        yield "but", f"{_percent(np.mean(~f_ok))} of the predictions are outside the domain of the loss: they raise"


def _judged(subject: _Subject, y: Array, f: Array, found: _Found) -> Verdict:
    g, h = found.gradient, found.hessian
    if not f.size:
        return
    if not _is_raw(subject.loss):
        yield "fatal", "will not train on this scale: boosters hand over raw scores, which loss.on_raw() takes"
    if found.misfit:
        yield "fatal", f"will stop: {found.misfit}"
        return
    if g.non_finite or h.non_finite:
        yield "fatal", f"will learn nothing: {g.non_finite} gradients and {h.non_finite} hessians are NaN or infinite"
    if g.zero == g.size:
        yield "fatal", "will stand still: every gradient is 0"
    if found.descends is False or (found.descends is None and (h.ratio or 0) < 0):
        yield "fatal", "will move away from the targets: the gradient has the wrong sign"
    if found.stuck >= STANDS_STILL:
        still = "stand still" if found.stuck > 0.5 else "stand still or go astray"
        yield "fatal", f"will {still}: {_percent(found.stuck)} of the hessians are 0 or below where the gradient is not"
    if found.overshooting >= STANDS_STILL and subject.policy in ("", "exact"):
        share = "" if h.ratio is None else f"by a factor of {1 / h.ratio:.3g} "
        yield "fatal", f"will overshoot: {_percent(found.overshooting)} of the hessians are {share}too small"

    blamed = "but" if subject.policy in ("", "exact") else "remark"
    if 0 < found.stuck < STANDS_STILL:
        yield "but", f"{_percent(found.stuck)} of the hessians are 0 or below where the gradient is not"
    if g.ratio is not None and g.ratio > 0 and abs(g.ratio - 1) > 2e-3:
        yield "but", f"the gradient is {g.ratio:.3g} times the derivative of the value"
    elif g.wrong and g.ratio is None:
        yield "but", f"{_percent(g.wrong / g.size)} of the gradients are not the derivative of the value"
    if found.respects_weights is False:
        yield "but", "it ignores sample weights" if not subject.takes_weights else "weights do not multiply its results"
    if h.ratio is not None and h.ratio > 0 and abs(h.ratio - 1) > 2e-3:
        leaves = f"{h.ratio:.3g} times too small" if h.ratio > 1 else f"{1 / h.ratio:.3g} times too large"
        yield blamed, f"the hessian is {h.ratio:.3g} times the true one: leaf values are {leaves}"
    elif found.is_constant and h.ratio is None:
        yield "remark", "the hessian is constant: steps are those of gradient descent"
    elif h.wrong and found.is_bound and h.ratio is None:
        yield "remark", "the hessian is an upper bound of the true one: leaf values are too small rather than too large"
    elif h.wrong and h.ratio is None:
        yield "but", f"{_percent(h.wrong / h.size)} of the hessians are not the derivative of the gradient"
    if found.writes:
        yield "but", "it writes into the arrays it is given, which are the booster's"
    for name, x in (("gradient", g), ("hessian", h)):
        if x.shape != f.shape:
            yield "but", f"the {name} has the shape {x.shape}, not {f.shape}"
        if not x.dtype.startswith("float"):
            yield "but", f"the {name} is of dtype {x.dtype}, not float32 or float64"
        if x.order == "strided":
            yield "remark", f"the {name} is neither in C nor in F order: boosters copy it"
    if _look_like_probabilities(subject, y, f):
        yield "but", "all predictions are in [0, 1] like probabilities, where boosters hand over logits"


def _is_raw(loss: Loss | None) -> bool:
    try:
        return loss is None or loss.on_raw() == loss
    except ValueError:  # a sum of losses with and without a raw scale
        return False


def _look_like_probabilities(subject: _Subject, y: Array, f: Array) -> bool:
    loss = subject.loss
    if len(f) < 10 or not UNIT.contains(f).all():
        return False
    if f.ndim == 2:
        return loss is not None and loss.link.name == "softmax" and np.allclose(f.sum(axis=1), 1)
    logits = BINARY.contains(y).all() if loss is None else loss.link.name in ("logit", "half_logit")
    return bool(logits and np.ptp(f) > 0)


def _percent(share: Any) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"
