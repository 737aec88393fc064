"""Binary classification: y = 1 is the positive class.

Probability losses read f as a probability, or with ``from_logits=True`` as the logit z; margin losses read it as a
decision value with margin m = s f, s = +1 for y = 1 and -1 for y = 0 or -1.
"""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np

from .._base import Array, PointwiseLoss
from .._domains import BINARY, REAL, SIGNED, UNIT
from .._init_score import LARGEST_LOGIT, gradient_root, limited_log, root
from .._links import HALF_LOGIT, IDENTITY, LOGIT
from .._parameters import flag, number, optional
from .._registry import loss

__all__ = [
    "AsymmetricFocal",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "Exponential",
    "Hinge",
    "ModifiedHuber",
    "Perceptron",
    "SquaredHinge",
]

# ---- probability losses ---------------------------------------------------------------------------------------------

_PROBABILITY: dict[str, Any] = {
    "f_domain": lambda loss: REAL if loss.from_logits else UNIT,
    "link": LOGIT,
    "outliers": lambda loss: "low" if loss.from_logits else "high",
    "elicits": lambda loss: (
        "probability of y = 1" if loss._declared["proper"](loss) else "increasing function of the probability of y = 1"
    ),
}

_FOCAL: dict[str, Any] = {
    **_PROBABILITY,
    "y_domain": BINARY,
    "default_hessian": lambda loss: "majorizer" if loss.from_logits else "exact",
}


class _ProbabilityLoss(PointwiseLoss):
    """A loss of a probability or its logit."""

    from_logits: bool
    _raw: ClassVar[dict[str, Any]] = {"from_logits": True}

    def on_raw(self) -> Self:
        return dataclasses.replace(self, **self._raw)

    def _scaled(self, name: str) -> str:
        return f"{name}_logits" if self.from_logits else name


def _class_weights(y: Array, w: Array) -> tuple[float, float]:
    """Total weights of the positive and the negative class."""
    positive = y > 0
    return float(np.sum(w[positive])), float(np.sum(w[~positive]))


def _limited_log_ratio(a: float, b: float) -> float:
    """log(a / b), with its infinities replaced."""
    return limited_log(a / b) if b > 0 else float(LARGEST_LOGIT)


def _cross_entropy_slope(loss: BinaryCrossEntropy) -> float:
    half = loss.label_smoothing / 2
    large, small = 1 - half, half
    if loss.from_logits:
        return large * max(1.0, loss.pos_weight)
    if loss.eps == 0:
        return math.inf
    at_low = loss.pos_weight * large / loss.eps - small / (1 - loss.eps)
    at_high = large / loss.eps - loss.pos_weight * small / (1 - loss.eps)
    return max(at_low, at_high)


@lru_cache
def _focal_slope(gamma: float, clip: float = 0.0) -> float:
    """The largest slope of c^gamma L in the logit, c = max(q - clip, 0), L = -log(1 - c): by a search that narrows."""
    low, high = -60.0, 60.0
    for _ in range(6):
        z = np.linspace(low, high, 2001)
        p, q = LOGIT.inverse(-z), LOGIT.inverse(z)
        c, rest = np.maximum(q - clip, 0), p + clip
        with np.errstate(all="ignore"):
            slope = np.where(c > 0, p * q * (gamma * c ** (gamma - 1) * -np.log(rest) + c**gamma / rest), 0)
        k = int(np.argmax(slope))
        low, high = float(z[max(k - 1, 0)]), float(z[min(k + 1, len(z) - 1)])
    return float(slope[k])


