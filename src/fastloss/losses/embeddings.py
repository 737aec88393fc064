"""Losses of embeddings that are compared row by row: pairs and triplets."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Methods
from .._core.pairs import compare_rows
from .._domains import BINARY, REAL, SIGNED
from .._inputs import Call, InputsLoss, delivered, workspace
from .._links import IDENTITY
from .._parameters import choice, flag, number
from .._registry import loss
from .._validation import GRADIENT, VALUE

__all__ = ["Contrastive", "CosineEmbedding", "Triplet"]


class ComparedRows(InputsLoss):
    """A loss of matrices of one shape whose rows belong together, each with one value."""

    margin: float
    distance: Any = "cosine"
    swap: Any = False

    inputs: ClassVar[tuple[str, ...]] = ("x1", "x2")
    """The names of the matrices."""

    other_label: ClassVar[int | None] = None
    """The label of dissimilar rows, similar ones having 1; None for a loss without labels."""

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that this one is tested against."""
        from ..reference.embeddings import ComparedRowsReference

        return ComparedRowsReference(self)

    def _prepared(self, want: int, call: Call) -> tuple[tuple[Array, ...], Array | None, Array | None, Any, float]:
        """The matrices, which rows are similar, weights, the arrays of `out`, and the denominator of the mean."""
        named = dict(zip(self.inputs, call.inputs, strict=False))
        x, y, w, outs = check.prepare_pairs(want, named, call.inputs[len(named) :], *call[1:5], rows=True)
        same = None if y is None or self.other_label is None else check.check_pair_labels(y, self.other_label)
        w = None if w is None else np.array(np.broadcast_to(w, x[0].shape[:1]), order="C")
        total = float(len(x[0]) if w is None else np.sum(w, dtype=np.float64))
        return x, same, w, outs, total

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        x, same, w, outs, total = self._prepared(want, call)
        real = check.linear_type(*x)
        values = None
        if want & VALUE and call.reduction == "none":
            values = workspace(outs[0], x[0].shape[:1], np.dtype(real), x)
        scale = 1.0 / total if call.reduction == "mean" else 1.0
        slots = outs[1] if want & GRADIENT else None
        settings = self._declared["name"], self.distance, self.margin, self.swap, real
        value, gradients = compare_rows(*settings, x, same, w, scale, values, slots, call.n_threads)
        if call.reduction == "mean":
            value /= total
        return delivered(want, value if values is None else values, gradients, outs)


