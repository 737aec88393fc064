"""The last linear layer of a classifier together with its loss.

Design. Rows are taken in panels, whose logits fill one buffer: product with the weights, softmax in place, and the
products with the gradient. NumPy's product cannot add to what is there: from the second panel on, the gradient of the
weights is added to in tiles of their rows, and there is never a second matrix of their size. Threads of a BLAS lose
their time in the barriers of many small products where processors are shared, so tiles are as large as memory allows;
and they keep running for a while after each product: where the softmax is a small part of the work, threads of its own
would only wait for a processor. Height and tile follow from the shapes and the memory budget alone, and sums are taken
in the order of the panels: the number of threads of the softmax changes no bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Methods
from .._domains import CLASSES, REAL
from .._inputs import Call, InputsLoss, delivered, rounded_sum, workspace
from .._links import SOFTMAX
from .._parameters import integer, number, numbers, optional
from .._registry import loss
from .._threads import get_num_threads
from .._validation import GRADIENT, VALUE
from .multiclass import SparseCategoricalCrossEntropy, _is_even

__all__ = ["LinearCrossEntropy"]

MOST = 64 * 2**20  # bytes of work memory where none are given,
LEAST = 4 * 2**20  # but not less than this
SHARE = 1 / 12  # of all logits,
ROWS = 64  # or this many rows of them: matrix products of fewer are slow
TILE = 8 * 2**20  # bytes of a tile, and at most a fifth of all,
ROWS_IN_TILE = 64  # but not fewer rows of the weights
FEATURES_FOR_A_THREAD = 32  # for each thread, from which the softmax costs less than a third of the matrix products

Progress = Callable[[int, int], Any]


class Plan(NamedTuple):
    """Rows in a panel, and rows of the weights in a tile; no tile where all rows are one panel."""

    height: int
    tile: int

    @classmethod
    def make(cls, n: int, d: int, n_classes: int, itemsize: int, budget: int | None, plain: bool = True) -> Plan:
        """The plan for n rows of d features, in panels that are equally high; `plain` weights need no conversion."""
        row = (n_classes + 4 * d) * itemsize  # logits, features, scaled features, their gradient and a part of it
        if budget is None:
            budget = min(MOST, max(int(SHARE * n * n_classes * itemsize), ROWS * row, LEAST))
        if plain and n * row <= budget:
            return cls(max(1, n), 0)
        of_class = max(1, d * itemsize)
        tile = min(n_classes, max(ROWS_IN_TILE, min(budget // 5, TILE) // of_class // 64 * 64))
        most = max(1, (budget - tile * of_class) // row)
        n_panels = max(1, -(-n // most))
        return cls(max(1, -(-n // n_panels)), tile)


@loss(
    family="multiclass",
    aliases=("fused_linear_cross_entropy",),
    formula="-sum_k c_k t_k log p_k, t the smoothed one-hot row of y, p = softmax(W x + b)",
    convex=False,
    differentiability="C-inf",
    lipschitz=math.inf,
    outliers="low",
    proper=lambda loss: loss.label_smoothing == 0 and _is_even(loss.class_weight),
    elicits=lambda loss: (
        "class probabilities" if loss._declared["proper"](loss) else "smoothed or reweighted class probabilities"
    ),
    y_domain=CLASSES,
    f_domain=REAL,
    link=SOFTMAX,
    default_hessian="",
    reference="E. Wijmans et al., Cut your losses in large-vocabulary language models, 2024, arXiv:2411.09009.",
)
class LinearCrossEntropy(InputsLoss):
    r"""The last linear layer and the softmax cross-entropy in one call, which never holds all logits.

    .. math:: l = -\sum_k c_k t_k \log p_k, \qquad p = \mathrm{softmax}(W x + b),
              \qquad t_k = (1 - s) [k = y] + \frac{s}{V}

    with c = `class_weight` (1 if None) and s = `label_smoothing`. With G the gradient of the weighted sum or mean in
    the logits :math:`Z = X W^T + b`, the gradients in X, W and b are :math:`G W`, :math:`G^T X` and the column sums of
    G. They come as a tuple, in this order, the last only if there is a bias.

    Use it for many classes V, such as a vocabulary: for N rows the logits would take N V numbers and their gradient as
    many again. Here rows are taken in panels, whose logits are turned into their gradient in place and used up at
    once; `memory_budget` says how large a panel may be. The result is that of `SparseCategoricalCrossEntropy` on
    logits, with the same mean. Rows of weight 0 and ignored ones are left out, whatever their features are, NaN
    included; a NaN in another row of the features shows in its value, in its row of dX, in dW and in db.

    The loss is convex in X, in W and in b separately, not in all of them together. There is no hessian.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        Share of the label that is spread over all V classes; in [0, 1].
    class_weight : sequence of float or None, default None
        A factor >= 0 for each of the V classes; the row counts with the one of its label. None: all are 1.
    ignore_index : int or None, default None
        Rows with this label count as absent: value and gradient are 0. Any integer, also a class.

    Notes
    -----
    As `torch.nn.functional.cross_entropy` of `torch.nn.functional.linear`, with `weight`, `ignore_index` and
    `label_smoothing`. Gradients have the type of the computation: float32 if features, weights and bias are all
    float32 or shorter, else float64. Their accuracy is that of the dot products, eps times sums of :math:`|x w|`;
    the softmax adds a few ULP. An `out` that is not C-contiguous, is not of the type of the computation or shares
    memory with an input costs an array of its size.

    References
    ----------
    E. Wijmans, B. Huval, A. Hertzberg, V. Koltun and P. Krähenbühl, Cut your losses in large-vocabulary language
    models, 2024, arXiv:2411.09009.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.LinearCrossEntropy()
    >>> value, (dx, dw, db) = loss.value_and_gradient([0, 1], [[1.0], [2.0]], [[0.0], [0.0]], [0.0, 0.0])
    >>> round(value, 6), db
    (0.693147, array([0., 0.]))
    >>> dw
    array([[ 0.25],
           [-0.25]])
    """

    _rows: ClassVar[Any] = None

    label_smoothing: float = number(0.0, ge=0, le=1)
    class_weight: tuple[float, ...] | None = optional(numbers(ge=0))
    ignore_index: int | None = optional(integer())

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_rows", SparseCategoricalCrossEntropy(from_logits=True, **self._parameters()))

    def _arguments(
        self,
        y_true: ArrayLike,
        features: ArrayLike,
        weights: ArrayLike,
        bias: ArrayLike | None = None,
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
        y_true : array_like of shape (N,)
            Class indices, of any integer type, bool, or whole floats.
        features : array_like of shape (N, D)
            The inputs X of the layer. If features, weights and bias are all float32 or shorter, the computation is in
            float32, else in float64.
        weights : array_like of shape (V, D)
            The weights W of the layer, one row for each class; of any strides. They are never copied as a whole: what
            the matrix product cannot take as it is, is converted in tiles, once or twice for each panel.
        bias : array_like of shape (V,), optional
            The bias b of the layer.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0. A row of weight 0 contributes exactly 0, whatever its features are.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w c)`` with the counts c of the rows, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape (N,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads of the softmax, by default one where the softmax is a small part of the work; results do not
            depend on it. The threads of the matrix products are those of NumPy's BLAS.
        memory_budget : int, optional
            Bytes for the logits of a panel of rows and the buffers beside it, at least those of one row. By default
            a twelfth of all logits, at least what 64 rows need, at most 64 MiB. More memory means faster matrix
            products; results for different budgets differ by rounding.
        progress : callable, optional
            Called as ``progress(done, total)`` after each panel, with numbers of rows of positive weight.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a label or weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> round(fl.LinearCrossEntropy()([0, 1], [[1.0], [2.0]], [[0.0], [1.0]]), 6)
        0.720095
        """
        options = {"memory_budget": memory_budget, "progress": progress}
        return Call((y_true, features, weights, bias), sample_weight, reduction, out, n_threads, options)

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that this one is tested against."""
        from ..reference.linear import LinearReference

        return LinearReference(self)

    def init_score(
        self, y_true: ArrayLike, sample_weight: ArrayLike | None = None, n_classes: int | None = None
    ) -> Array:
        """Return the bias that minimises the loss where all features are 0.

        Parameters
        ----------
        y_true : array_like
            Labels.
        sample_weight : array_like or float, optional
            Weights >= 0.
        n_classes : int, optional
            The number of classes V; by default the length of `class_weight`, else the largest label + 1.

        Returns
        -------
        ndarray of shape (V,)
            Logarithms of the weighted class shares, shifted to the sum 0.

        Raises
        ------
        ValueError
            If there are no rows, all weights are 0, or a label is outside the domain.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.LinearCrossEntropy().init_score([0, 0, 1, 1])
        array([0., 0.])
        """
        return self._rows.init_score(y_true, sample_weight, n_classes)  # type: ignore[no-any-return]

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        reduction, n_threads, progress = call.reduction, call.n_threads, call.options["progress"]
        y, x, w, b, weight, outs = check.prepare_linear(self._rows, want, *call[:5], **call.options)
        real = np.dtype(check.linear_type(x, w, b))
        rows, labels, weight, total = self._counted(y, weight, reduction, real)
        n, mean = len(rows), reduction == "mean"

        if n_threads is None and FEATURES_FOR_A_THREAD * get_num_threads() <= x.shape[1]:
            n_threads = 1
        layer = _Layer(n, x, w, b, real, call.options["memory_budget"])
        if want & GRADIENT:
            layer.start_gradients(outs[1], 1 / total if mean else 1.0, (y, x, w, b))
        values, sums = np.zeros(y.shape if reduction == "none" else 0, real), []
        for start in range(0, n, layer.height):
            stop = min(start + layer.height, n)
            index = slice(start, stop) if n == len(y) else rows[start:stop]
            with np.errstate(all="ignore"):
                logits = layer.forward(index)
                given = labels[start:stop], logits, None if weight is None else weight[start:stop]
                value = self._softmax(want, *given, reduction, n_threads)
                if want & GRADIENT:
                    layer.backward(index, logits)
            if reduction == "none":
                values[index] = value
            else:
                sums.append(value)
            if progress is not None:
                progress(stop, n)
        value = values if reduction == "none" else rounded_sum(sums) / (total if mean else 1.0)
        return delivered(want, value, layer.gradients() if want & GRADIENT else (), outs)

    def _counted(
        self, y: Array, weight: Array | None, reduction: str, real: Any
    ) -> tuple[Array, Array, Array | None, float]:
        """The rows that are neither ignored nor of weight 0, their labels and weights, and the denominator."""
        keep = np.ones(y.shape, bool) if self.ignore_index is None else y != self.ignore_index
        given, counts = weight, np.ones(y.shape)
        if weight is not None:
            weight = np.broadcast_to(weight.astype(real), y.shape)
            keep &= weight > 0
            counts = counts * weight
        rows = np.flatnonzero(keep)
        labels, counts = y[rows].astype(np.intp), counts[rows]
        if self.class_weight is not None:
            counts *= np.array(self.class_weight, real)[labels]
        total = float(np.sum(counts))
        if reduction == "mean" and total == 0:
            raise check.nothing_counts(self._rows, given)
        return rows, labels, None if weight is None else weight[rows], total

    def _softmax(
        self, want: int, labels: Array, logits: Array, weight: Array | None, reduction: str, n_threads: int | None
    ) -> Any:
        """The value of a panel; its logits become the gradient in them, if that is wanted."""
        reduction = "none" if reduction == "none" else "sum"
        if want == VALUE:
            return self._rows(labels, logits, weight, reduction=reduction, n_threads=n_threads)
        out = (None, logits) if want & VALUE and reduction == "none" else logits
        result = self._rows._evaluate(want, labels, logits, weight, reduction, out, n_threads)
        return result[0] if want & VALUE else 0.0


class _Layer:
    """The logits of a panel of rows at a time, and from their gradient those in features, weights and bias."""

    def __init__(self, n: int, x: Array, w: Array, b: Array | None, real: Any, budget: int | None) -> None:
        self.features, self.weights = x, w
        self.bias = None if b is None else b.astype(real, copy=False)
        self.plain = _is_plain(w, real)
        self.height, tile = Plan.make(n, x.shape[1], len(w), real.itemsize, budget, self.plain)
        whole = [slice(0, len(w))]
        self.tiles = [slice(k, min(k + tile, len(w))) for k in range(0, len(w), tile)] if tile else whole
        self.spans = whole if self.plain else self.tiles
        self.logits = np.empty((self.height, len(w)), real)
        self.block = np.empty((tile, x.shape[1]), real)

    def forward(self, index: Any) -> Array:
        """The logits of the rows of an index."""
        self.panel = np.ascontiguousarray(self.features[index], self.logits.dtype)
        z = self.logits[: len(self.panel)]
        for span in self.spans:
            np.matmul(self.panel, self._weights(span).T, out=z[:, span])
        if self.bias is not None:
            z += self.bias
        return z

    def start_gradients(self, outs: tuple[Array | None, ...], scale: float, inputs: tuple[Array | None, ...]) -> None:
        """Prepare the gradients, which are to be multiplied by a scale and kept apart from the inputs."""
        real, shapes = self.logits.dtype, (self.features.shape, self.weights.shape)
        self.scale = real.type(scale)
        self.dx, self.dw = (workspace(out, shape, real, inputs) for out, shape in zip(outs, shapes, strict=False))
        self.dx[...] = 0  # where a row is left out
        self.db = np.zeros(len(self.dw))
        self.dx_panel = np.empty((self.height, self.dx.shape[1]), real)
        self.begun = False

    def backward(self, index: Any, g: Array) -> None:
        """Add the gradients of the rows that went forward last, from that in their logits."""
        dx = self.dx_panel[: len(g)]
        dx[...] = 0
        for span in self.spans:
            dx += g[:, span] @ self._weights(span)
        self.dx[index] = np.multiply(dx, self.scale, out=dx)
        scaled = self.panel * self.scale
        for tile in self.tiles:
            if self.begun:
                self.dw[tile] += np.matmul(g[:, tile].T, scaled, out=self.block[: tile.stop - tile.start])
            else:
                np.matmul(g[:, tile].T, scaled, out=self.dw[tile])
        self.begun = True
        if self.bias is not None:
            self.db += np.add.reduce(g, axis=0, dtype=np.float64)

    def gradients(self) -> tuple[Array, ...]:
        """The gradients of all panels."""
        if not self.begun:
            self.dw[...] = 0
        if self.bias is None:
            return self.dx, self.dw
        return self.dx, self.dw, (self.db * float(self.scale)).astype(self.logits.dtype)

    def _weights(self, span: slice) -> Array:
        """Some of the weights as the product takes them, in `block` where they are not so themselves."""
        rows = self.weights[span]
        if self.plain:
            return rows
        block = self.block[: len(rows)]
        block[...] = rows
        return block


def _is_plain(a: Array, real: Any) -> bool:
    """Whether NumPy's product takes a matrix as it is: one axis contiguous, the other apart."""
    size, (across, along) = a.itemsize, a.strides
    by_rows = along == size and across >= size * a.shape[1] and across % size == 0
    by_columns = across == size and along >= size * a.shape[0] and along % size == 0
    return a.dtype == real and a.flags.aligned and (by_rows or by_columns)