@loss(
    **_PROBABILITY,
    aliases=("bce", "binary_crossentropy", "log_loss", "logistic"),
    formula="-y log p - (1 - y) log(1 - p), p = f or sigmoid(f)",
    convex=lambda loss: loss.eps == 0,
    differentiability=lambda loss: "C0" if loss.eps > 0 else "C-inf",
    lipschitz=_cross_entropy_slope,
    proper=lambda loss: loss.pos_weight == 1 and loss.label_smoothing == 0,
    y_domain=UNIT,
    default_hessian="exact",
    reference="I. J. Good, Rational decisions, J. R. Stat. Soc. B 14(1), 1952, 107-114.",
)
class BinaryCrossEntropy(_ProbabilityLoss):
    r"""Negative log-likelihood of a Bernoulli variable: the default for binary and multi-label probabilities.

    .. math:: l = -a \log p - b \log(1 - p), \qquad
              a = \omega \left( y (1 - \lambda) + \tfrac{\lambda}{2} \right), \quad
              b = (1 - y) (1 - \lambda) + \tfrac{\lambda}{2}

    with :math:`\lambda` = `label_smoothing`, :math:`\omega` = `pos_weight`, and p = f or, on logits,
    :math:`p = \sigma(f)`.

    Use it whenever the prediction is a probability; train on logits, where a misclassified sample pulls with a limited
    force. No logit is clipped and no probability either (unless `eps` asks for it): the loss of a certain and wrong
    probability is infinite, as it should be. The exact hessian is positive on both scales; on logits there is also the
    majorizer of Jaakkola and Jordan (2000), with which a full Newton step never increases the loss.

    Parameters
    ----------
    from_logits : bool, default False
        Whether y_pred holds logits (any real number) instead of probabilities (in [0, 1]).
    label_smoothing : float, default 0.0
        Share of the label that is spread over both classes, y (1 - label_smoothing) + label_smoothing / 2; in [0, 1).
    pos_weight : float, default 1.0
        Factor of the loss of the positive class, applied after the smoothing; > 0.
    eps : float, default 0.0
        If positive, probabilities are clipped to [eps, 1 - eps]; in [0, 0.5), and 0 with ``from_logits=True``. Outside
        the clipped loss is constant: its derivatives are 0. 1e-7 reproduces Keras.

    Notes
    -----
    Targets may be soft: any number in [0, 1]. As `torch.nn.functional.binary_cross_entropy` and
    `binary_cross_entropy_with_logits` (with its `pos_weight`), optax `sigmoid_binary_cross_entropy`, scikit-learn's
    `log_loss` and, on logits, its `HalfBinomialLoss`, XGBoost ``binary:logistic``, LightGBM ``binary`` and
    ``cross_entropy``, CatBoost `Logloss`. Torch limits the logarithm to -100 and Keras clips to 1e-7: for probabilities
    near the wrong end their values and gradients differ from the exact ones given here.

    References
    ----------
    I. J. Good, Rational decisions, J. R. Stat. Soc. B 14(1), 1952, 107-114.

    P. McCullagh and J. A. Nelder, Generalized Linear Models, 2nd ed., Chapman and Hall, 1989.

    T. S. Jaakkola and M. I. Jordan, Bayesian parameter estimation via variational methods, Stat. Comput. 10, 2000,
    25-37.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.BinaryCrossEntropy()([1, 0], [0.9, 0.2]), 6)
    0.164252
    >>> fl.BinaryCrossEntropy(from_logits=True).gradient([1, 0, 0.5], [0.0, 0.0, 0.0], reduction="sum")
    array([-0.5,  0.5,  0. ])
    """

    _raw: ClassVar[dict[str, Any]] = {"from_logits": True, "eps": 0.0}

    from_logits: bool = flag(False)
    label_smoothing: float = number(0.0, ge=0, lt=1)
    pos_weight: float = number(1.0, gt=0)
    eps: float = number(0.0, ge=0, lt=0.5)

    def _check_parameters(self) -> None:
        if self.from_logits and self.eps > 0:
            raise ValueError(f"eps must be 0 with from_logits=True, where nothing is clipped, got {self.eps}")

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        shared = (self.label_smoothing, self.pos_weight)
        return self._scaled("binary_cross_entropy"), shared if self.from_logits else (*shared, self.eps)

    def _init_score(self, y: Array, w: Array) -> Any:
        slope, half = 1 - self.label_smoothing, self.label_smoothing / 2
        positive = self.pos_weight * np.sum(w * (y * slope + half))
        negative = np.sum(w * ((1 - y) * slope + half))
        return _limited_log_ratio(float(positive), float(negative))