@loss(
    family="embeddings",
    formula="d^2 if y = 1, else max(margin - d, 0)^2",
    convex=False,
    differentiability="C0",
    lipschitz=math.inf,
    outliers=lambda loss: "high" if loss.distance == "euclidean" else "low",
    proper=None,
    elicits="embeddings whose dissimilar pairs are a margin apart",
    y_domain=BINARY,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="R. Hadsell, S. Chopra, Y. LeCun, Dimensionality reduction by learning an invariant mapping, CVPR 2006.",
)
class Contrastive(ComparedRows):
    r"""Contrastive loss of pairs that are labelled as similar (1) or dissimilar (0).

    .. math:: l = d^2 \text{ for } y = 1, \qquad l = \max(\mathrm{margin} - d, 0)^2 \text{ for } y = 0

    with the distance d of the two rows of a pair: :math:`|x_1 - x_2|`, or 1 - cos of the angle between them. The
    gradients come as a tuple, those in `x1` and in `x2`.

    Use it to learn embeddings from pairs of things of which only is known whether they belong together. Dissimilar
    pairs that are at least the margin apart have value and gradient 0. At d = 0, where a dissimilar pair has the value
    :math:`\mathrm{margin}^2`, its gradient is set to 0. A zero vector has cos = 0 with every vector, and gradient 0.
    The loss is not convex. There is no hessian.

    Parameters
    ----------
    margin : float, default 1.0
        How far apart dissimilar rows should be; > 0.
    distance : {"euclidean", "cosine"}
        The distance d.

    Notes
    -----
    Twice the loss of sentence-transformers, without the factor 1/2 of Hadsell et al., who label similar pairs 0.
    Gradients have the type of the computation: float32 if both matrices are float32 or shorter, else float64. Distances
    are right for rows of any size: squares do not overflow or underflow. NaN or an infinity in a row gives NaN to its
    own value and gradients and to no other.

    References
    ----------
    R. Hadsell, S. Chopra and Y. LeCun, Dimensionality reduction by learning an invariant mapping, CVPR 2006.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.Contrastive(margin=6.0)
    >>> x1, x2 = [[0.0, 0.0], [0.0, 0.0]], [[3.0, 4.0], [3.0, 4.0]]
    >>> loss(x1, x2, [1, 0], reduction="none")
    array([25.,  1.])
    >>> loss.gradient(x1, x2, [1, 0], reduction="sum")[1]
    array([[ 6. ,  8. ],
           [-1.2, -1.6]])
    """

    other_label: ClassVar[int] = 0

    margin: float = number(1.0, gt=0)
    distance: str = choice("euclidean", ("euclidean", "cosine"))

    def _arguments(
        self,
        x1: ArrayLike,
        x2: ArrayLike,
        labels: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        x1, x2 : array_like of shape (N, D)
            Embeddings, a pair in each row. If both are float32 or shorter, the computation is in float32, else in
            float64.
        labels : array_like of shape (N,)
            1 for similar pairs, 0 for dissimilar ones; of any real type.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0. A pair of weight 0 contributes exactly 0, whatever its rows are.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape (N,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a label or weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Contrastive(distance="cosine")([[1.0, 0.0]], [[0.0, 2.0]], [1])
        1.0
        """
        return Call((x1, x2, labels), sample_weight, reduction, out, n_threads)


@loss(
    family="embeddings",
    formula="1 - cos(x1, x2) if y = 1, else max(0, cos(x1, x2) - margin)",
    convex=False,
    differentiability="C0",
    lipschitz=math.inf,
    outliers="low",
    proper=None,
    elicits="embeddings whose angles tell similar from dissimilar pairs",
    y_domain=SIGNED,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="R. Hadsell, S. Chopra, Y. LeCun, Dimensionality reduction by learning an invariant mapping, CVPR 2006.",
)
class CosineEmbedding(ComparedRows):
    r"""Cosine loss of pairs that are labelled as similar (1) or dissimilar (-1).

    .. math:: l = 1 - \cos(x_1, x_2) \text{ for } y = 1,
              \qquad l = \max(0, \cos(x_1, x_2) - \mathrm{margin}) \text{ for } y = -1

    The gradients come as a tuple, those in `x1` and in `x2`.

    Use it as `Contrastive` where only the angle between embeddings matters, not their length. A dissimilar pair whose
    cosine is the margin or less has value and gradient 0. A zero vector has cos = 0 with every vector, and gradient 0.
    The loss is bounded, not convex. There is no hessian.

    Parameters
    ----------
    margin : float, default 0.0
        The cosine that dissimilar pairs should not exceed; in [-1, 1].

    Notes
    -----
    As `torch.nn.functional.cosine_embedding_loss`, which adds 1e-12 to squared norms. Gradients have the type of the
    computation: float32 if both matrices are float32 or shorter, else float64. Small losses of similar pairs are
    accurate: 1 - cos is half the squared distance of the unit vectors there. Norms may be as large or small as numbers
    are. NaN or an infinity in a row gives NaN to its own value and gradients and to no other.

    References
    ----------
    R. Hadsell, S. Chopra and Y. LeCun, Dimensionality reduction by learning an invariant mapping, CVPR 2006, for the
    scheme with distances.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.CosineEmbedding(margin=0.5)
    >>> loss([[3.0, 4.0], [3.0, 4.0]], [[1.0, 0.0], [4.0, 3.0]], [1, -1], reduction="none").round(6)
    array([0.4 , 0.46])
    """

    other_label: ClassVar[int] = -1

    margin: float = number(0.0, ge=-1, le=1)

    def _arguments(
        self,
        x1: ArrayLike,
        x2: ArrayLike,
        labels: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        x1, x2 : array_like of shape (N, D)
            Embeddings, a pair in each row. If both are float32 or shorter, the computation is in float32, else in
            float64.
        labels : array_like of shape (N,)
            1 for similar pairs, -1 for dissimilar ones; of any real type.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0. A pair of weight 0 contributes exactly 0, whatever its rows are.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape (N,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a label or weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.CosineEmbedding()([[1.0, 0.0]], [[0.0, 2.0]], [1])
        1.0
        """
        return Call((x1, x2, labels), sample_weight, reduction, out, n_threads)


@loss(
    family="embeddings",
    aliases=("triplet_margin",),
    formula="max(0, d(a, p) - d(a, n) + margin)",
    convex=False,
    differentiability="C0",
    lipschitz=lambda loss: math.sqrt(6) if loss.distance == "euclidean" else math.inf,
    outliers=lambda loss: "low" if loss.distance == "cosine" else "high",
    proper=None,
    elicits="embeddings that are nearer to those of their kind than to others",
    y_domain=REAL,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="F. Schroff, D. Kalenichenko and J. Philbin, FaceNet, CVPR 2015.",
)
class Triplet(ComparedRows):
    r"""Triplet loss: an anchor should be nearer to its positive than to its negative, by a margin.

    .. math:: l = \max(0, d(a, p) - d(a, n) + \mathrm{margin})

    with the distance d of rows: :math:`|a - b|`, :math:`|a - b|^2`, or 1 - cos of the angle between them. With `swap`,
    d(p, n) takes the place of d(a, n) where it is smaller. The gradients come as a tuple, those in anchor, positive and
    negative.

    Use it to learn embeddings from comparisons. Triplets whose hinge is 0 or less have value and gradient exactly 0.
    The derivative of the euclidean distance of equal rows is set to 0. A zero vector has cos = 0 with every vector, and
    gradient 0. The loss is not convex. There is no hessian.

    Parameters
    ----------
    margin : float, default 1.0
        By how much the negative should be farther away; >= 0.
    distance : {"euclidean", "squared_euclidean", "cosine"}
        The distance d.
    swap : bool, default False
        Whether the negative counts at the smaller of its distances from anchor and positive (Balntas et al.).

    Notes
    -----
    As `torch.nn.functional.triplet_margin_loss` with ``eps=0``: its default, and that of
    `optax.losses.triplet_margin_loss`, add 1e-6 to each difference. Gradients have the type of the computation: float32
    if all matrices are float32 or shorter, else float64. Distances are right for rows of any size. NaN or an infinity
    in a row gives NaN to its own value and gradients and to no other.

    References
    ----------
    F. Schroff, D. Kalenichenko and J. Philbin, FaceNet: a unified embedding for face recognition and clustering, CVPR
    2015. V. Balntas, E. Riba, D. Ponsa and K. Mikolajczyk, Learning local feature descriptors with triplets and shallow
    convolutional neural networks, BMVC 2016.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.Triplet(margin=2.0)
    >>> value, (da, dp, dn) = loss.value_and_gradient([[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 6.0]])
    >>> value, da, dp, dn
    (1.0, array([[-0.6,  0.2]]), array([[0.6, 0.8]]), array([[ 0., -1.]]))
    """

    inputs: ClassVar[tuple[str, ...]] = ("anchor", "positive", "negative")

    margin: float = number(1.0, ge=0)
    distance: str = choice("euclidean", ("euclidean", "squared_euclidean", "cosine"))
    swap: bool = flag(False)

    def _arguments(
        self,
        anchor: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        anchor, positive, negative : array_like of shape (N, D)
            Embeddings, a triplet in each row. If all are float32 or shorter, the computation is in float32, else in
            float64.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0. A triplet of weight 0 contributes exactly 0, whatever its rows are.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape (N,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Triplet()([[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 5.5]])
        0.5
        """
        return Call((anchor, positive, negative), sample_weight, reduction, out, n_threads)
