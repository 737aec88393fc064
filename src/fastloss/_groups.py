"""Losses of groups of rows: the documents of a query, ranked by their scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from . import _validation as check
from ._base import Array, ArrayLike, Evaluation, Loss, Methods, in_outputs
from ._core import groups
from ._validation import GRADIENT, HESSIAN, VALUE

Places = dict[str, Array]

POLICIES = ("exact", "majorizer", "absolute_gradient", "unit")


class GroupMethods(Methods):
    """The calls of a ranking loss, in terms of one; shared with its NumPy reference.

    All take `group` or `qid` beside the arguments of other losses; a sample is a group: values for
    ``reduction="none"`` and weights have one entry for each.
    """

    @abstractmethod
    def _terms(
        self, want: int, y: Array, s: Array, start: Array, hessian: str, n_threads: int | None, places: Places
    ) -> tuple[Array, Array, Array | None, Array | None]:
        """Values and counts of the groups, gradient and curvature of their sum.

        `places` may hold arrays for the latter two, of which use may be made.
        """

    @property
    @abstractmethod
    def _of(self) -> GroupLoss:
        """The loss itself."""

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        reduction: str = "mean",
        out: Array | None = None,
        n_threads: int | None = None,
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        y_true : array_like of shape (n,)
            Relevances, finite; larger is better.
        y_pred : array_like of shape (n,)
            Scores.
        sample_weight : array_like of shape (G,) or float, optional
            Weights >= 0, one for each group.
        group : array_like of shape (G,), optional
            Sizes of the groups, which are consecutive rows: integers >= 0 that add up to n. One group by default.
        qid : array_like of shape (n,), optional
            An integer for each row, in the place of `group`: a group is a run of equal ones.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w c)`` with the counts c of the groups (0.0 if no group counts), ``sum(w l)``, or the
            array ``w l`` of shape (G,).
        out : ndarray of shape (G,), optional
            float32 or float64 array for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Returns
        -------
        float or ndarray
            Summed in float64.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes or groups do not match, a relevance or weight is outside its domain, or all weights are 0.

        Examples
        --------
        >>> import fastloss as fl
        >>> round(fl.PairwiseLogistic()([2, 0, 1], [0.5, 0.0, 1.0], group=[3]), 6)
        0.587139
        """
        return self._evaluate(VALUE, y_true, y_pred, sample_weight, reduction, out, n_threads, group=group, qid=qid)

    value = __call__

    def gradient(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        reduction: str = "mean",
        out: Array | None = None,
        n_threads: int | None = None,
    ) -> Array:
        """Compute the derivative of the sum or mean of the loss in the scores.

        Parameters, errors: as for the call of the loss itself.

        Returns
        -------
        ndarray of shape (n,)
            Its entries sum to 0 in each group.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.PairwiseHinge().gradient([2, 0, 1], [0.5, 0.0, 1.0], reduction="sum")
        array([-2.,  1.,  1.])
        """
        return self._evaluate(  # type: ignore[no-any-return]
            GRADIENT, y_true, y_pred, sample_weight, reduction, out, n_threads, group=group, qid=qid
        )

    def hessian(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        reduction: str = "mean",
        out: Array | None = None,
        n_threads: int | None = None,
        hessian: str = "exact",
        min_hessian: float | None = None,
    ) -> Array:
        """Compute the diagonal of the second derivative in the scores, or another curvature.

        Parameters
        ----------
        y_true, y_pred, sample_weight, group, qid, reduction, out, n_threads
            As for the call of the loss itself.
        hessian : {"exact", "majorizer", "absolute_gradient", "unit"}
            ``"majorizer"`` bounds the full hessian of a group: twice the exact diagonal for smooth losses.
        min_hessian : float, optional
            A floor, applied after weights and reduction; rows of groups of weight 0 stay 0.

        Returns
        -------
        ndarray of shape (n,)

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.PairwiseLogistic().hessian([1, 0], [0.0, 0.0])
        array([0.25, 0.25])
        """
        options = {"group": group, "qid": qid}
        return self._evaluate(  # type: ignore[no-any-return]
            HESSIAN, y_true, y_pred, sample_weight, reduction, out, n_threads, hessian, min_hessian, **options
        )

    def value_and_gradient(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
    ) -> tuple[Any, Array]:
        """Compute value and gradient in one pass.

        Parameters, errors: as for the call of the loss itself; `out` holds the gradient (with ``reduction="none"`` a
        tuple for values and gradient).

        Returns
        -------
        value : float or ndarray of shape (G,)
        gradient : ndarray of shape (n,)

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.PairwiseHinge().value_and_gradient([1, 0], [0.0, 0.5])
        (1.5, array([-1.,  1.]))
        """
        return self._evaluate(  # type: ignore[no-any-return]
            VALUE | GRADIENT, y_true, y_pred, sample_weight, reduction, out, n_threads, group=group, qid=qid
        )

    def gradient_and_hessian(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        reduction: str = "mean",
        out: tuple[Array | None, Array | None] | None = None,
        n_threads: int | None = None,
        hessian: str = "exact",
        min_hessian: float | None = None,
    ) -> tuple[Array, Array]:
        """Compute gradient and hessian in one pass: what boosters ask for.

        Parameters, errors: as for `hessian`; `out` is a tuple for gradient and hessian.

        Returns
        -------
        gradient, hessian : ndarray of shape (n,)

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.PairwiseLogistic().gradient_and_hessian([1, 0], [0.0, 0.0])
        (array([-0.5,  0.5]), array([0.25, 0.25]))
        """
        want, options = GRADIENT | HESSIAN, {"group": group, "qid": qid}
        return self._evaluate(  # type: ignore[no-any-return]
            want, y_true, y_pred, sample_weight, reduction, out, n_threads, hessian, min_hessian, **options
        )

    def evaluate(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        outputs: tuple[str, ...] = ("value", "gradient", "hessian"),
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
        hessian: str = "exact",
        min_hessian: float | None = None,
    ) -> Evaluation:
        """Compute any of value, gradient and hessian in one pass.

        Parameters
        ----------
        y_true, y_pred, sample_weight, group, qid, reduction, n_threads, hessian, min_hessian
            As for `hessian`.
        outputs : tuple of str
            Of ``"value"``, ``"gradient"``, ``"hessian"``.
        out : tuple, optional
            Arrays for those outputs that are arrays, in the order value, gradient, hessian.

        Returns
        -------
        Evaluation
            A named tuple; None where an output was not asked for.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.PairwiseHinge().evaluate([1, 0], [0.0, 0.5], outputs=("value",))
        Evaluation(value=1.5, gradient=None, hessian=None)
        """
        want, options = check.wanted_outputs(outputs), {"group": group, "qid": qid}
        result = self._evaluate(
            want, y_true, y_pred, sample_weight, reduction, out, n_threads, hessian, min_hessian, **options
        )
        names = [name for name, bit in check.OUTPUTS.items() if want & bit]
        return Evaluation(**dict(zip(names, result if len(names) > 1 else (result,), strict=True)))

    def _evaluate(
        self,
        want: int,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None,
        reduction: str,
        out: Any,
        n_threads: int | None,
        hessian: str = "exact",
        min_hessian: float | None = None,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
    ) -> Any:
        loss = self._of
        if want & HESSIAN:
            check.curvature(loss, hessian)
        floor = check.floor(min_hessian)
        y, s, start, w, out = check.prepare_groups(
            loss, want, y_true, y_pred, sample_weight, group, qid, reduction, out, n_threads
        )
        places = _places(want, out, (y, s)) if reduction == "sum" and w is None else {}
        value, count, gradient, curvature = self._terms(want, y, s, start, hessian, n_threads, places)

        weights, keep, value, total = _weighed(value, count, w)
        with np.errstate(invalid="ignore", over="ignore"):
            factors = weights if reduction != "mean" else weights / total if total > 0 else np.zeros_like(weights)
            results: list[Any] = []
            if want & VALUE:
                summed = float(np.sum(value))
                mean = summed / total if total > 0 else 0.0
                results.append(
                    value.astype(s.dtype) if reduction == "none" else mean if reduction == "mean" else summed
                )
            for term, lowest in ((gradient, np.nan), (curvature, floor)):
                if term is not None:
                    results.append(_weighted(term, factors, keep, start, lowest))
        return in_outputs(results, out)


