"""Several classes, quantiles or components, on the last axis of the predictions.

`y_true` holds class indices, one axis less than `y_pred`, or dense rows of the shape of `y_pred`; a class index stands
for the row that is 1 there and 0 elsewhere. Probability losses read a row of `y_pred` as probabilities p, used as they
are and never renormalised, or with ``from_logits=True`` as logits z, p = softmax(z).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Self

import numpy as np

from .._base import Array
from .._domains import CLASSES, REAL, UNIT
from .._init_score import (
    centred_logits,
    jensen_shannon_centre,
    margin_levels,
    quantile,
    simplex_minimum,
    squared_margin_minimum,
)
from .._links import IDENTITY, LOG_SOFTMAX, SOFTMAX
from .._parameters import choice, flag, integer, number, numbers, optional
from .._registry import loss
from .._rows import RowLoss
from .binary import _focal_slope

__all__ = [
    "CategoricalCrossEntropy",
    "CategoricalFocal",
    "CategoricalHinge",
    "CosineSimilarity",
    "GeneralizedCrossEntropy",
    "JensenShannon",
    "KLDivergence",
    "MultiMargin",
    "MultiQuantile",
    "NegativeLogLikelihood",
    "Poly1CrossEntropy",
    "SparseCategoricalCrossEntropy",
]

_SQRT2 = math.sqrt(2)

# ---- probabilities --------------------------------------------------------------------------------------------------

_PROBABILITIES: dict[str, Any] = {
    "f_domain": lambda loss: REAL if loss.from_logits else UNIT,
    "link": SOFTMAX,
    "outliers": lambda loss: "low" if loss.from_logits else "high",
}

_CLIPPED: dict[str, Any] = {
    **_PROBABILITIES,
    "differentiability": lambda loss: "C0" if loss.eps > 0 else "C-inf",
}


class _SoftmaxLoss(RowLoss):
    """A loss of class probabilities or their logits."""

    from_logits: bool
    _raw: ClassVar[dict[str, Any]] = {"from_logits": True, "eps": 0.0}

    def on_raw(self) -> Self:
        return dataclasses.replace(self, **self._raw)

    def _check_parameters(self) -> None:
        eps = getattr(self, "eps", 0.0)
        if self.from_logits and eps > 0:
            raise ValueError(f"eps must be 0 with from_logits=True, where nothing is clipped, got {eps}")

    def _scaled(self, name: str) -> str:
        return f"{name}_logits" if self.from_logits else name


def _masses(y: Array, w: Array, k: int) -> Array:
    """Total weight of each class, of labels or dense rows."""
    return np.asarray(w @ y if y.ndim == 2 else np.bincount(y.astype(np.intp), w, k))


def _logits(masses: Array) -> Array:
    """The logits whose probabilities are proportional to the masses; 0 where there are none."""
    with np.errstate(divide="ignore"):
        return centred_logits(np.log(masses)) if masses.any() else np.zeros_like(masses)


def _composite_logits(masses: Array, slope: Any) -> Array:
    """The logits that minimise sum_k masses_k phi(p_k), `slope(log p)` is minus the derivative of phi."""
    if not masses.any():
        return np.zeros_like(masses)
    share = masses / np.max(masses)
    return centred_logits(simplex_minimum(lambda u: share * slope(u), len(share)))


def _largest(class_vector: Any) -> float:
    """The largest factor of a class."""
    return 1.0 if class_vector is None else float(np.max(class_vector))


def _is_even(class_vector: Any) -> bool:
    """Whether all classes have the same positive factor."""
    return class_vector is None or float(np.min(class_vector)) == _largest(class_vector) > 0


_CROSS_ENTROPY: dict[str, Any] = {
    **_CLIPPED,
    "convex": lambda loss: loss.eps == 0,
    "lipschitz": lambda loss: (
        _largest(loss.class_weight) * (_SQRT2 if loss.from_logits else 1 / loss.eps if loss.eps > 0 else math.inf)
    ),
    "proper": lambda loss: loss.label_smoothing == 0 and _is_even(loss.class_weight),
    "elicits": lambda loss: (
        "class probabilities" if loss._declared["proper"](loss) else "smoothed or reweighted class probabilities"
    ),
    "default_hessian": "exact",
}


class _CrossEntropy(_SoftmaxLoss):
    label_smoothing: float
    class_weight: tuple[float, ...] | None
    eps: float

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("cross_entropy"), () if self.from_logits else (self.eps,)

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        s, factor = self.label_smoothing, 1.0 if self.class_weight is None else np.array(self.class_weight)
        return _logits(factor * ((1 - s) * _masses(y, w, k) + s * np.sum(w) / k))


@loss(
    **_CROSS_ENTROPY,
    aliases=("sparse_cce", "sparse_categorical_crossentropy"),
    formula="-sum_k c_k t_k log p_k, t the smoothed one-hot row of y, p = f or softmax(f)",
    y_domain=CLASSES,
    reference="C. M. Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4.",
)
class SparseCategoricalCrossEntropy(_CrossEntropy):
    r"""Negative log-likelihood of the true class, given by its index: the standard loss of classification.

    .. math:: l = -\sum_k c_k t_k \log p_k, \qquad t_k = (1 - s) [k = y] + \frac{s}{K}

    with c = `class_weight` (1 if None), s = `label_smoothing`, and p = f or, on logits,
    :math:`p = \mathrm{softmax}(f)`.
    Without options it is :math:`-\log p_y`, and its gradient on logits is p - t.

    Use it for one class out of K; train on logits, where a misclassified row pulls with a limited force. Nothing is
    clipped (unless `eps` asks for it): the loss of a certain and wrong row is infinite, and that of a certain and right
    one is tiny but not 0. Class weights are weights of the rows: the mean divides by their sum. The exact hessian on
    logits, p (1 - p), is positive and also the Fisher information; the majorizer is twice that, as XGBoost has it, and
    bounds the full hessian; ``"scaled"`` is LightGBM's, p (1 - p) K / (K - 1).

    Parameters
    ----------
    from_logits : bool, default False
        Whether y_pred holds logits (any real number, also infinite) instead of probabilities (in [0, 1]).
    label_smoothing : float, default 0.0
        Share of the label that is spread over all K classes; in [0, 1].
    class_weight : sequence of float or None, default None
        A factor >= 0 for each of the K classes; the row counts with the one of its label. None: all are 1.
    ignore_index : int or None, default None
        Rows with this label count as absent: value, gradient and hessian are 0. Any integer, also a class.
    eps : float, default 0.0
        If positive, probabilities are clipped to [eps, 1 - eps]; in [0, 0.5), and 0 with ``from_logits=True``. Outside
        the clipped loss is constant: its derivatives are 0. 1e-7 reproduces Keras.

    Notes
    -----
    As `torch.nn.functional.cross_entropy` with `weight`, `ignore_index` and `label_smoothing` (classes are on axis 1
    there), optax `softmax_cross_entropy_with_integer_labels`, Keras `SparseCategoricalCrossentropy` with its
    `ignore_class`, scikit-learn's `log_loss` and `HalfMultinomialLoss`, XGBoost ``multi:softprob`` and LightGBM
    ``multiclass``. Keras divides probabilities by their sum first.

    References
    ----------
    C. M. Bishop, Pattern Recognition and Machine Learning, Springer, 2006, section 4.3.4.

    C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, Rethinking the inception architecture for computer
    vision, CVPR 2016, 2818-2826.

    D. Böhning, Multinomial logistic regression algorithm, Ann. Inst. Statist. Math. 44(1), 1992, 197-200.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.SparseCategoricalCrossEntropy()([0, 2], [[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]]), 6)
    0.693147
    >>> fl.SparseCategoricalCrossEntropy(from_logits=True).gradient([1], [[0.0, 0.0]])
    array([[ 0.5, -0.5]])
    """

    targets: ClassVar[str] = "labels"

    from_logits: bool = flag(False)
    label_smoothing: float = number(0.0, ge=0, le=1)
    class_weight: tuple[float, ...] | None = optional(numbers(ge=0))
    ignore_index: int | None = optional(integer())
    eps: float = number(0.0, ge=0, lt=0.5)


@loss(
    **_CROSS_ENTROPY,
    aliases=("cce", "cross_entropy", "categorical_crossentropy", "softmax_cross_entropy"),
    formula="-sum_k c_k t_k log p_k, t the smoothed row y, p = f or softmax(f)",
    y_domain=UNIT,
    reference="C. M. Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4.",
)
class CategoricalCrossEntropy(_CrossEntropy):
    r"""Cross-entropy of a row of class shares: one-hot rows, soft labels, mixup, distillation.

    .. math:: l = -\sum_k c_k t_k \log p_k, \qquad t_k = (1 - s) y_k + \frac{s}{K}

    with c = `class_weight` (1 if None), s = `label_smoothing`, and p = f or, on logits,
    :math:`p = \mathrm{softmax}(f)`.
    The gradient on logits is :math:`p \sum_k c_k t_k - c t`.

    Use it where targets are shares of the classes; for class indices `SparseCategoricalCrossEntropy` is the same with
    less memory. Rows of y_true need not sum to 1. A class of share 0 contributes nothing, not even where its
    probability is 0. With class weights a row counts :math:`\sum_k c_k y_k`, so that one-hot rows give the results of
    the sparse loss in every option and reduction.

    Parameters
    ----------
    from_logits : bool, default False
        Whether y_pred holds logits (any real number, also infinite) instead of probabilities (in [0, 1]).
    label_smoothing : float, default 0.0
        Share of the target that is spread over all K classes; in [0, 1].
    class_weight : sequence of float or None, default None
        A factor >= 0 for each of the K classes. None: all are 1.
    eps : float, default 0.0
        If positive, probabilities are clipped to [eps, 1 - eps]; in [0, 0.5), and 0 with ``from_logits=True``. Outside
        the clipped loss is constant: its derivatives are 0. 1e-7 reproduces Keras.

    Notes
    -----
    As `torch.nn.functional.cross_entropy` with probabilities as target, whose mean with `weight` divides by the number
    of rows; optax `softmax_cross_entropy` (after `smooth_labels`); Keras `CategoricalCrossentropy`, for rows of
    probabilities that sum to 1. The hessians are those of `SparseCategoricalCrossEntropy`.

    References
    ----------
    C. M. Bishop, Pattern Recognition and Machine Learning, Springer, 2006, section 4.3.4.

    C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, Rethinking the inception architecture for computer
    vision, CVPR 2016, 2818-2826.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.CategoricalCrossEntropy()([[1, 0], [0.5, 0.5]], [[0.5, 0.5], [0.25, 0.75]]), 6)
    0.765068
    >>> fl.CategoricalCrossEntropy(from_logits=True).gradient([[0.75, 0.25]], [[0.0, 0.0]])
    array([[-0.25,  0.25]])
    """

    targets: ClassVar[str] = "dense"

    from_logits: bool = flag(False)
    label_smoothing: float = number(0.0, ge=0, le=1)
    class_weight: tuple[float, ...] | None = optional(numbers(ge=0))
    eps: float = number(0.0, ge=0, lt=0.5)


@loss(
    aliases=("nll",),
    formula="-c_y f_y, f = log p",
    convex=True,
    differentiability="C-inf",
    lipschitz=lambda loss: _largest(loss.class_weight),
    outliers="low",
    proper=lambda loss: _is_even(loss.class_weight),
    elicits=lambda loss: (
        "logarithms of the class probabilities"
        if _is_even(loss.class_weight)
        else "logarithms of reweighted class probabilities"
    ),
    y_domain=CLASSES,
    f_domain=REAL,
    link=LOG_SOFTMAX,
    default_hessian="unit",
    reference="I. J. Good, Rational decisions, J. R. Stat. Soc. B 14(1), 1952, 107-114.",
)
class NegativeLogLikelihood(RowLoss):
    r"""Minus the log-probability of the true class, where predictions are log-probabilities already.

    .. math:: l = -c_y f_y, \qquad g_k = -c_y [k = y]

    with c = `class_weight` (1 if None).

    Use it behind a model that ends in a log-softmax or gives log-densities. It is a proper score only where the rows of
    exp(f) sum to 1: nothing here checks or enforces that, and without it the loss has no minimum. For training use the
    same loss on logits, which `on_raw` returns: `SparseCategoricalCrossEntropy`. The hessian is 0.

    Parameters
    ----------
    class_weight : sequence of float or None, default None
        A factor >= 0 for each of the K classes; the row counts with the one of its label. None: all are 1.
    ignore_index : int or None, default None
        Rows with this label count as absent: value and gradient are 0. Any integer, also a class.

    Notes
    -----
    As `torch.nn.functional.nll_loss` with `weight` and `ignore_index` (classes on axis 1 there).

    References
    ----------
    I. J. Good, Rational decisions, J. R. Stat. Soc. B 14(1), 1952, 107-114.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.NegativeLogLikelihood().value_and_gradient([1, 0], [[-3.0, -0.5], [-1.0, -2.0]])
    (0.75, array([[ 0. , -0.5],
           [-0.5,  0. ]]))
    """

    targets: ClassVar[str] = "labels"

    class_weight: tuple[float, ...] | None = optional(numbers(ge=0))
    ignore_index: int | None = optional(integer())

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return "negative_log_likelihood", ()

    def on_raw(self) -> SparseCategoricalCrossEntropy:  # type: ignore[override]
        """Return the same loss of logits.

        Returns
        -------
        SparseCategoricalCrossEntropy

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.NegativeLogLikelihood(ignore_index=-1).on_raw() == fl.SparseCategoricalCrossEntropy(
        ...     from_logits=True, ignore_index=-1
        ... )
        True
        """
        return SparseCategoricalCrossEntropy(from_logits=True, **self._parameters())

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        return self.on_raw()._init_row(y, w, k)


def _focal_steepness(gamma: float, u: Array) -> Array:
    """Minus the derivative of -(1 - p)^gamma log p at p = e^u; 0 at p = 1 for gamma > 0."""
    p, q = np.exp(u), -np.expm1(u)
    with np.errstate(divide="ignore", invalid="ignore"):
        psi = np.where(q > 0, u * p / q, -1.0)
    return np.asarray(q**gamma * (1 - gamma * psi) / p)


def _focal_lipschitz(loss: CategoricalFocal) -> float:
    if loss.from_logits:
        return _largest(loss.alpha) * _SQRT2 * _focal_slope(loss.gamma)
    if loss.eps == 0:
        return math.inf
    return _largest(loss.alpha) * float(_focal_steepness(loss.gamma, np.log(loss.eps)))


@loss(
    **_CLIPPED,
    aliases=("categorical_focal_crossentropy",),
    formula="-sum_k alpha_k t_k (1 - p_k)^gamma log p_k, p = f or softmax(f)",
    convex=lambda loss: loss.eps == 0 and (loss.gamma == 0 or not loss.from_logits),
    lipschitz=_focal_lipschitz,
    proper=lambda loss: loss.gamma == 0 and _is_even(loss.alpha),
    elicits=lambda loss: (
        "class probabilities" if loss._declared["proper"](loss) else "increasing functions of the class probabilities"
    ),
    y_domain=CLASSES,
    default_hessian=lambda loss: "majorizer" if loss.from_logits and loss.gamma > 0 else "exact",
    reference="T.-Y. Lin et al., Focal loss for dense object detection, ICCV 2017, 2980-2988.",
)
class CategoricalFocal(_SoftmaxLoss):
    r"""Cross-entropy that fades for rows which are classified well: for many easy rows.

    .. math:: l = -\sum_k \alpha_k t_k (1 - p_k)^\gamma \log p_k

    with t the one-hot row of the label or the dense row itself, and p = f or, on logits,
    :math:`p = \mathrm{softmax}(f)`.

    Use it where many easy examples would drown the rare hard ones. Its predictions have the order of the class
    probabilities but are less confident: correct them (Charoenphakdee et al. 2021) where the probability matters.
    `alpha` is part of the loss, not a weight: the mean divides by the number of rows. On logits the exact hessian is
    negative for badly misclassified rows: boosters use the majorizer, which bounds the full hessian; on probabilities
    the exact hessian is positive.

    Parameters
    ----------
    gamma : float, default 2.0
        Focusing exponent; >= 0. 0 is the cross-entropy.
    alpha : float, sequence of float or None, default None
        Factor of all classes, or one for each of the K classes; >= 0. None: 1.
    from_logits : bool, default False
        Whether y_pred holds logits (any real number, also infinite) instead of probabilities (in [0, 1]).
    ignore_index : int or None, default None
        Rows with this label count as absent: value, gradient and hessian are 0. Any integer, for labels only.
    eps : float, default 0.0
        If positive, probabilities are clipped to [eps, 1 - eps]; in [0, 0.5), and 0 with ``from_logits=True``. Outside
        the clipped loss is constant: its derivatives are 0.

    Notes
    -----
    As Keras `CategoricalFocalCrossentropy`, where `alpha` is 0.25 by default, kornia `focal_loss` without alpha, and
    MONAI `FocalLoss` with softmax, summed over classes. kornia's scalar alpha weights class 0 differently. The gradient
    on logits has no negative power: it is finite for every gamma, also between 0 and 1.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, Focal loss for dense object detection, ICCV 2017, 2980-2988.

    N. Charoenphakdee, J. Vongkulbhisal, N. Chairatanakul and M. Sugiyama, On focal loss for class-posterior probability
    estimation: a theoretical perspective, CVPR 2021, 5202-5211.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.CategoricalFocal()([0, 1], [[0.5, 0.5], [0.0, 1.0]]), 6)
    0.086643
    >>> fl.CategoricalFocal(gamma=0.0, from_logits=True).gradient([0], [[0.0, 0.0]])
    array([[-0.5,  0.5]])
    """

    targets: ClassVar[str] = "both"
    class_vector: ClassVar[str] = "alpha"

    gamma: float = number(2.0, ge=0)
    alpha: float | tuple[float, ...] | None = optional(numbers(ge=0, or_number=True))
    from_logits: bool = flag(False)
    ignore_index: int | None = optional(integer())
    eps: float = number(0.0, ge=0, lt=0.5)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("categorical_focal"), (self.gamma,) if self.from_logits else (self.gamma, self.eps)

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        factor = 1.0 if self.alpha is None else np.array(self.alpha)
        return _composite_logits(factor * _masses(y, w, k), lambda u: _focal_steepness(self.gamma, u))


def _generalized_lipschitz(loss: GeneralizedCrossEntropy) -> float:
    q = loss.q
    if loss.from_logits:  # the maximum of p^q (1 - p), at p = q / (1 + q)
        return float(_SQRT2 * (q / (1 + q)) ** q / (1 + q))
    return 1.0 if q == 1 else math.inf if loss.eps == 0 else float(loss.eps ** (q - 1))


@loss(
    **(_CLIPPED | {"outliers": lambda loss: "redescending" if loss.from_logits else "low" if loss.q == 1 else "high"}),
    aliases=("gce",),
    formula="sum_k t_k (1 - p_k^q) / q, p = f or softmax(f)",
    convex=lambda loss: not loss.from_logits and loss.eps == 0,
    lipschitz=_generalized_lipschitz,
    proper=False,
    elicits=lambda loss: (
        "the most probable class" if loss.q == 1 else "class probabilities to the power 1 / (1 - q), normalised"
    ),
    y_domain=CLASSES,
    default_hessian=lambda loss: "majorizer" if loss.from_logits else "unit" if loss.q == 1 else "exact",
    reference="Z. Zhang and M. R. Sabuncu, Generalized cross entropy loss for training deep neural networks with noisy "
    "labels, NeurIPS 2018, 8778-8788.",
)
class GeneralizedCrossEntropy(_SoftmaxLoss):
    r"""Between cross-entropy and absolute error: for wrong labels.

    .. math:: l = \sum_k t_k \frac{1 - p_k^q}{q}

    with t the one-hot row of the label or the dense row itself, and p = f or, on logits,
    :math:`p = \mathrm{softmax}(f)`.

    Use it where a share of the labels is wrong: the loss is at most 1 / q, and on logits a row whose label contradicts
    the model hardly pulls. That also slows the start of training: begin with a small q or with cross-entropy. q -> 0 is
    the cross-entropy, q = 1 is 1 - p_y. Its predictions are more confident than the class probabilities. On logits the
    exact hessian may be negative: boosters use the majorizer, which bounds the full hessian.

    Parameters
    ----------
    q : float, default 0.7
        From the cross-entropy, fast to learn, to the absolute error, robust; 0 < q <= 1.
    from_logits : bool, default False
        Whether y_pred holds logits (any real number, also infinite) instead of probabilities (in [0, 1]).
    ignore_index : int or None, default None
        Rows with this label count as absent: value, gradient and hessian are 0. Any integer, for labels only.
    eps : float, default 0.0
        If positive, probabilities are clipped to [eps, 1 - eps]; in [0, 0.5), and 0 with ``from_logits=True``. Outside
        the clipped loss is constant: its derivatives are 0.

    Notes
    -----
    As Keras `CategoricalGeneralizedCrossEntropy`, where q is 0.5 by default. The default here is that of the authors.
    With q = 1 it is half the absolute error between p and a one-hot row, for p that sum to 1.

    References
    ----------
    Z. Zhang and M. R. Sabuncu, Generalized cross entropy loss for training deep neural networks with noisy labels,
    NeurIPS 2018, 8778-8788.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GeneralizedCrossEntropy(q=1.0)([0, 1], [[0.25, 0.75], [0.0, 1.0]])
    0.375
    >>> fl.GeneralizedCrossEntropy(q=0.5).gradient([0], [[0.25, 0.75]])
    array([[-2.,  0.]])
    """

    targets: ClassVar[str] = "both"

    q: float = number(0.7, gt=0, le=1)
    from_logits: bool = flag(False)
    ignore_index: int | None = optional(integer())
    eps: float = number(0.0, ge=0, lt=0.5)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("generalized_cross_entropy"), (self.q,) if self.from_logits else (self.q, self.eps)

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        masses = _masses(y, w, k)
        share = masses / np.max(masses) if masses.any() else np.ones(k)
        with np.errstate(divide="ignore"):
            return centred_logits(np.log(share) / (1 - self.q) if self.q < 1 else np.log(share == 1))


def _poly1_lipschitz(loss: Poly1CrossEntropy) -> float:
    if not loss.from_logits:
        return math.inf
    e = loss.epsilon  # the maximum of (1 + e p) (1 - p), at p = 0 or (e - 1) / (2 e)
    return _SQRT2 * (1.0 if e <= 1 else (1 + e) ** 2 / (4 * e))


@loss(
    **_PROBABILITIES,
    aliases=("poly1",),
    formula="sum_k t_k (-log p_k + epsilon (1 - p_k)), p = f or softmax(f)",
    convex=lambda loss: not loss.from_logits or loss.epsilon <= 1,
    differentiability="C-inf",
    lipschitz=_poly1_lipschitz,
    proper=lambda loss: loss.epsilon == 0,
    elicits=lambda loss: (
        "class probabilities" if loss.epsilon == 0 else "increasing functions of the class probabilities"
    ),
    y_domain=CLASSES,
    default_hessian=lambda loss: "majorizer" if loss.from_logits and loss.epsilon > 0 else "exact",
    reference="Z. Leng et al., PolyLoss: a polynomial expansion perspective of classification loss functions, ICLR "
    "2022.",
)
class Poly1CrossEntropy(_SoftmaxLoss):
    r"""Cross-entropy with another weight of its first polynomial term: one parameter to tune.

    .. math:: l = \sum_k t_k \bigl( -\log p_k + \epsilon (1 - p_k) \bigr)

    with t the one-hot row of the label or the dense row itself, and p = f or, on logits,
    :math:`p = \mathrm{softmax}(f)`.

    Use it as a cheap correction of the cross-entropy, whose series in 1 - p it changes in the first coefficient. A
    positive epsilon makes predictions more confident, a negative one less. On logits it is convex for epsilon <= 1, but
    the exact hessian of badly misclassified rows fades where epsilon comes near 1: for epsilon > 0 boosters use the
    majorizer, which bounds the full hessian. On probabilities the added term is linear.

    Parameters
    ----------
    epsilon : float, default 1.0
        What is added to the first coefficient, which is 1; >= -1.
    from_logits : bool, default False
        Whether y_pred holds logits (any real number, also infinite) instead of probabilities (in [0, 1]).
    ignore_index : int or None, default None
        Rows with this label count as absent: value, gradient and hessian are 0. Any integer, for labels only.

    Notes
    -----
    As optax `losses.poly_loss_cross_entropy`, where epsilon is 2 by default, and rax `poly1_softmax_loss`.

    References
    ----------
    Z. Leng, M. Tan, C. Liu, E. D. Cubuk, J. Shi, S. Cheng and D. Anguelov, PolyLoss: a polynomial expansion perspective
    of classification loss functions, ICLR 2022.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.Poly1CrossEntropy()([0], [[0.5, 0.5]]), 6)
    1.193147
    >>> fl.Poly1CrossEntropy(from_logits=True).gradient([0], [[0.0, 0.0]])
    array([[-0.75,  0.75]])
    """

    targets: ClassVar[str] = "both"
    _raw: ClassVar[dict[str, Any]] = {"from_logits": True}

    epsilon: float = number(1.0, ge=-1)
    from_logits: bool = flag(False)
    ignore_index: int | None = optional(integer())

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("poly1_cross_entropy"), (self.epsilon,)

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        return _composite_logits(_masses(y, w, k), lambda u: np.expm1(-u) + (1 + self.epsilon))


# ---- margins --------------------------------------------------------------------------------------------------------

_MARGIN: dict[str, Any] = {"y_domain": CLASSES, "f_domain": REAL, "convex": True, "proper": False, "link": IDENTITY}


@loss(
    **_MARGIN,
    formula="max(0, margin + max over k != y of f_k - f_y)",
    differentiability="C0",
    lipschitz=_SQRT2,
    outliers="low",
    elicits="the most probable class, if its probability exceeds 1/2",
    default_hessian="unit",
    reference="K. Crammer and Y. Singer, On the algorithmic implementation of multiclass kernel-based vector machines, "
    "JMLR 2, 2001, 265-292.",
)
class CategoricalHinge(RowLoss):
    r"""Linear penalty where the true class does not lead by a margin: the support vector machine of several classes.

    .. math:: l = \max\bigl(0, m + \max_{k \ne y} f_k - f_y\bigr)

    with m = `margin`. The gradient of an active row is 1 at the winning wrong class and -1 at y.

    Use it for decisions without probabilities, on scores. Only the strongest wrong class counts; no class is preferred
    where none has more than half of the mass (Liu 2007). A row of value exactly 0 has no gradient, and of equal wrong
    scores the first wins. The hessian is 0 and there is no majorizer: boosters use the constant 1.

    Parameters
    ----------
    margin : float, default 1.0
        The lead that costs nothing, in units of the scores; > 0.
    variant : {"crammer_singer", "keras"}, default "crammer_singer"
        ``"keras"`` has 0 among the wrong scores, so that common shifts of all scores matter; where the 0 wins, no wrong
        class has a gradient.

    Notes
    -----
    `y_true` holds labels, or one-hot rows with exactly one 1. As scikit-learn's `hinge_loss` of several classes and
    optax `losses.multiclass_hinge_loss`; ``variant="keras"`` as Keras `CategoricalHinge`.

    References
    ----------
    K. Crammer and Y. Singer, On the algorithmic implementation of multiclass kernel-based vector machines, J. Mach.
    Learn. Res. 2, 2001, 265-292.

    Y. Liu, Fisher consistency of multicategory support vector machines, AISTATS 2007, 291-298.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.CategoricalHinge().value_and_gradient([0, 2], [[1.0, 0.5, 0.0], [-2.0, -3.0, 0.0]], reduction="sum")
    (0.5, array([[-1.,  1.,  0.],
           [ 0.,  0.,  0.]]))
    """

    targets: ClassVar[str] = "both"
    one_hot: ClassVar[bool] = True

    margin: float = number(1.0, gt=0)
    variant: str = choice("crammer_singer", ("crammer_singer", "keras"))

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return "categorical_hinge" if self.variant == "crammer_singer" else "categorical_hinge_keras", (self.margin,)

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        masses = _masses(y, w, k)
        f = self.margin * (masses > 0.5 * np.sum(masses))
        return f if self.variant == "keras" else np.asarray(f - np.mean(f))


@loss(
    **_MARGIN,
    formula="c_y / K sum over k != y of max(0, margin - f_y + f_k)^p",
    differentiability=lambda loss: "C0" if loss.p == 1 else "C1",
    lipschitz=lambda loss: _largest(loss.class_weight) if loss.p == 1 else math.inf,
    outliers=lambda loss: "low" if loss.p == 1 else "high",
    elicits="scores in the order of the class probabilities",
    default_hessian="majorizer",
    reference="J. Weston and C. Watkins, Support vector machines for multi-class pattern recognition, ESANN 1999, "
    "219-224.",
)
class MultiMargin(RowLoss):
    r"""Sum of the margin violations of all wrong classes.

    .. math:: l = \frac{c_y}{K} \sum_{k \ne y} \max(0, m - f_y + f_k)^p

    with m = `margin` and c = `class_weight` (1 if None).

    Use it for decisions without probabilities, on scores, where all wrong classes near the true one shall count: its
    gradient is less abrupt than that of `CategoricalHinge`, and continuous for p = 2. A violation of exactly 0 has no
    gradient. Class weights are weights of the rows: the mean divides by their sum. The hessian of p = 1 is 0, that of
    p = 2 is 0 on inactive classes: boosters use the majorizer.

    Parameters
    ----------
    p : {1, 2}, default 1
        Power of the violations.
    margin : float, default 1.0
        The lead that costs nothing, in units of the scores; finite.
    class_weight : sequence of float or None, default None
        A factor >= 0 for each of the K classes; the row counts with the one of its label. None: all are 1.

    Notes
    -----
    As `torch.nn.functional.multi_margin_loss` with `p`, `margin` and `weight`; its mean divides by the number of rows.

    References
    ----------
    J. Weston and C. Watkins, Support vector machines for multi-class pattern recognition, ESANN 1999, 219-224.

    D. R. Hunter and K. Lange, A tutorial on MM algorithms, The American Statistician 58(1), 2004, 30-37.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.MultiMargin(p=2).value_and_gradient([0], [[1.0, 0.5, 0.0, -1.0]])
    (0.0625, array([[-0.25,  0.25,  0.  ,  0.  ]]))
    """

    targets: ClassVar[str] = "labels"

    p: int = choice(1, (1, 2))
    margin: float = number(1.0)
    class_weight: tuple[float, ...] | None = optional(numbers(ge=0))

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return f"multi_margin_{self.p}", (self.margin,)

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        masses = _masses(y, w, k) * (1.0 if self.class_weight is None else np.array(self.class_weight))
        if self.margin <= 0 or not masses.any():  # equal scores cost nothing
            return np.zeros(k)
        f = self.margin * (margin_levels if self.p == 1 else squared_margin_minimum)(masses / np.sum(masses))
        return np.asarray(f - np.mean(f))


# ---- divergences ----------------------------------------------------------------------------------------------------


def _kl_lipschitz(loss: KLDivergence) -> float:
    return _SQRT2 if loss.from_logits else 1.0 if loss.log_input else math.inf if loss.eps == 0 else 1 / loss.eps


@loss(
    aliases=("kl", "kl_div"),
    formula="sum_k t_k (log t_k - log q_k), t = y or exp(y), q = f, exp(f) or softmax(f)",
    convex=lambda loss: loss.eps == 0,
    differentiability=lambda loss: "C0" if loss.eps > 0 else "C-inf",
    lipschitz=_kl_lipschitz,
    outliers=lambda loss: "low" if loss.from_logits or loss.log_input else "high",
    proper=True,
    elicits="mean of the target distributions",
    y_domain=lambda loss: REAL if loss.log_target else UNIT,
    f_domain=lambda loss: REAL if loss.from_logits or loss.log_input else UNIT,
    link=lambda loss: LOG_SOFTMAX if loss.log_input else SOFTMAX,
    default_hessian=lambda loss: "unit" if loss.log_input else "exact",
    reference="S. Kullback and R. A. Leibler, On information and sufficiency, Ann. Math. Statist. 22(1), 1951, 79-86.",
)
class KLDivergence(_SoftmaxLoss):
    r"""Kullback-Leibler divergence of a predicted from a target distribution.

    .. math:: l = \sum_k t_k (\log t_k - \log q_k)

    with t = y, or :math:`e^y` for ``log_target=True``, and q = f, :math:`e^f` for ``log_input=True``, or
    :math:`\mathrm{softmax}(f)` for ``from_logits=True``. A share t_k = 0 contributes 0.

    Use it for distillation and wherever the target is itself a distribution: it is the cross-entropy minus the entropy
    of the target, with the same derivatives, and 0 for a perfect prediction. Nothing is normalised: it is >= 0 only
    where both rows sum to 1. Nearly equal rows keep their relative accuracy. On logits the exact hessian
    :math:`q (1 - q) \sum_k t_k` is positive and also the Fisher information; the majorizer is twice that. With
    ``log_input=True`` the loss is linear: its hessian is 0.

    Parameters
    ----------
    from_logits : bool, default False
        Whether y_pred holds logits (any real number, also infinite).
    log_input : bool, default False
        Whether y_pred holds log-probabilities (any real number). Without both: probabilities, in [0, 1].
    log_target : bool, default False
        Whether y_true holds logarithms (any real number or -inf) instead of shares (in [0, 1]).
    eps : float, default 0.0
        Smallest probability: smaller ones count as `eps`, and their derivatives are 0; in [0, 0.5), and 0 with
        ``from_logits=True`` or ``log_input=True``.

    Notes
    -----
    As `torch.nn.functional.kl_div` with ``reduction="batchmean"`` (its input is logarithmic; its "mean" divides by K
    too), optax `losses.kl_divergence`, Keras `KLDivergence`, which clips both rows to 1e-7, and the sum of
    `scipy.special.rel_entr`.

    References
    ----------
    S. Kullback and R. A. Leibler, On information and sufficiency, Ann. Math. Statist. 22(1), 1951, 79-86.

    G. Hinton, O. Vinyals and J. Dean, Distilling the knowledge in a neural network, arXiv:1503.02531, 2015.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.KLDivergence()([[0.5, 0.5], [1.0, 0.0]], [[0.25, 0.75], [1.0, 0.0]]), 6)
    0.071921
    >>> fl.KLDivergence(from_logits=True).gradient([[0.75, 0.25]], [[0.0, 0.0]])
    array([[-0.25,  0.25]])
    """

    targets: ClassVar[str] = "dense"
    _raw: ClassVar[dict[str, Any]] = {"from_logits": True, "log_input": False, "eps": 0.0}

    from_logits: bool = flag(False)
    log_input: bool = flag(False)
    log_target: bool = flag(False)
    eps: float = number(0.0, ge=0, lt=0.5)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.from_logits and self.log_input:
            raise ValueError("log_input must be False with from_logits=True: y_pred holds one of them, got True")
        if self.log_input and self.eps > 0:
            raise ValueError(f"eps must be 0 with log_input=True, where nothing is clipped, got {self.eps}")

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        name = "kl_divergence_log" if self.log_input else self._scaled("kl_divergence")
        return name + "_target" * self.log_target, () if self.log_input or self.from_logits else (self.eps,)

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        return _logits(_masses(np.exp(y) if self.log_target else y, w, k))


@loss(
    **(_PROBABILITIES | {"outliers": lambda loss: "redescending" if loss.from_logits else "high"}),
    aliases=("js",),
    formula="(KL(t, m) + KL(q, m)) / 2, m = (t + q) / 2, t = y, q = f or softmax(f)",
    convex=lambda loss: not loss.from_logits,
    differentiability="C-inf",
    # on logits the maximum of sqrt(1/2) q (1 - q) log((1 + q) / q), rounded up
    lipschitz=lambda loss: 0.21805 if loss.from_logits else math.inf,
    proper=False,
    elicits="the centre of the target distributions",
    y_domain=UNIT,
    default_hessian=lambda loss: "absolute_gradient" if loss.from_logits else "exact",
    reference="J. Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37(1), 1991, 145-151.",
)
class JensenShannon(_SoftmaxLoss):
    r"""Jensen-Shannon divergence: a symmetric and bounded distance of two distributions.

    .. math:: l = \tfrac{1}{2} \sum_k \left( t_k \log \frac{t_k}{m_k} + q_k \log \frac{q_k}{m_k} \right), \qquad
              m = \frac{t + q}{2}

    with t = y, and q = f or, on logits, :math:`q = \mathrm{softmax}(f)`.

    Use it to compare distributions of which either may have zeros: it is finite, at most log 2 for rows that sum to 1,
    and its square root is a metric. It is no proper score for sampled labels: for these use a cross-entropy. On
    logits it is not convex and fades for rows far off: boosters use the absolute gradient; on probabilities the exact
    hessian t / (2 q (t + q)) is not negative.

    Parameters
    ----------
    from_logits : bool, default False
        Whether y_pred holds logits (any real number, also infinite) instead of probabilities (in [0, 1]).

    Notes
    -----
    As the square of `scipy.spatial.distance.jensenshannon`, which normalises both rows. Logarithms are natural.

    References
    ----------
    J. Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37(1), 1991, 145-151.

    D. M. Endres and J. E. Schindelin, A new metric for probability distributions, IEEE Trans. Inf. Theory 49(7), 2003,
    1858-1860.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.JensenShannon()([[1.0, 0.0]], [[0.0, 1.0]]), 6)
    0.693147
    >>> fl.JensenShannon(from_logits=True).gradient([[0.5, 0.5]], [[0.0, 0.0]])
    array([[0., 0.]])
    """

    targets: ClassVar[str] = "dense"
    _raw: ClassVar[dict[str, Any]] = {"from_logits": True}

    from_logits: bool = flag(False)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("jensen_shannon"), ()

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        return centred_logits(jensen_shannon_centre(y, w))


# ---- real targets ---------------------------------------------------------------------------------------------------


@loss(
    formula="sum_k max((1 - q_k) r_k, -q_k r_k), r_k = f_k - y",
    convex=True,
    differentiability="C0",
    lipschitz=lambda loss: math.sqrt(sum(max(q, 1 - q) ** 2 for q in loss.quantiles)),
    outliers="low",
    proper=None,
    elicits="quantiles",
    y_domain=REAL,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="majorizer",
    reference="R. Koenker and G. Bassett, Regression quantiles, Econometrica 46(1), 1978, 33-50.",
)
class MultiQuantile(RowLoss):
    r"""Sum of pinball losses: several quantiles of one target at once.

    .. math:: l = \sum_k \max\bigl((1 - q_k) r_k, -q_k r_k\bigr), \qquad r_k = f_k - y

    with q = `quantiles`.

    Use it for prediction intervals from one model of several outputs. Each column has the derivatives of its own
    `Quantile` loss, as if it were alone; divide the value by K for an average. Nothing keeps the columns from crossing:
    sort them afterwards. At the kink f_k = y the gradient is 0. The exact hessian is 0: boosters use the majorizer
    1 / (2 max(\|r_k\|, 2**-10)) or the constant q_k (1 - q_k) of the asymmetric Laplace distribution (fisher).

    Parameters
    ----------
    quantiles : sequence of float, default (0.1, 0.5, 0.9)
        The levels, one for each entry on the last axis of y_pred, in any order; each in (0, 1), at least one.

    Notes
    -----
    As the sum of scikit-learn's `mean_pinball_loss` over the levels; XGBoost's metric of ``reg:quantileerror`` is the
    mean here divided by K.

    References
    ----------
    R. Koenker and G. Bassett, Regression quantiles, Econometrica 46(1), 1978, 33-50.

    D. R. Hunter and K. Lange, A tutorial on MM algorithms, The American Statistician 58(1), 2004, 30-37.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.MultiQuantile(quantiles=(0.25, 0.75))
    >>> loss.value_and_gradient([0.0, 4.0], [[-1.0, 1.0], [2.0, 4.0]], reduction="sum")
    (1.0, array([[-0.25,  0.25],
           [-0.25,  0.  ]]))
    """

    targets: ClassVar[str] = "values"
    class_vector: ClassVar[str] = "quantiles"

    quantiles: tuple[float, ...] = numbers((0.1, 0.5, 0.9), gt=0, lt=1)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return "multi_quantile", ()

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        return np.array([quantile(y, w, q) for q in self.quantiles])


@loss(
    formula="-(y . f) / (norm(y) norm(f))",
    convex=False,
    differentiability="C-inf",
    lipschitz=math.inf,
    outliers="redescending",
    proper=None,
    elicits="mean direction",
    y_domain=REAL,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="G. Salton, A. Wong and C. S. Yang, A vector space model for automatic indexing, Commun. ACM 18(11), "
    "1975, 613-620.",
)
class CosineSimilarity(RowLoss):
    r"""Minus the cosine of the angle between two vectors, the last axes of `y_true` and `y_pred`.

    .. math:: l = -\frac{y \cdot f}{\|y\| \, \|f\|}, \qquad
              g = -\frac{1}{\|f\|} \left( \frac{y}{\|y\|} + l \frac{f}{\|f\|} \right)

    Use it for embeddings, where only the direction matters. The value lies between -1 (same direction) and 1;
    1 + value is the cosine distance. It is smooth except where a vector is 0: there value and gradient are 0. The
    gradient is orthogonal to f and grows as 1 / norm(f): steps lengthen f, so normalise it from time to time. Norms
    neither overflow nor underflow. There is no hessian and no best constant.

    Parameters
    ----------
    None.

    Notes
    -----
    As Keras `CosineSimilarity`; minus `torch.nn.functional.cosine_similarity` and optax `losses.cosine_similarity`.

    References
    ----------
    G. Salton, A. Wong and C. S. Yang, A vector space model for automatic indexing, Commun. ACM 18(11), 1975, 613-620.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.CosineSimilarity().value_and_gradient([[3.0, 4.0], [0.0, 1.0]], [[6.0, 8.0], [2.0, 0.0]], reduction="sum")
    (-1.0, array([[ 0. ,  0. ],
           [ 0. , -0.5]]))
    """

    targets: ClassVar[str] = "vectors"

    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        raise NotImplementedError("CosineSimilarity has no best constant: only directions matter, not a raw score")
