"""Triplets that are formed inside a labelled batch of embeddings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import ArrayLike, Methods, in_outputs
from .._batch import Batch, mean_denominator, tile_rows
from .._core import batch_triplet as core
from .._domains import REAL
from .._inputs import Call, InputsLoss, rounded_sum
from .._links import IDENTITY
from .._parameters import choice, number, optional
from .._registry import loss
from .._validation import GRADIENT, VALUE

__all__ = ["BatchTriplet"]

MINING = ("all", "hard", "semihard")
DISTANCES = ("euclidean", "squared_euclidean", "cosine")
Progress = Callable[[int, int], Any]


@loss(
    family="embeddings",
    formula="sum over triplets of max(0, d(a, p) - d(a, n) + margin), of anchor a",
    convex=False,
    differentiability="C0",
    lipschitz=math.inf,
    outliers=lambda loss: "low" if loss.distance == "cosine" else "high",
    proper=None,
    elicits="embeddings that are nearer to those of their class than to others",
    y_domain=REAL,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="A. Hermans, L. Beyer and B. Leibe, In defense of the triplet loss, 2017, arXiv:1703.07737.",
)
class BatchTriplet(InputsLoss):
    r"""Triplet loss of a batch of embeddings with class labels: each row is an anchor.

    .. math:: l_a = \sum_{(p, n)} \max(0, d(x_a, x_p) - d(x_a, x_n) + \mathrm{margin})

    Positives p are the other rows of the label of anchor a, negatives n the rows of other labels; an anchor that lacks
    either has no term. The triplets are

    - `mining="all"`: every p with every n;
    - `mining="hard"`: the farthest p with the nearest n;
    - `mining="semihard"`: every p with the nearest n that is farther than p, or with the farthest n if none is.

    Of equal distances the row with the lowest index is taken. The gradient takes the choice as constant; with semi-hard
    mining the value jumps where a negative passes a positive.

    Use it to learn embeddings in which classes are clusters, such as faces or products, from batches of a few rows for
    each of many classes; semi-hard or all triplets early in training, hard ones where labels are clean.

    Parameters
    ----------
    mining : {"all", "hard", "semihard"}, default "all"
        Which triplets count.
    margin : float, default 1.0
        How much farther the negative should be; >= 0.
    distance : {"euclidean", "squared_euclidean", "cosine"}, default "euclidean"
        ``|a - b|``, its square, or 1 - cos. A zero vector has the cosine 0 with every vector, and the gradient 0.
    average : {"valid", "active"} or None, default None
        What the mean divides by: the number of terms, or of those > 0. None: "active" for all triplets, else "valid".

    Notes
    -----
    The mean is that of `sentence_transformers` ``BatchAllTripletLoss`` and ``BatchSemiHardTripletLoss``, and of
    ``BatchHardTripletLoss`` where every anchor has a positive and a negative. In `pytorch-metric-learning` it is that
    of ``TripletMarginLoss`` for all triplets (``average="valid"`` with a ``MeanReducer``), and behind a
    ``BatchHardMiner`` for ``mining="hard", average="active"``. A batch without terms, or none that counts, has the
    mean 0 and the gradient 0.

    All triplets of an anchor take O(B log B): the positives are sorted, and each negative finds by binary search those
    that it is active with. The cost is that of B^2 distances and of the gradient, O(B^2 D), never B^3. Squared
    differences are summed directly, not by matrix products: equal rows have the distance 0, where the euclidean
    gradient is 0. Embeddings of any size are right; only squared distances beyond the range of float64 are compared
    pair by pair.

    A row that is not finite has the distance NaN, which counts as the farthest and the nearest: whoever must compare
    with it is NaN. Anchors without a term or of weight 0 are not touched.

    References
    ----------
    A. Hermans, L. Beyer and B. Leibe, In defense of the triplet loss for person re-identification, 2017,
    arXiv:1703.07737. F. Schroff, D. Kalenichenko and J. Philbin, FaceNet: a unified embedding for face recognition and
    clustering, CVPR 2015.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.BatchTriplet(margin=0.5)
    >>> embeddings, labels = [[0.0], [1.0], [2.0], [4.0]], [0, 0, 1, 1]
    >>> loss(embeddings, labels, reduction="none")
    array([0. , 0.5, 2. , 0. ])
    >>> loss.gradient(embeddings, labels, reduction="sum")
    array([[ 0.],
           [ 3.],
           [-5.],
           [ 2.]])
    """

    mining: str = choice("all", MINING)
    margin: float = number(1.0, ge=0)
    distance: str = choice("euclidean", DISTANCES)
    average: str | None = optional(choice("valid", ("valid", "active")))

    def _arguments(
        self,
        embeddings: ArrayLike,
        labels: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
        memory_budget: int | None = None,
        progress: Progress | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        embeddings : array_like of shape (B, D)
            One row for each sample; float32 or shorter computes in float32, everything else in float64.
        labels : array_like of shape (B,)
            Classes, of any integer type.
        sample_weight : array_like of shape (B,) or float, optional
            Weights >= 0 of the rows as anchors; a row of weight 0 still is a positive or negative of others.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w c)`` with the counts c of the anchors (see `average`), ``sum(w l)``, or the array
            ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape (B,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads for this call; results do not depend on it.
        memory_budget : int, optional
            Bytes for the tile of distances that gradients of "all" and "semihard" need, 64 MiB by default; at least
            64 rows of B are taken. Beside it there are a few times the embeddings, and a few times B numbers for each
            thread. Gradients for different budgets differ by rounding.
        progress : callable, optional
            Called as ``progress(done, total)`` between parts of the work, with numbers of such parts.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU, or the labels are not integers.
        ValueError
            If shapes do not match, a weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.BatchTriplet(mining="hard")([[0.0], [1.0], [2.0], [4.0]], [0, 0, 1, 1])
        0.75
        """
        options = {"memory_budget": memory_budget, "progress": progress}
        return Call((embeddings, labels), sample_weight, reduction, out, n_threads, options)

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that this one is tested against."""
        from ..reference.batch_triplet import BatchTripletReference

        return BatchTripletReference(self)

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        x, y, w, out = check.prepare_batch(want, call.inputs, *call[1:5], **call.options)
        batch = Batch.make(x, y, w, self.distance, self.margin)
        n, d = x.shape
        height = n if self.mining == "hard" else tile_rows(batch.rows, call.options["memory_budget"])
        sums, active, gradient = core.run(
            self.mining,
            self.distance,
            want,
            self.margin * batch.unit_of_distance(self.distance),
            batch.rows,
            n,
            d,
            batch.kind,
            batch.start,
            batch.stop,
            batch.order,
            batch.anchors,
            height,
            mixed=bool(batch.kind.any()),
            n_threads=call.n_threads,
            progress=call.options["progress"],
        )
        with np.errstate(all="ignore"):
            value = np.zeros(n)
            value[batch.order] = sums / batch.unit_of_distance(self.distance) * batch.anchors
            counts = active if self.counted == "active" else batch.terms(self.mining)
            total = mean_denominator(counts * batch.anchors) if call.reduction == "mean" else 1 / batch.heavy
            slopes = None if gradient is None else batch.gradient(gradient[:n, :d], 1 / total, self.distance)
            result = (value / total).astype(batch.real) if call.reduction == "none" else rounded_sum(value) / total
        return in_outputs([x for bit, x in ((VALUE, result), (GRADIENT, slopes)) if want & bit], out)

    @property
    def counted(self) -> str:
        """What the mean divides by."""
        return self.average or ("active" if self.mining == "all" else "valid")