def _weighed(value: Array, count: Array, w: Array | None) -> tuple[Array, Array, Array, float]:
    """Weights of the groups, those that are not 0, weighted values, and what the mean divides by."""
    weights = np.ones(len(value)) if w is None else np.broadcast_to(w, (len(value),))
    keep = weights > 0
    with np.errstate(invalid="ignore", over="ignore"):
        total = float(np.sum(np.where(keep, weights * count, 0.0)))
        return weights, keep, np.where(keep, value * weights, 0.0), total


def _weighted(term: Array, factors: Array, keep: Array, start: Array, floor: float) -> Array:
    """The term times the factors of its groups, 0 where that is, and at least the floor elsewhere."""
    sizes = np.diff(start)
    if not (factors == 1).all():
        term *= np.repeat(factors.astype(term.dtype), sizes)
    if floor == floor:
        np.maximum(term, term.dtype.type(floor), out=term)
    if not keep.all():
        term[~np.repeat(keep, sizes)] = 0
    return term


def _places(want: int, out: Any, inputs: tuple[Array, ...]) -> Places:
    """The arrays of `out` that a kernel can write into while it reads the inputs."""
    given = out if isinstance(out, tuple) else (out,)
    names = [name for name, bit in check.OUTPUTS.items() if want & bit and bit != VALUE]
    return {
        name: array
        for name, array in zip(names, given, strict=False)
        if array is not None
        and array.flags.c_contiguous
        and array.flags.aligned
        and array.dtype.isnative
        and not any(np.may_share_memory(array, x) for x in inputs)
    }