@loss(
    **_FOCAL,
    aliases=("focal", "binary_focal_crossentropy", "sigmoid_focal"),
    formula="-w (1 - p_t)^gamma log p_t, p_t the probability of the true class",
    convex=lambda loss: loss.gamma == 0 or not loss.from_logits,
    differentiability="C-inf",
    lipschitz=lambda loss: max(loss._class_factors) * _focal_slope(loss.gamma) if loss.from_logits else math.inf,
    proper=lambda loss: loss.gamma == 0 and loss.alpha is None,
    reference="T.-Y. Lin et al., Focal loss for dense object detection, ICCV 2017, 2980-2988.",
)
class BinaryFocal(_ProbabilityLoss):
    r"""Cross-entropy that fades for samples which are classified well: for many easy negatives.

    .. math:: l = -w (1 - p_t)^\gamma \log p_t, \qquad p_t = \begin{cases} p & y = 1 \\ 1 - p & y = 0 \end{cases}, \quad
              w = \begin{cases} \alpha & y = 1 \\ 1 - \alpha & y = 0 \end{cases}

    with p = f, or :math:`p = \sigma(f)` on logits, and w = 1 where `alpha` is None.

    Use it in dense detection and under heavy imbalance, where easy negatives would drown the rest. Its predictions are
    ordered like probabilities but are not calibrated: correct them (Charoenphakdee et al. 2021) where the probability
    matters. In logits the hessian of a badly misclassified sample is negative: boosters use a majorizer, the hessian
    without its negative part and at least the gradient, so that no step exceeds 1; on probabilities the exact hessian
    is positive.

    Parameters
    ----------
    gamma : float, default 2.0
        Focusing exponent; >= 0. 0 is the cross-entropy.
    alpha : float or None, default None
        Weight of the positive class, 1 - alpha of the negative one; in (0, 1). None: both are 1.
    from_logits : bool, default False
        Whether y_pred holds logits (any real number) instead of probabilities (in [0, 1]).

    Notes
    -----
    As torchvision's `sigmoid_focal_loss` (its default `alpha` is 0.25, and -1 stands for None), optax
    `sigmoid_focal_loss`, Keras `binary_focal_crossentropy` (its `alpha` counts with ``apply_class_balancing=True``) and
    CatBoost `Focal`. Keras computes logits through clipped probabilities, and torchvision's gradient is NaN at large
    logits for gamma < 1; both stay exact here.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, Focal loss for dense object detection, ICCV 2017, 2980-2988.

    N. Charoenphakdee, J. Vongkulbhisal, N. Chairatanakul and M. Sugiyama, On focal loss for class-posterior probability
    estimation: a theoretical perspective, CVPR 2021, 5202-5211.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.BinaryFocal(gamma=2.0)([1, 0], [0.5, 0.5]), 6)
    0.173287
    >>> fl.BinaryFocal(gamma=0.0, from_logits=True).gradient([1, 0], [0.0, 0.0], reduction="sum")
    array([-0.5,  0.5])
    """

    gamma: float = number(2.0, ge=0)
    alpha: float | None = optional(number(0.25, gt=0, lt=1))
    from_logits: bool = flag(False)

    @property
    def _class_factors(self) -> tuple[float, float]:
        return (1.0, 1.0) if self.alpha is None else (self.alpha, 1 - self.alpha)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("binary_focal"), (self.gamma, *self._class_factors)

    def _init_score(self, y: Array, w: Array) -> Any:
        score = gradient_root(self.on_raw(), np.array([1.0, 0.0]), np.array(_class_weights(y, w)), -40.0, 40.0)
        return score if abs(score) < 40 else math.copysign(LARGEST_LOGIT, score)


def _is_cross_entropy(loss: AsymmetricFocal) -> bool:
    return loss.gamma_pos == 0 and loss.gamma_neg == 0 and loss.clip == 0


