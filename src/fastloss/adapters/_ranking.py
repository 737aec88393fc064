"""The objective of a ranking loss, for boosters that know which rows belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike
from .._threads import get_num_threads
from ._objective import Objective

PAIRS_PER_THREAD = 1 << 20


@dataclass(frozen=True)
class RankingObjective(Objective):
    """Gradient and hessian of a ranking loss at scores, as gradient boosters ask for them.

    Made by the `objective` function of an adapter. Immutable, compared by value, picklable.

    Attributes
    ----------
    loss, hessian, min_hessian
        As for `Objective`.
    """

    def __call__(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None, group: ArrayLike
    ) -> tuple[Array, Array]:
        """Compute the objective for LightGBM's `LGBMRanker`, which hands over four arguments.

        Parameters
        ----------
        y_true : array_like of shape (n,)
            Relevances.
        y_pred : array_like of shape (n,)
            Scores; never written into.
        sample_weight : array_like of shape (n,) or (G,), or None
            Weights >= 0: of the groups, or of the rows and then the same within a group.
        group : array_like of shape (G,)
            Sizes of the groups, which are consecutive rows.

        Returns
        -------
        gradient, hessian : ndarray of shape (n,), float32
            Multiplied by the weights.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If the groups do not add up to the rows, weights differ within a group, or a relevance is outside its
            domain.
        """
        scores = check.as_array("y_pred", y_pred)
        result = self._results(scores)
        sizes = _sizes(group)
        self.loss.gradient_and_hessian(
            y_true,
            scores,
            _group_weights(sample_weight, sizes, len(scores)),
            group=sizes,  # type: ignore[call-arg]
            reduction="sum",
            out=result,
            hessian=self.hessian,
            min_hessian=self.min_hessian,
            n_threads=min(get_num_threads(), 1 + int(np.sum(sizes * sizes)) // PAIRS_PER_THREAD),
        )
        return result

    def native(self, preds: Array, data: Any) -> tuple[Array, Array]:
        """Compute the objective for the native interface of the booster.

        Parameters
        ----------
        preds : ndarray of shape (n,)
            Scores; never written into.
        data : xgboost.DMatrix or lightgbm.Dataset
            Gives relevances, weights and groups.

        Returns
        -------
        gradient, hessian : ndarray of shape (n,), float32
            As for the call of the object.
        """
        return self(data.get_label(), preds, data.get_weight(), groups_of(data))


def groups_of(data: Any) -> Array:
    """Sizes of the groups of a `lightgbm.Dataset` or `xgboost.DMatrix`."""
    if hasattr(data, "get_group"):
        sizes = data.get_group()
    else:
        bounds = data.get_uint_info("group_ptr")
        sizes = np.diff(bounds.astype(np.int64)) if len(bounds) else None
    if sizes is None:
        raise ValueError("data must have groups (or qid) for a ranking loss")
    return _sizes(sizes)


def _sizes(group: Any) -> Array:
    if group is None:
        raise ValueError("group must be given for a ranking loss")
    return np.asarray(check.as_array("group", group), np.int64)


def _group_weights(sample_weight: ArrayLike | None, sizes: Array, n: int) -> Array | None:
    """One weight for each group."""
    if sample_weight is None or np.size(sample_weight) == 0:
        return None
    weights = check.as_array("sample_weight", sample_weight)
    if weights.shape == sizes.shape and weights.shape != (n,):
        return weights
    if weights.shape != (n,):
        raise ValueError(
            f"sample_weight must have one entry for each of {len(sizes)} groups or {n} rows, got {weights.shape}"
        )
    starts = np.cumsum(sizes) - sizes
    firsts = np.where(sizes > 0, weights[np.minimum(starts, n - 1)], 0)
    differs = weights != np.repeat(firsts, sizes)
    if differs.any():
        k = int(np.argmax(differs))
        raise ValueError(
            f"sample_weight must be the same for all rows of a group, got {weights[k]} after {weights[k - 1]} "
            f"at index {k}"
        )
    return firsts