class GroupLoss(GroupMethods, Loss):
    """A loss of groups of rows."""

    @property
    def _of(self) -> GroupLoss:
        return self

    @property
    def hessian_policies(self) -> tuple[str, ...]:
        """The curvatures that `hessian=` accepts."""
        return POLICIES

    def _sums(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> tuple[float, float]:
        arguments = y_true, y_pred, sample_weight, group, qid, "sum", None, n_threads
        y, s, start, w, _ = check.prepare_groups(self, VALUE, *arguments)
        value, count, _, _ = self._terms(VALUE, y, s, start, "exact", n_threads, {})
        _, _, value, total = _weighed(value, count, w)
        return float(np.sum(value)), total

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that kernels are tested against."""
        from .reference.ranking import GroupReference

        return GroupReference(self)

    def init_score(self, y_true: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the constant score: 0.0, as only differences of scores count.

        Parameters
        ----------
        y_true : array_like
            Relevances; not used.
        sample_weight : array_like or float, optional
            Not used.

        Returns
        -------
        float

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.LambdaRank().init_score([0, 1, 2])
        0.0
        """
        return 0.0

    def _options(self, y: Array, largest: int) -> dict[str, Any]:
        """What the kernel is told beside relevances and scores."""
        return {}

    _scale: float = 1.0

    def _terms(
        self, want: int, y: Array, s: Array, start: Array, hessian: str, n_threads: int | None, places: Places
    ) -> tuple[Array, Array, Array | None, Array | None]:
        sizes = np.diff(start)
        order = np.argsort(-sizes, kind="stable")
        name, ask = self._declared["name"], want
        if want & HESSIAN and hessian in ("absolute_gradient", "unit"):
            ask = want & ~HESSIAN | GRADIENT
            places = {name: array for name, array in places.items() if name != "hessian"}
        options = self._options(y, int(sizes.max(initial=0))) | places | {"n_threads": n_threads}
        value, count, gradient, curvature = groups.run(
            name, ask, y, s, start, order, self._scale, majorizer=hessian == "majorizer", **options
        )
        if want & HESSIAN:
            if hessian == "unit":
                curvature = np.ones_like(s)
            elif hessian == "absolute_gradient":
                curvature = np.abs(gradient)
            elif hessian == "majorizer" and name != "pairwise_hinge":
                curvature *= 2
        return value, count, gradient if want & GRADIENT else None, curvature if want & HESSIAN else None