@loss(
    **_FOCAL,
    aliases=("asl", "asymmetric_loss"),
    formula="-(1 - p)^gamma_pos log p for y = 1, -p_m^gamma_neg log(1 - p_m), p_m = max(p - clip, 0), for y = 0",
    convex=lambda loss: not loss.from_logits or _is_cross_entropy(loss),
    differentiability=lambda loss: (
        "C-inf" if loss.clip == 0 else "C0" if loss.gamma_neg == 0 else "C1" if loss.gamma_neg <= 1 else "C2"
    ),
    lipschitz=lambda loss: (
        max(_focal_slope(loss.gamma_pos), _focal_slope(loss.gamma_neg, loss.clip)) if loss.from_logits else math.inf
    ),
    proper=_is_cross_entropy,
    reference="T. Ridnik, E. Ben-Baruch et al., Asymmetric loss for multi-label classification, ICCV 2021, 82-91.",
)
class AsymmetricFocal(_ProbabilityLoss):
    r"""Focal loss with an exponent for each class, which ignores negatives of small probability.

    .. math:: l = \begin{cases} -(1 - p)^{\gamma_+} \log p & y = 1 \\ -p_m^{\gamma_-} \log(1 - p_m) & y = 0 \end{cases},
              \qquad p_m = \max(p - m, 0)

    with m = `clip` and p = f, or :math:`p = \sigma(f)` on logits.

    Use it for multi-label tagging, where negatives dominate and some of them are mislabelled: a negative with p <= clip
    costs nothing, and one with a probability near 1 (likely a missing label) pulls less than in the focal loss. Value,
    gradient and hessian of a negative are 0 for p <= clip; at p = clip the loss has a kink if `gamma_neg` is 0, and
    its hessian jumps if `gamma_neg` <= 1. In logits boosters use a majorizer, the hessian without its negative part and
    at least the gradient; on probabilities the exact hessian is not negative.

    Parameters
    ----------
    gamma_pos : float, default 1.0
        Focusing exponent of the positive class; >= 0.
    gamma_neg : float, default 4.0
        Focusing exponent of the negative class; >= 0.
    clip : float, default 0.05
        Probability below which a negative costs nothing; in [0, 1).
    from_logits : bool, default False
        Whether y_pred holds logits (any real number) instead of probabilities (in [0, 1]).

    Notes
    -----
    As timm's `AsymmetricLossMultiLabel(gamma_neg, gamma_pos, clip, eps=0)`, which computes in float32. The defaults are
    those of the authors' code; their best runs often use ``gamma_pos=0``. With equal exponents and ``clip=0`` it is
    `BinaryFocal`.

    References
    ----------
    T. Ridnik, E. Ben-Baruch, N. Zamir, A. Noy, I. Friedman, M. Protter and L. Zelnik-Manor, Asymmetric loss for
    multi-label classification, ICCV 2021, 82-91.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.AsymmetricFocal()([1, 0], [0.5, 0.5]), 6)
    0.185544
    >>> fl.AsymmetricFocal(clip=0.05).gradient([0, 0], [0.01, 0.05], reduction="sum")
    array([0., 0.])
    """

    gamma_pos: float = number(1.0, ge=0)
    gamma_neg: float = number(4.0, ge=0)
    clip: float = number(0.05, ge=0, lt=1)
    from_logits: bool = flag(False)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("asymmetric_focal"), (self.gamma_pos, self.gamma_neg, self.clip)

    def _init_score(self, y: Array, w: Array) -> Any:
        raw, (positive, negative) = self.on_raw(), _class_weights(y, w)

        def total(term: Any, z: Array) -> Any:
            at_positive, at_negative = (term(np.full_like(z, label), z, reduction="none") for label in (1.0, 0.0))
            return positive * at_positive + negative * at_negative

        grid = np.linspace(-40.0, 40.0, 1601)
        slope = total(raw.gradient, grid)
        candidates = [-LARGEST_LOGIT, LARGEST_LOGIT]
        for k in np.flatnonzero((slope[:-1] < 0) & (slope[1:] >= 0)):
            candidates.append(root(lambda z: float(total(raw.gradient, np.array(z))), grid[k], grid[k + 1]))
        return candidates[int(np.argmin(total(raw.value, np.array(candidates))))]


# ---- margin losses --------------------------------------------------------------------------------------------------

_MARGIN: dict[str, Any] = {"y_domain": SIGNED, "f_domain": REAL, "convex": True}


