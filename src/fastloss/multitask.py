"""Several losses of several targets as one: a weighted total over dicts of arrays."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from . import _validation as check
from ._base import Array, Evaluation, Loss, Methods
from ._inputs import InputsLoss
from ._registry import enter, get
from ._validation import GRADIENT, HESSIAN, VALUE

__all__ = ["MultiTask"]

Named = Mapping[str, Any]


class MultiTaskMethods(ABC):
    """The calls of a multi-task loss, in terms of those of its tasks: shared with its NumPy reference."""

    weights: Any

    @property
    @abstractmethod
    def _parts(self) -> Mapping[str, Methods]:
        """What computes each task."""

    def __call__(
        self,
        y_true: Named,
        y_pred: Named,
        sample_weight: Any = None,
        *,
        log_variance: Mapping[str, float] | None = None,
        reduction: str = "mean",
        out: dict[str, Array | None] | None = None,
        n_threads: int | None = None,
    ) -> Any:
        """Compute the total.

        Parameters
        ----------
        y_true, y_pred : dict of array_like
            Targets and predictions of every task, as its loss takes them. The tasks may differ in shapes and dtypes.
        sample_weight : array_like, float or dict, optional
            Weights >= 0: the same for all tasks, or a dict with the weights (or None) of every task.
        log_variance : dict of float, optional
            The s_t of every task, finite, any sign; only with ``weights="uncertainty"``, where the default is 0.
        reduction : {"mean", "sum", "none"}
            How each task reduces its samples.
        out : dict of ndarray, optional
            float32 or float64 arrays (or None) of every task, for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Returns
        -------
        float or dict of ndarray
            The total; for ``reduction="none"`` the values of the samples of every task times its weight (they leave
            out the s_t / 2, which belongs to a task and not to its samples).

        Raises
        ------
        TypeError
            If an argument is not a dict, or its entry not a real array on the CPU.
        ValueError
            If the names in a dict are not those of the tasks, or a task cannot take its arrays (the message begins
            with its name).

        Examples
        --------
        >>> import fastloss as fl
        >>> loss = fl.MultiTask({"age": fl.HalfSquaredError(), "sex": fl.BinaryCrossEntropy()})
        >>> loss({"age": [30.0], "sex": [1]}, {"age": [31.0], "sex": [1.0]})
        0.5
        """
        return self._evaluate(VALUE, y_true, y_pred, sample_weight, log_variance, reduction, out, n_threads)

    value = __call__

    def gradient(
        self,
        y_true: Named,
        y_pred: Named,
        sample_weight: Any = None,
        *,
        log_variance: Mapping[str, float] | None = None,
        reduction: str = "mean",
        out: dict[str, Array | None] | None = None,
        n_threads: int | None = None,
    ) -> Any:
        """Compute the derivatives of the total; for ``reduction="none"`` those of the sum.

        Parameters, errors: as for the call of the loss itself; `out` holds the gradients with respect to `y_pred`.

        Returns
        -------
        dict of ndarray
            With respect to the predictions of every task. With ``weights="uncertainty"`` a tuple: this dict, and a
            dict of floats with respect to the log-variances.

        Examples
        --------
        >>> import fastloss as fl
        >>> loss = fl.MultiTask({"age": "half_squared_error"}, weights="uncertainty")
        >>> loss.gradient({"age": [30.0]}, {"age": [31.0]}, log_variance={"age": 0.0})
        ({'age': array([1.])}, {'age': 0.0})
        """
        return self._evaluate(GRADIENT, y_true, y_pred, sample_weight, log_variance, reduction, out, n_threads)

    def value_and_gradient(
        self,
        y_true: Named,
        y_pred: Named,
        sample_weight: Any = None,
        *,
        log_variance: Mapping[str, float] | None = None,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
    ) -> tuple[Any, Any]:
        """Compute the total and its derivatives in one pass over the data of each task.

        Parameters, errors: as for the call of the loss itself; `out` holds the gradients (with ``reduction="none"``
        it is a tuple of two dicts, for values and gradients).

        Returns
        -------
        value : float or dict of ndarray
        gradient : dict of ndarray, or tuple of two dicts
            As from `gradient`.

        Examples
        --------
        >>> import fastloss as fl
        >>> loss = fl.MultiTask({"age": "half_squared_error", "income": "mae"}, weights={"age": 1.0, "income": 0.5})
        >>> loss.value_and_gradient({"age": [30.0], "income": [3.0]}, {"age": [31.0], "income": [1.0]})
        (1.5, {'age': array([1.]), 'income': array([-0.5])})
        """
        return self._evaluate(  # type: ignore[no-any-return]
            VALUE | GRADIENT, y_true, y_pred, sample_weight, log_variance, reduction, out, n_threads
        )

    def evaluate(
        self,
        y_true: Named,
        y_pred: Named,
        sample_weight: Any = None,
        *,
        outputs: tuple[str, ...] = ("value", "gradient"),
        log_variance: Mapping[str, float] | None = None,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
    ) -> Evaluation:
        """Compute value, gradient or both in one pass over the data of each task.

        Parameters
        ----------
        y_true, y_pred, sample_weight, log_variance, reduction, out, n_threads
            As for `value_and_gradient`.
        outputs : tuple of str
            Of ``"value"``, ``"gradient"``.

        Returns
        -------
        Evaluation
            A named tuple; None where an output was not asked for. There is no hessian.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.MultiTask({"age": "mae"}).evaluate({"age": [30.0]}, {"age": [31.0]}, outputs=("value",))
        Evaluation(value=1.0, gradient=None, hessian=None)
        """
        want = check.wanted_outputs(outputs)
        if want & HESSIAN:
            raise ValueError(f"outputs must be among 'value', 'gradient' for a multi-task loss, got {outputs!r}")
        result = self._evaluate(want, y_true, y_pred, sample_weight, log_variance, reduction, out, n_threads)
        if want == VALUE:
            return Evaluation(value=result)
        return Evaluation(gradient=result) if want == GRADIENT else Evaluation(*result)

    def _evaluate(
        self,
        want: int,
        y_true: Named,
        y_pred: Named,
        sample_weight: Any,
        log_variance: Mapping[str, float] | None,
        reduction: str,
        out: Any,
        n_threads: int | None,
    ) -> Any:
        check.check_options(reduction, n_threads)
        parts, learnt = self._parts, self.weights == "uncertainty"
        y_true, y_pred = _named("y_true", y_true, parts), _named("y_pred", y_pred, parts)
        shared = not isinstance(sample_weight, Mapping)
        w = dict.fromkeys(parts, sample_weight) if shared else _named("sample_weight", sample_weight, parts)
        if log_variance is not None and not learnt:
            raise ValueError(f"log_variance must be None unless weights='uncertainty', got {log_variance!r}")
        s = dict.fromkeys(parts, 0.0) if log_variance is None else _numbers("log_variance", log_variance, parts)
        factors = (
            {t: math.exp(min(-s[t], 709.0)) for t in parts} if learnt else self.weights or dict.fromkeys(parts, 1.0)
        )

        bits = want | VALUE if learnt else want
        outputs = tuple(name for name, bit in check.OUTPUTS.items() if bits & bit)
        inner = "sum" if reduction == "none" and not want & VALUE else reduction  # the gradients are the same
        arrays = [bit for bit in (VALUE, GRADIENT) if want & bit and (bit == GRADIENT or reduction == "none")]
        outs = _outs(out, len(arrays), parts)
        crossed = out is not None and _crossed(outs, {t: (y_true[t], y_pred[t], w[t]) for t in parts})
        options: dict[str, Any] = {"outputs": outputs, "reduction": inner, "n_threads": n_threads}
        results: dict[str, Evaluation] = {}
        for t, part in parts.items():
            given = None if crossed or all(o[t] is None for o in outs) else tuple(o[t] for o in outs)
            try:
                results[t] = part.evaluate(y_true[t], y_pred[t], w[t], out=given, **options)
            except (TypeError, ValueError) as error:
                error.args = (f"task {t!r}: {error}",)
                raise

        losses = {t: result.value for t, result in results.items()}
        totals = {t: _times(factors[t], float(np.sum(x, dtype=np.float64))) for t, x in losses.items() if bits & VALUE}
        value: Any = None if reduction == "none" else sum((totals[t] + s[t] / 2 for t in sorted(totals)), 0.0)
        found = {VALUE: losses, GRADIENT: {t: result.gradient for t, result in results.items()}}
        written = [_scaled(found[bit], factors, o) for bit, o in zip(arrays, outs, strict=True)]
        value = written[0] if value is None else value
        if not want & GRADIENT:
            return value
        gradient = (written[-1], {t: 0.5 - totals[t] for t in parts}) if learnt else written[-1]
        return (value, gradient) if want & VALUE else gradient


@dataclass(frozen=True, repr=False)
class MultiTask(MultiTaskMethods):
    r"""One total for several losses of different targets: the loss of a model with several heads.

    .. math:: L = \sum_t \lambda_t L_t \qquad \text{or} \qquad L = \sum_t \Big(e^{-s_t} L_t + \frac{s_t}{2}\Big)

    with the reduced losses :math:`L_t` of the tasks t, each with targets, predictions and weights of its own; all of
    them are dicts with the names of the tasks as keys. Use fixed weights where the balance of the tasks is known. With
    ``weights="uncertainty"`` the log-variances :math:`s_t` are parameters to be learnt together with the model, so
    that noisy tasks count less; `gradient` then also returns :math:`dL / ds_t = 1/2 - e^{-s_t} L_t`.
    For parts that share targets and predictions there is `WeightedSum`.

    Parameters
    ----------
    tasks : dict
        Losses, their names or configurations, by the name of the task: any loss with one `y_true` and one `y_pred`.
    weights : dict of float, "uncertainty" or None
        The factors :math:`\lambda_t \ge 0` of all tasks, by default 1; or ``"uncertainty"``. A task of weight 0
        contributes exactly 0; its arguments are checked all the same.

    Raises
    ------
    TypeError
        If `tasks` is not a dict of losses, or a weight not a number.
    ValueError
        If there are no tasks, a loss is unknown or takes several inputs, the names in `weights` are not those of the
        tasks, or a weight is negative.

    Notes
    -----
    There is no hidden factor 1/2 in the uncertainty weights: with `HalfSquaredError` the total is, up to a constant,
    the Gaussian likelihood of Kendall et al., and with a cross-entropy it is their form for classification. The best
    log-variance is :math:`s_t = \log(2 L_t)`; at :math:`L_t = 0` there is none, the total falls without bound.
    Tasks run one after another, each in parallel inside.

    References
    ----------
    A. Kendall, Y. Gal and R. Cipolla, Multi-task learning using uncertainty to weigh losses for scene geometry and
    semantics, CVPR 2018.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.MultiTask({"age": fl.Huber(), "sex": fl.BinaryCrossEntropy()}, weights={"age": 0.5, "sex": 1.0})
    >>> loss.gradient({"age": [30.0], "sex": [1]}, {"age": [31.0], "sex": [0.5]})
    {'age': array([0.5]), 'sex': array([-2.])}
    >>> fl.get(loss.config()) == loss
    True
    """

    tasks: Mapping[str, Loss]
    weights: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.tasks, Mapping):
            raise TypeError(f"tasks must be a dict of losses, got {self.tasks!r}")
        if not self.tasks:
            raise ValueError("tasks must hold at least one loss, got {}")
        weights = self.weights
        if isinstance(weights, Mapping):
            weights = MappingProxyType(_numbers("weights", weights, self.tasks, ge=0))
        elif weights is not None and weights != "uncertainty":
            raise ValueError(f"weights must be None, a dict of numbers or 'uncertainty', got {weights!r}")
        object.__setattr__(self, "tasks", MappingProxyType({t: _task(t, loss) for t, loss in self.tasks.items()}))
        object.__setattr__(self, "weights", weights)

    @property
    def _parts(self) -> Mapping[str, Methods]:
        return self.tasks

    @property
    def reference(self) -> MultiTaskReference:
        """The same loss with the NumPy references of its tasks."""
        return MultiTaskReference(self)

    def config(self) -> dict[str, Any]:
        """Return the configurations of the tasks and the weights as a dict that JSON can hold.

        Returns
        -------
        dict
            `fastloss.get` rebuilds the loss from it.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.MultiTask({"age": "mae"}).config()
        {'name': 'multi_task', 'tasks': {'age': {'name': 'mean_absolute_error'}}, 'weights': None}
        """
        return {"name": "multi_task", "tasks": {t: x.config() for t, x in self.tasks.items()}, "weights": self._plain()}

    def _plain(self) -> Any:
        return dict(self.weights) if isinstance(self.weights, Mapping) else self.weights

    def __repr__(self) -> str:
        return f"MultiTask({dict(self.tasks)!r}, weights={self._plain()!r})"

    def __hash__(self) -> int:
        weights = self.weights
        return hash(
            (frozenset(self.tasks.items()), frozenset(weights.items()) if isinstance(weights, Mapping) else weights)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return MultiTask, (dict(self.tasks), self._plain())


enter("multi_task", MultiTask)


class MultiTaskReference(MultiTaskMethods):
    """A multi-task loss in pure NumPy."""

    weights: Any = None

    def __init__(self, loss: MultiTask) -> None:
        self.loss, self.weights = loss, loss.weights

    @property
    def _parts(self) -> Mapping[str, Methods]:
        return {t: task.reference for t, task in self.loss.tasks.items()}

    def __repr__(self) -> str:
        return f"{self.loss!r}.reference"


def _task(name: Any, loss: Any) -> Loss:
    """The loss of a task, or raise."""
    if not isinstance(name, str):
        raise TypeError(f"tasks must have texts as names, got {name!r}")
    try:
        loss = get(loss)
    except (TypeError, ValueError) as error:
        error.args = (f"task {name!r}: {error}",)
        raise
    if not isinstance(loss, Loss) or isinstance(loss, InputsLoss):
        raise ValueError(f"task {name!r} must have a loss of one y_true and one y_pred, got {loss!r}")
    return loss


def _named(argument: str, given: Any, names: Iterable[str]) -> dict[str, Any]:
    """The entries of a dict in the order of the tasks; raise unless it has exactly their names."""
    names = tuple(names)
    if not isinstance(given, Mapping):
        raise TypeError(f"{argument} must be a dict with the tasks {', '.join(names)}, got {type(given).__name__}")
    missing = [name for name in names if name not in given]
    extra = [name for name in given if name not in names]
    if missing or extra:
        found = [f"{kind} {', '.join(map(str, x))}" for kind, x in (("missing", missing), ("unknown", extra)) if x]
        raise ValueError(f"{argument} must have the tasks {', '.join(names)}: {'; '.join(found)}")
    return {name: given[name] for name in names}


def _numbers(argument: str, given: Any, names: Iterable[str], **bounds: Any) -> dict[str, float]:
    entries = _named(argument, given, names)
    return {name: check.real_number(f"{argument}[{name!r}]", x, **bounds) for name, x in entries.items()}


def _outs(out: Any, count: int, names: Iterable[str]) -> list[dict[str, Array | None]]:
    """The dicts of `out`, one for each dict of results, or raise."""
    names = tuple(names)
    if out is None:
        return [dict.fromkeys(names) for _ in range(count)]
    given = out if isinstance(out, tuple) else (out,)
    if len(given) != count:
        raise ValueError(f"out must hold {count} dict(s) of arrays, got {len(given)}")
    outs = [_named("out", o, names) for o in given]
    flat = [(f"task {t!r}", o[t]) for o in outs for t in names]
    check.check_arrays([(name, np.shape(x)) for name, x in flat], tuple(x for _, x in flat))  # shapes: the tasks do
    return outs


def _crossed(outs: list[dict[str, Array | None]], inputs: dict[str, tuple[Any, ...]]) -> bool:
    """Whether an array to write into may be an input of another task: then nothing is written before all is read."""
    arrays = {t: [np.asarray(x) for x in given if x is not None] for t, given in inputs.items()}
    return any(
        target is not None and np.may_share_memory(target, x)
        for out in outs
        for t, target in out.items()
        for other, given in arrays.items()
        if other != t
        for x in given
    )


def _scaled(arrays: dict[str, Array], factors: Mapping[str, float], out: dict[str, Array | None]) -> dict[str, Array]:
    """The arrays times the factors, in place or in those of `out`."""
    scaled = {}
    with np.errstate(over="ignore", invalid="ignore"):
        for t, x in arrays.items():
            target = scaled[t] = x if (o := out[t]) is None else o
            if factors[t] == 0:
                target[...] = 0
            elif factors[t] != 1 or target is not x:
                if target.shape != x.shape:
                    raise ValueError(f"out for the task {t!r} must have the shape {x.shape}, got {target.shape}")
                np.multiply(x, min(factors[t], float(np.finfo(x.dtype).max)), out=target, casting="same_kind")
    return scaled


def _times(factor: float, value: float) -> float:
    """The product, 0 if the factor is 0 and the value infinite or NaN."""
    return factor * value if factor else 0.0