@loss(
    **_MARGIN,
    formula="max(0, 1 - m), m = s f",
    differentiability="C0",
    lipschitz=1.0,
    outliers="low",
    proper=False,
    elicits="sign of 2 P - 1, P the probability of y = 1",
    link=IDENTITY,
    default_hessian="majorizer",
    reference="C. Cortes and V. Vapnik, Support-vector networks, Mach. Learn. 20, 1995, 273-297.",
)
class Hinge(PointwiseLoss):
    r"""Linear penalty for margins below 1: the loss of the support vector machine.

    .. math:: l = \max(0, 1 - m), \qquad m = s f, \qquad g = \begin{cases} -s & m < 1 \\ 0 & m \ge 1 \end{cases}

    with s = 1 for y = 1 and s = -1 for y = 0 or -1.

    Use it for decisions without probabilities: samples on the right side of the margin do not count, and a mislabelled
    one pulls with the force 1. At the kink m = 1 the gradient is 0. The hessian is 0 everywhere: boosters use the
    majorizer 1 / (2 \|1 - m\|), capped near the kink (Groenen et al. 2008).

    Parameters
    ----------
    None.

    Notes
    -----
    As Keras `hinge`, optax `hinge_loss`, scikit-learn's `hinge_loss` and the ``loss="hinge"`` of its `SGDClassifier`,
    which takes the gradient -s at the kink. XGBoost ``binary:hinge`` has the same gradient and the hessian 1 where the
    loss is positive.

    References
    ----------
    C. Cortes and V. Vapnik, Support-vector networks, Mach. Learn. 20, 1995, 273-297.

    P. J. F. Groenen, G. Nalbantov and J. C. Bioch, SVM-Maj: a majorization approach to linear support vector machines
    with different hinge errors, Adv. Data Anal. Classif. 2(1), 2008, 17-43.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Hinge().value_and_gradient([1, -1, -1], [2.0, -0.5, 0.5], reduction="sum")
    (2.0, array([0., 1., 1.]))
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        positive, negative = _class_weights(y, w)
        return np.sign(positive - negative)


@loss(
    **_MARGIN,
    formula="max(0, 1 - m)^2, m = s f",
    differentiability="C1",
    lipschitz=float("inf"),
    outliers="high",
    proper=False,
    elicits="2 P - 1, P the probability of y = 1",
    link=IDENTITY,
    default_hessian="majorizer",
    reference="R.-E. Fan et al., LIBLINEAR: a library for large linear classification, JMLR 9, 2008, 1871-1874.",
)
class SquaredHinge(PointwiseLoss):
    r"""Quadratic penalty for margins below 1: a smooth support vector machine.

    .. math:: l = \max(0, 1 - m)^2, \qquad m = s f, \qquad g = -2 s \max(0, 1 - m)

    with s = 1 for y = 1 and s = -1 for y = 0 or -1.

    Use it where the hinge is wanted with a continuous gradient and labels are clean: the pull of a mislabelled sample
    grows with its distance. The hessian is 2 for m < 1 and 0 from there; boosters use the majorizer 2.

    Parameters
    ----------
    None.

    Notes
    -----
    As Keras `squared_hinge`, the loss of scikit-learn's `LinearSVC`, and ``loss="squared_hinge"`` of its
    `SGDClassifier`. There is no factor 1/2.

    References
    ----------
    R.-E. Fan, K.-W. Chang, C.-J. Hsieh, X.-R. Wang and C.-J. Lin, LIBLINEAR: a library for large linear classification,
    J. Mach. Learn. Res. 9, 2008, 1871-1874.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SquaredHinge().value_and_gradient([1, 0, 0], [2.0, -0.5, 0.5], reduction="sum")
    (2.5, array([0., 1., 3.]))
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        positive, negative = _class_weights(y, w)
        return (positive - negative) / (positive + negative)


@loss(
    **_MARGIN,
    formula="max(0, 1 - m)^2 if m >= -1, else -4 m, m = s f",
    differentiability="C1",
    lipschitz=4.0,
    outliers="low",
    proper=False,
    elicits="2 P - 1, P the probability of y = 1",
    link=IDENTITY,
    default_hessian="majorizer",
    reference="T. Zhang, Solving large scale linear prediction problems using stochastic gradient descent, ICML 2004.",
)
class ModifiedHuber(PointwiseLoss):
    r"""Squared hinge that becomes linear for badly misclassified samples.

    .. math:: l = \begin{cases} \max(0, 1 - m)^2 & m \ge -1 \\ -4 m & m < -1 \end{cases}, \qquad m = s f, \qquad
              g = -2 s \min(\max(0, 1 - m), 2)

    with s = 1 for y = 1 and s = -1 for y = 0 or -1.

    Use it for a support vector machine that tolerates mislabelled samples and yields probabilities: the estimate of
    P(y = 1) is (clip(f, -1, 1) + 1) / 2. The hessian is 2 for -1 <= m < 1 and 0 elsewhere; boosters use the majorizer
    4 / max(2, 1 - m).

    Parameters
    ----------
    None.

    Notes
    -----
    As ``loss="modified_huber"`` of scikit-learn's `SGDClassifier`.

    References
    ----------
    T. Zhang, Solving large scale linear prediction problems using stochastic gradient descent algorithms, ICML 2004.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.ModifiedHuber().value_and_gradient([1, 0, 0], [2.0, -0.5, 3.0], reduction="sum")
    (12.25, array([0., 1., 4.]))
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        positive, negative = _class_weights(y, w)
        return (positive - negative) / (positive + negative)


@loss(
    **_MARGIN,
    aliases=("exponential_loss",),
    formula="exp(-m), m = s f",
    differentiability="C-inf",
    lipschitz=float("inf"),
    outliers="high",
    proper=True,
    elicits="half the log-odds of y = 1",
    link=HALF_LOGIT,
    default_hessian="exact",
    reference="Y. Freund and R. E. Schapire, A decision-theoretic generalization of on-line learning and an "
    "application to boosting, J. Comput. Syst. Sci. 55(1), 1997, 119-139.",
)
class Exponential(PointwiseLoss):
    r"""Exponential of the negative margin: the loss of AdaBoost.

    .. math:: l = e^{-m}, \qquad m = s f, \qquad g = -s e^{-m}

    with s = 1 for y = 1 and s = -1 for y = 0 or -1.

    Use it for boosting on clean labels: it pulls at mistakes harder than any other loss here, so one mislabelled sample
    can prevail over all others. Twice the prediction is a logit: P(y = 1) is :math:`\sigma(2 f)`, which is what
    ``link.inverse`` computes. The exact hessian is positive; there is no majorizer.

    Parameters
    ----------
    None.

    Notes
    -----
    As scikit-learn's `ExponentialLoss` (``loss="exponential"`` of its gradient boosting), which takes soft labels too.

    References
    ----------
    Y. Freund and R. E. Schapire, A decision-theoretic generalization of on-line learning and an application to
    boosting, J. Comput. Syst. Sci. 55(1), 1997, 119-139.

    J. Friedman, T. Hastie and R. Tibshirani, Additive logistic regression: a statistical view of boosting, Ann.
    Statist. 28(2), 2000, 337-407.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Exponential().value_and_gradient([1, 0], [0.0, 0.0])
    (1.0, array([-0.5,  0.5]))
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        return _limited_log_ratio(*_class_weights(y, w)) / 2


@loss(
    **_MARGIN,
    formula="max(0, -m), m = s f",
    differentiability="C0",
    lipschitz=1.0,
    outliers="low",
    proper=False,
    elicits="nothing: the prediction 0 costs nothing, whatever the targets",
    link=IDENTITY,
    default_hessian="majorizer",
    reference="F. Rosenblatt, The perceptron: a probabilistic model for information storage and organization in the "
    "brain, Psychol. Rev. 65(6), 1958, 386-408.",
)
class Perceptron(PointwiseLoss):
    r"""Linear penalty for mistakes: Rosenblatt's rule.

    .. math:: l = \max(0, -m), \qquad m = s f, \qquad g = \begin{cases} -s & m \le 0 \\ 0 & m > 0 \end{cases}

    with s = 1 for y = 1 and s = -1 for y = 0 or -1.

    Use it for teaching and for online updates that are driven by mistakes; a model of constant 0 has no loss, so prefer
    `Hinge` everywhere else, boosters included. At the kink m = 0 the gradient is -s: a zero margin counts as a mistake,
    or a model that starts at 0 would never move. The hessian is 0 everywhere: the majorizer is 1 / (2 \|m\|), capped
    near the kink.

    Parameters
    ----------
    None.

    Notes
    -----
    As optax `perceptron_loss` and ``loss="perceptron"`` of scikit-learn's `SGDClassifier`.

    References
    ----------
    F. Rosenblatt, The perceptron: a probabilistic model for information storage and organization in the brain,
    Psychol. Rev. 65(6), 1958, 386-408.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Perceptron().value_and_gradient([1, -1, -1], [0.0, -0.5, 0.5], reduction="sum")
    (0.5, array([-1.,  0.,  1.]))
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        return 0.0
