"""Regression losses: r = f - y with y = y_true, f = y_pred. Predictions are on the scale of the targets.

Design. One class per loss: metadata for the registry in the decorator, legal parameters as fields, the minimising
constant as a method. The formula itself is in csrc/losses, its specification in reference/regression.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from .._base import Array, PointwiseLoss
from .._domains import REAL, Interval
from .._init_score import local_minimum, mean
from .._init_score import quantile as weighted_quantile
from .._links import IDENTITY
from .._parameters import number
from .._registry import loss

__all__ = [
    "Cauchy",
    "EpsilonInsensitive",
    "Expectile",
    "Fair",
    "GemanMcClure",
    "GeneralRobust",
    "HalfSquaredError",
    "Huber",
    "Linex",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "PseudoHuber",
    "Quantile",
    "SmoothL1",
    "SmoothQuantile",
    "SquaredEpsilonInsensitive",
    "SymmetricMeanAbsolutePercentageError",
    "TukeyBiweight",
    "Welsch",
]

_REGRESSION: dict[str, Any] = {"y_domain": REAL, "f_domain": REAL, "link": IDENTITY, "proper": None}


@loss(
    **_REGRESSION,
    aliases=("mse", "l2", "squared_error"),
    formula="r^2",
    convex=True,
    differentiability="C-inf",
    lipschitz=math.inf,
    outliers="high",
    elicits="mean",
    default_hessian="exact",
    reference="C. F. Gauss, Theoria motus corporum coelestium, 1809.",
)
class MeanSquaredError(PointwiseLoss):
    r"""Squared residuals: the loss of the mean.

    .. math:: l = r^2, \qquad g = 2 r

    Use it when errors are roughly Gaussian and the mean is wanted. A far target pulls in proportion to its distance,
    so that a few gross errors can carry the fit away; `Huber` limits the pull.
    The loss is smooth; the hessian is 2, which is also the majorizer and, for Gaussian targets of variance 1/2, the
    expected one (fisher).

    Parameters
    ----------
    None.

    Notes
    -----
    As `torch.nn.functional.mse_loss`, Keras `mean_squared_error`, optax `squared_error` and
    `sklearn.metrics.mean_squared_error`: without a factor 1/2, which is `HalfSquaredError`. CatBoost's RMSE is the
    square root of the mean.

    References
    ----------
    C. F. Gauss, Theoria motus corporum coelestium, 1809.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.MeanSquaredError().value_and_gradient([0.0, 1.0], [0.5, 4.0])
    (4.625, array([0.5, 3. ]))
    >>> fl.MeanSquaredError().init_score([1.0, 2.0, 6.0])
    3.0
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        return mean(y, w)


@loss(
    **_REGRESSION,
    aliases=("half_mse", "l2_loss"),
    formula="r^2 / 2",
    convex=True,
    differentiability="C-inf",
    lipschitz=math.inf,
    outliers="high",
    elicits="mean",
    default_hessian="exact",
    reference="C. F. Gauss, Theoria motus corporum coelestium, 1809.",
)
class HalfSquaredError(PointwiseLoss):
    r"""Half the squared residuals, so that the hessian is 1.

    .. math:: l = \tfrac{1}{2} r^2, \qquad g = r

    Use it in boosters and generalised linear models: with hessian 1, sums of hessians read as sample counts and step
    sizes as fractions of the residual. The best prediction is the mean; outliers pull in proportion to their distance.
    The loss is smooth; exact hessian, majorizer and fisher are 1.

    Parameters
    ----------
    None.

    Notes
    -----
    As scikit-learn's `HalfSquaredError`, optax `l2_loss`, XGBoost `reg:squarederror` and LightGBM `regression`. Half of
    `MeanSquaredError`.

    References
    ----------
    C. F. Gauss, Theoria motus corporum coelestium, 1809.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.HalfSquaredError().gradient_and_hessian([0.0, 1.0], [0.5, 4.0], reduction="sum")
    (array([0.5, 3. ]), array([1., 1.]))
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        return mean(y, w)


@loss(
    **_REGRESSION,
    aliases=("mae", "l1", "absolute_error", "l1_loss"),
    formula="|r|",
    convex=True,
    differentiability="C0",
    lipschitz=1.0,
    outliers="low",
    elicits="median",
    default_hessian="majorizer",
    reference="R. Koenker and G. Bassett, Regression quantiles, Econometrica 46(1), 1978, 33-50.",
)
class MeanAbsoluteError(PointwiseLoss):
    r"""Absolute residuals: the loss of the median.

    .. math:: l = |r|, \qquad g = \operatorname{sgn} r

    Use it when the median is wanted, or when some targets are grossly wrong: each pulls with the same force, however
    far it is.
    At the kink r = 0 the gradient is 0; the exact hessian is 0 everywhere, so that boosters use the majorizer
    1 / max(\|r\|, 2**-10) or the constant 1 of the Laplace distribution (fisher).

    Parameters
    ----------
    None.

    Notes
    -----
    As `torch.nn.functional.l1_loss`, Keras `mean_absolute_error` and scikit-learn's `AbsoluteError`, which differ at r
    = 0 only (scikit-learn -1, JAX +1, torch 0) and, for scikit-learn, in the hessian (1). The hessian 1 needs leaves
    that are renewed afterwards, as LightGBM does; the majorizer does not. It supposes targets with a spread between
    about 1e-2 and 1e3: rescale others, or use `SmoothQuantile`.

    References
    ----------
    P. S. Laplace, Mémoire sur la probabilité des causes par les événements, 1774.

    R. Koenker and G. Bassett, Regression quantiles, Econometrica 46(1), 1978, 33-50.

    D. R. Hunter and K. Lange, A tutorial on MM algorithms, The American Statistician 58(1), 2004, 30-37.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.MeanAbsoluteError().value_and_gradient([0.0, 1.0], [0.5, 4.0])
    (1.75, array([0.5, 0.5]))
    >>> fl.MeanAbsoluteError().init_score([1.0, 2.0, 10.0])
    2.0
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        return weighted_quantile(y, w)


@loss(
    **_REGRESSION,
    aliases=("huber_loss",),
    formula="r^2 / 2 if |r| <= delta, else delta (|r| - delta / 2)",
    convex=True,
    differentiability="C1",
    lipschitz=lambda loss: loss.delta,
    outliers="low",
    elicits="Huber functional, between median (delta -> 0) and mean (delta -> inf)",
    default_hessian="majorizer",
    reference="P. J. Huber, Robust estimation of a location parameter, Ann. Math. Statist. 35(1), 1964, 73-101.",
)
class Huber(PointwiseLoss):
    r"""Quadratic near the target, linear far from it: the default robust regression loss.

    .. math:: l = \begin{cases} r^2 / 2 & |r| \le \delta \\ \delta (|r| - \delta / 2) & |r| > \delta \end{cases},
              \qquad g = \operatorname{clip}(r, -\delta, \delta)

    Use it when a few targets are far off and should pull with limited force. The gradient is at most `delta` in size.
    The hessian is 1 where \|r\| <= delta and 0 beyond; boosters use the majorizer delta / max(delta, \|r\|).

    Parameters
    ----------
    delta : float, default 1.0
        Where the quadratic part ends, in units of y; > 0. 1.345 times the noise's standard deviation is 95 %
        efficient for Gaussian noise.

    Notes
    -----
    As `torch.nn.functional.huber_loss`, Keras `huber`, optax `huber_loss` and scikit-learn's `HuberLoss`. LightGBM's
    `huber` has this gradient but the hessian 1. `SmoothL1` is this loss divided by its width.

    References
    ----------
    P. J. Huber, Robust estimation of a location parameter, Ann. Math. Statist. 35(1), 1964, 73-101.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Huber(delta=1.0).value_and_gradient([0.0, 1.0], [0.5, 4.0])
    (1.3125, array([0.25, 0.5 ]))
    """

    delta: float = number(1.0, gt=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        return _convex_minimum(self, y, w, start=weighted_quantile(y, w))


@loss(
    **_REGRESSION,
    aliases=("smooth_l1_loss",),
    formula="r^2 / (2 beta) if |r| <= beta, else |r| - beta / 2",
    convex=True,
    differentiability="C1",
    lipschitz=1.0,
    outliers="low",
    elicits="Huber functional, between median (beta -> 0) and mean (beta -> inf)",
    default_hessian="majorizer",
    reference="R. Girshick, Fast R-CNN, IEEE Int. Conf. on Computer Vision, 2015, 1440-1448.",
)
class SmoothL1(PointwiseLoss):
    r"""The absolute error with a rounded tip: slope 1 far from the target, whatever the width of the tip.

    .. math:: l = \begin{cases} r^2 / (2 \beta) & |r| \le \beta \\ |r| - \beta / 2 & |r| > \beta \end{cases},
              \qquad g = \operatorname{clip}(r / \beta, -1, 1)

    Use it where the size of gradients must not depend on the width, as for the boxes of object detectors. Far targets
    pull with the constant force 1.
    The hessian is 1 / beta where \|r\| <= beta and 0 beyond; boosters use the majorizer 1 / max(beta, \|r\|).

    Parameters
    ----------
    beta : float, default 1.0
        Where the quadratic part ends, in units of y; > 0.

    Notes
    -----
    ``Huber(delta=beta)`` divided by beta. As `torch.nn.functional.smooth_l1_loss`, which allows beta = 0 too: that is
    `MeanAbsoluteError`.

    References
    ----------
    R. Girshick, Fast R-CNN, IEEE Int. Conf. on Computer Vision, 2015, 1440-1448.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SmoothL1(beta=0.5).value_and_gradient([0.0, 1.0], [0.25, 4.0])
    (1.40625, array([0.25, 0.5 ]))
    """

    beta: float = number(1.0, gt=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        return _convex_minimum(self, y, w, start=weighted_quantile(y, w))


@loss(
    **_REGRESSION,
    aliases=("pseudohuber", "charbonnier"),
    formula="delta^2 (sqrt(1 + (r / delta)^2) - 1)",
    convex=True,
    differentiability="C-inf",
    lipschitz=lambda loss: loss.delta,
    outliers="low",
    elicits="M-location, between median (delta -> 0) and mean (delta -> inf)",
    default_hessian="majorizer",
    reference="P. Charbonnier, L. Blanc-Féraud, G. Aubert and M. Barlaud, Deterministic edge-preserving regularization "
    "in computed imaging, IEEE Trans. Image Processing 6(2), 1997, 298-311.",
)
class PseudoHuber(PointwiseLoss):
    r"""Huber's loss with a smooth transition from quadratic to linear.

    .. math:: l = \delta^2 \left(\sqrt{1 + (r / \delta)^2} - 1\right), \qquad g = \frac{r}{\sqrt{1 + (r / \delta)^2}}

    Use it as `Huber` where a continuous curvature helps, as in Newton's method. The gradient stays below `delta` in
    size.
    The loss is smooth, but its hessian (1 + (r / delta)**2)**(-3/2) fades faster than the gradient: boosters use the
    majorizer (1 + (r / delta)**2)**(-1/2), whose steps do not overshoot.

    Parameters
    ----------
    delta : float, default 1.0
        The width of the transition and the slope far from the target, in units of y; > 0.

    Notes
    -----
    As `scipy.special.pseudo_huber`; its gradient and exact hessian are those of XGBoost's `reg:pseudohubererror` with
    `huber_slope`. With delta = 1 it is kornia's `charbonnier_loss`. The form sqrt(r**2 + e**2), also named after
    Charbonnier, is ``PseudoHuber(delta=e)`` divided by e, plus e.

    References
    ----------
    P. Charbonnier, L. Blanc-Féraud, G. Aubert and M. Barlaud, Deterministic edge-preserving regularization in computed
    imaging, IEEE Trans. Image Processing 6(2), 1997, 298-311.

    R. Hartley and A. Zisserman, Multiple View Geometry in Computer Vision, Cambridge University Press, 2003.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.PseudoHuber(delta=4.0).value_and_gradient([0.0], [3.0])
    (4.0, array([2.4]))
    """

    delta: float = number(1.0, gt=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        return _convex_minimum(self, y, w, start=weighted_quantile(y, w))


@loss(
    **_REGRESSION,
    aliases=("logcosh",),
    formula="log cosh r",
    convex=True,
    differentiability="C-inf",
    lipschitz=1.0,
    outliers="low",
    elicits="M-location, between median and mean",
    default_hessian="majorizer",
    reference="P. J. Green, Bayesian reconstructions from emission tomography data using a modified EM algorithm, "
    "IEEE Trans. Medical Imaging 9(1), 1990, 84-93.",
)
class LogCosh(PointwiseLoss):
    r"""A smooth compromise between squared and absolute error without a parameter.

    .. math:: l = \log \cosh r, \qquad g = \tanh r

    Use it for targets of unit scale: it is r**2 / 2 near the target and \|r\| - log 2 far from it, where targets pull
    with the constant force 1.
    The loss is smooth, but its hessian 1 - tanh(r)**2 vanishes a few units away from the target: boosters use the
    majorizer tanh(r) / r, or the constant 1/2 of the hyperbolic secant distribution (fisher).

    Parameters
    ----------
    None.

    Notes
    -----
    As Keras and optax `log_cosh`, which lose all digits of small residuals; this one keeps them. For targets of
    scale s divide targets and predictions by s, or use `PseudoHuber`, whose width is a parameter.

    References
    ----------
    P. J. Green, Bayesian reconstructions from emission tomography data using a modified EM algorithm, IEEE Trans.
    Medical Imaging 9(1), 1990, 84-93.

    Examples
    --------
    >>> import fastloss as fl
    >>> value, gradient = fl.LogCosh().value_and_gradient([0.0, 0.0], [1.0, -30.0], reduction="none")
    >>> value.round(6), gradient.round(6)
    (array([ 0.433781, 29.306853]), array([ 0.761594, -1.      ]))
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        return _convex_minimum(self, y, w, start=weighted_quantile(y, w))


@loss(
    **_REGRESSION,
    aliases=("pinball", "pinball_loss", "quantile_loss"),
    formula="max((1 - quantile) r, -quantile r)",
    convex=True,
    differentiability="C0",
    lipschitz=lambda loss: max(loss.quantile, 1 - loss.quantile),
    outliers="low",
    elicits="quantile",
    default_hessian="majorizer",
    reference="R. Koenker and G. Bassett, Regression quantiles, Econometrica 46(1), 1978, 33-50.",
)
class Quantile(PointwiseLoss):
    r"""The pinball loss, whose best prediction is a quantile.

    .. math:: l = \max\bigl((1 - q) r, -q r\bigr), \qquad
              g = \begin{cases} 1 - q & r > 0 \\ 0 & r = 0 \\ -q & r < 0 \end{cases}

    Use it for prediction intervals (one model per bound) and where too low and too high have different linear costs.
    Far targets pull with constant force.
    At the kink r = 0 the gradient is 0; the exact hessian is 0 everywhere, so that boosters use the majorizer
    1 / (2 max(\|r\|, 2**-10)) or the constant q (1 - q) of the asymmetric Laplace distribution (fisher).

    Parameters
    ----------
    quantile : float, default 0.5
        The level q, a pure number; 0 < q < 1. 0.9: nine in ten targets lie below the prediction. The default is the
        median.

    Notes
    -----
    As scikit-learn's `PinballLoss` and `mean_pinball_loss`; scikit-learn has the gradient -q at r = 0 and the hessian
    1. ``Quantile(quantile=0.5)`` is half of `MeanAbsoluteError`. The majorizer supposes targets with a spread between
    about 1e-2 and 1e3: rescale others, or use `SmoothQuantile`.

    References
    ----------
    R. Koenker and G. Bassett, Regression quantiles, Econometrica 46(1), 1978, 33-50.

    D. R. Hunter and K. Lange, A tutorial on MM algorithms, The American Statistician 58(1), 2004, 30-37.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Quantile(quantile=0.75).value_and_gradient([0.0, 4.0], [2.0, 0.0], reduction="sum")
    (3.5, array([ 0.25, -0.75]))
    >>> fl.Quantile(quantile=0.75).init_score([1.0, 2.0, 3.0, 4.0, 5.0])
    4.0
    """

    quantile: float = number(0.5, gt=0, lt=1)

    def _init_score(self, y: Array, w: Array) -> Any:
        return weighted_quantile(y, w, self.quantile)


@loss(
    **_REGRESSION,
    aliases=("asymmetric_squared_error",),
    formula="(1 - expectile) r^2 if r > 0, else expectile r^2",
    convex=True,
    differentiability="C1",
    lipschitz=math.inf,
    outliers="high",
    elicits="expectile",
    default_hessian="exact",
    reference="W. K. Newey and J. L. Powell, Asymmetric least squares estimation and testing, Econometrica 55(4), "
    "1987, 819-847.",
)
class Expectile(PointwiseLoss):
    r"""Squared residuals with different weights above and below the target.

    .. math:: l = v r^2, \qquad g = 2 v r, \qquad v = \begin{cases} 1 - \tau & r > 0 \\ \tau & r \le 0 \end{cases}

    Use it where too low and too high have different quadratic costs, or for risk measures: expectiles with tau >= 1/2
    are coherent. As with squared errors, a far target pulls in proportion to its distance.
    The gradient is continuous; the hessian 2 v jumps at r = 0, where it is 2 tau, and is always positive; the majorizer
    is the constant 2 max(tau, 1 - tau).

    Parameters
    ----------
    expectile : float, default 0.5
        The level tau, a pure number; 0 < tau < 1. Larger levels give larger predictions; the default is the mean.

    Notes
    -----
    As CatBoost's `Expectile` with `alpha`. ``Expectile(expectile=0.5)`` is `HalfSquaredError`.

    References
    ----------
    W. K. Newey and J. L. Powell, Asymmetric least squares estimation and testing, Econometrica 55(4), 1987, 819-847.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Expectile(expectile=0.75).value_and_gradient([0.0, 4.0], [2.0, 2.0], reduction="sum")
    (4.0, array([ 1., -3.]))
    >>> fl.Expectile(expectile=0.75).init_score([0.0, 4.0])
    3.0
    """

    expectile: float = number(0.5, gt=0, lt=1)

    def _init_score(self, y: Array, w: Array) -> Any:
        # Newton's method for a gradient that is piecewise linear and convex or concave: it ends after a few steps.
        s = mean(y, w)
        for _ in range(1000):
            previous, s = s, mean(y, w * np.where(s > y, 1 - self.expectile, self.expectile))
            if s == previous:
                break
        return s


@loss(
    **_REGRESSION,
    formula="max(0, |r| - epsilon)",
    convex=True,
    differentiability="C0",
    lipschitz=1.0,
    outliers="low",
    elicits="median of the equal mixture of Y - epsilon and Y + epsilon",
    default_hessian="majorizer",
    reference="V. N. Vapnik, The Nature of Statistical Learning Theory, Springer, 1995.",
)
class EpsilonInsensitive(PointwiseLoss):
    r"""The absolute error with a tolerance: residuals up to epsilon cost nothing.

    .. math:: l = \max(0, |r| - \epsilon), \qquad
              g = \begin{cases} \operatorname{sgn} r & |r| > \epsilon \\ 0 & |r| \le \epsilon \end{cases}

    Use it for support-vector regression, or where errors within a band do not matter. Far targets pull with the
    constant force 1.
    At the kinks \|r\| = epsilon the gradient is 0; the exact hessian is 0 everywhere, so that boosters use the
    majorizer k(r - epsilon) / 2 + k(r + epsilon) / 2 with k(r) = 1 / max(\|r\|, 2**-10).

    Parameters
    ----------
    epsilon : float, default 0.1
        Half the width of the band, in units of y; >= 0. The default, that of scikit-learn, is meant for targets of
        unit scale.

    Notes
    -----
    As scikit-learn's `SGDRegressor` with ``loss="epsilon_insensitive"``. ``EpsilonInsensitive(epsilon=0)`` is
    `MeanAbsoluteError`.

    References
    ----------
    V. N. Vapnik, The Nature of Statistical Learning Theory, Springer, 1995.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.EpsilonInsensitive(epsilon=0.5).value_and_gradient([0.0, 0.0], [0.25, 2.0], reduction="sum")
    (1.5, array([0., 1.]))
    """

    epsilon: float = number(0.1, ge=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        # max(0, |r| - epsilon) = (|r - epsilon| + |r + epsilon|) / 2 - epsilon
        return weighted_quantile(np.concatenate([y - self.epsilon, y + self.epsilon]), np.concatenate([w, w]))


@loss(
    **_REGRESSION,
    formula="max(0, |r| - epsilon)^2",
    convex=True,
    differentiability="C1",
    lipschitz=math.inf,
    outliers="high",
    elicits="mean of Y with a band of tolerance",
    default_hessian="majorizer",
    reference="R.-E. Fan, K.-W. Chang, C.-J. Hsieh, X.-R. Wang and C.-J. Lin, LIBLINEAR: a library for large linear "
    "classification, J. Mach. Learn. Res. 9, 2008, 1871-1874.",
)
class SquaredEpsilonInsensitive(PointwiseLoss):
    r"""The squared error with a tolerance: residuals up to epsilon cost nothing.

    .. math:: l = u^2, \qquad g = 2 u \operatorname{sgn} r, \qquad u = \max(0, |r| - \epsilon)

    Use it for linear support-vector regression by methods that need a continuous gradient. Far targets pull in
    proportion to their distance.
    The hessian is 2 outside the band, 0 inside and at \|r\| = epsilon; boosters use the majorizer, which is 2
    everywhere.

    Parameters
    ----------
    epsilon : float, default 0.1
        Half the width of the band, in units of y; >= 0. The default, that of scikit-learn, is meant for targets of
        unit scale.

    Notes
    -----
    As scikit-learn's `SGDRegressor` with ``loss="squared_epsilon_insensitive"``: no factor 1/2.
    ``SquaredEpsilonInsensitive(epsilon=0)`` is `MeanSquaredError`, but for the hessian at r = 0.

    References
    ----------
    R.-E. Fan, K.-W. Chang, C.-J. Hsieh, X.-R. Wang and C.-J. Lin, LIBLINEAR: a library for large linear classification,
    J. Mach. Learn. Res. 9, 2008, 1871-1874.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SquaredEpsilonInsensitive(epsilon=0.5).value_and_gradient([0.0, 0.0], [0.25, 2.0], reduction="sum")
    (2.25, array([0., 3.]))
    """

    epsilon: float = number(0.1, ge=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        return _convex_minimum(self, y, w, start=mean(y, w))


@loss(
    **_REGRESSION,
    aliases=("tukey", "biweight", "bisquare"),
    formula="(c^2 / 6) (1 - (1 - min(1, (r / c)^2))^3)",
    convex=False,
    differentiability="C2",
    lipschitz=lambda loss: 16 * loss.c / (25 * math.sqrt(5)),
    outliers="redescending",
    elicits="M-location",
    default_hessian="majorizer",
    reference="A. E. Beaton and J. W. Tukey, The fitting of power series, meaning polynomials, illustrated on "
    "band-spectroscopic data, Technometrics 16(2), 1974, 147-185.",
)
class TukeyBiweight(PointwiseLoss):
    r"""Bounded: targets farther than c do not count at all.

    .. math:: l = \frac{c^2}{6} (1 - u^3), \qquad g = r u^2, \qquad u = 1 - \min(1, (r / c)^2)

    Use it against gross outliers, from a start that is roughly right (a fit of `Huber`, or the median): it is not
    convex, and a sample beyond `c` has no gradient to come back by.
    The second derivative u (1 - 5 (r / c)**2) is continuous and negative for \|r\| > c / sqrt(5); boosters use the
    majorizer u**2, the weight of iteratively reweighted least squares.

    Parameters
    ----------
    c : float, default 4.685
        Where the influence ends, in units of y; > 0. The default is 95 % efficient for Gaussian noise of standard
        deviation 1; multiply it by the scale of your noise.

    Notes
    -----
    As statsmodels' `TukeyBiweight`. About r**2 / 2 near the target. `init_score` is the local minimum next to the
    median.

    References
    ----------
    A. E. Beaton and J. W. Tukey, The fitting of power series, meaning polynomials, illustrated on band-spectroscopic
    data, Technometrics 16(2), 1974, 147-185.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.TukeyBiweight(c=2.0).value_and_gradient([0.0, 0.0], [1.0, 50.0], reduction="sum")
    (1.0520833333333333, array([0.5625, 0.    ]))
    >>> round(fl.TukeyBiweight().init_score([1.0, 2.0, 3.0, 1000.0]), 6)
    2.0
    """

    c: float = number(4.685, gt=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        return local_minimum(self, y, w)


@loss(
    **_REGRESSION,
    aliases=("lorentzian",),
    formula="(c^2 / 2) log(1 + (r / c)^2)",
    convex=False,
    differentiability="C-inf",
    lipschitz=lambda loss: loss.c / 2,
    outliers="redescending",
    elicits="M-location",
    default_hessian="majorizer",
    reference="P. W. Holland and R. E. Welsch, Robust regression using iteratively reweighted least-squares, "
    "Comm. Statist. Theory Methods 6(9), 1977, 813-827.",
)
class Cauchy(PointwiseLoss):
    r"""Logarithmic growth: the influence of far targets fades like 1 / \|r\|.

    .. math:: l = \frac{c^2}{2} \log\bigl(1 + (r / c)^2\bigr), \qquad g = \frac{r}{1 + (r / c)^2}

    Use it for heavy-tailed errors, where far targets are improbable but not meaningless. The pull is largest, c / 2, at
    a distance of c.
    The loss is smooth, not convex, with a negative hessian beyond c; boosters use the majorizer 1 / (1 + (r / c)**2),
    the weight of iteratively reweighted least squares.

    Parameters
    ----------
    c : float, default 2.385
        Where the pull is largest, in units of y; > 0. The default is 95 % efficient for Gaussian noise of standard
        deviation 1; multiply it by the scale of your noise.

    Notes
    -----
    As SciPy's `least_squares` with ``loss="cauchy"`` and `f_scale` c; kornia's `cauchy_loss` has c = sqrt(2). It is
    the log-likelihood of Cauchy noise of known scale c, times c**2 / 2. `init_score` is the local minimum next to the
    median.

    References
    ----------
    P. W. Holland and R. E. Welsch, Robust regression using iteratively reweighted least-squares, Comm. Statist. Theory
    Methods 6(9), 1977, 813-827.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Cauchy(c=2.0).gradient([0.0, 0.0, 0.0], [1.0, 2.0, 14.0], reduction="sum")
    array([0.8 , 1.  , 0.28])
    """

    c: float = number(2.385, gt=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        return local_minimum(self, y, w)


@loss(
    **_REGRESSION,
    aliases=("leclerc",),
    formula="(c^2 / 2) (1 - exp(-(r / c)^2))",
    convex=False,
    differentiability="C-inf",
    lipschitz=lambda loss: loss.c / math.sqrt(2 * math.e),
    outliers="redescending",
    elicits="M-location, the mode for small c",
    default_hessian="majorizer",
    reference="J. E. Dennis and R. E. Welsch, Techniques for nonlinear least squares and robust regression, "
    "Comm. Statist. Simulation Comput. 7(4), 1978, 345-359.",
)
class Welsch(PointwiseLoss):
    r"""Bounded, with an influence that fades like a Gaussian.

    .. math:: l = \frac{c^2}{2} \left(1 - e^{-(r / c)^2}\right), \qquad g = r e^{-(r / c)^2}

    Use it to ignore gross outliers smoothly (correntropy), or with small `c` to seek the mode, from a start that is
    roughly right.
    The loss is smooth, not convex, with a negative hessian for \|r\| > c / sqrt(2); boosters use the majorizer
    exp(-(r / c)**2), the weight of iteratively reweighted least squares.

    Parameters
    ----------
    c : float, default 2.985
        The width of the well, in units of y; > 0. The default is 95 % efficient for Gaussian noise of standard
        deviation 1; multiply it by the scale of your noise.

    Notes
    -----
    With c = sqrt(2) as kornia's `welsch_loss`. `init_score` is the local minimum next to the median.

    References
    ----------
    J. E. Dennis and R. E. Welsch, Techniques for nonlinear least squares and robust regression, Comm. Statist.
    Simulation Comput. 7(4), 1978, 345-359.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Welsch(c=2.0).gradient([0.0, 0.0, 0.0], [1.0, 2.0, 100.0], reduction="sum").round(6)
    array([0.778801, 0.735759, 0.      ])
    """

    c: float = number(2.985, gt=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        return local_minimum(self, y, w)


@loss(
    **_REGRESSION,
    name="geman_mcclure",
    formula="(c^2 / 2) r^2 / (c^2 + r^2)",
    convex=False,
    differentiability="C-inf",
    lipschitz=lambda loss: 3 * math.sqrt(3) / 16 * loss.c,
    outliers="redescending",
    elicits="M-location",
    default_hessian="majorizer",
    reference="S. Geman and D. E. McClure, Bayesian image analysis: an application to single photon emission "
    "tomography, Proc. Statistical Computing Section, American Statistical Association, 1985, 12-18.",
)
class GemanMcClure(PointwiseLoss):
    r"""Bounded, with an influence that fades like 1 / \|r\|\ :sup:`3`.

    .. math:: l = \frac{c^2}{2} \, \frac{r^2}{c^2 + r^2}, \qquad g = \frac{r}{\bigl(1 + (r / c)^2\bigr)^2}

    Use it as `Welsch`, where far targets should keep a faint pull; common in vision and registration.
    The loss is smooth, not convex, with a negative hessian for \|r\| > c / sqrt(3); boosters use the majorizer
    (1 + (r / c)**2)**-2, the weight of iteratively reweighted least squares.

    Parameters
    ----------
    c : float, default 3.787
        Where the loss is half of its bound c**2 / 2, in units of y; > 0. The default is 95 % efficient for Gaussian
        noise of standard deviation 1; multiply it by the scale of your noise.

    Notes
    -----
    With c = 2 as kornia's `geman_mcclure_loss`. `init_score` is the local minimum next to the median.

    References
    ----------
    S. Geman and D. E. McClure, Bayesian image analysis: an application to single photon emission tomography,
    Proc. Statistical Computing Section, American Statistical Association, 1985, 12-18.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GemanMcClure(c=2.0).value_and_gradient([0.0, 0.0], [2.0, 4.0], reduction="sum")
    (2.6, array([0.5 , 0.16]))
    """

    c: float = number(3.787, gt=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        return local_minimum(self, y, w)


@loss(
    **_REGRESSION,
    formula="c^2 (|r| / c - log(1 + |r| / c))",
    convex=True,
    differentiability="C2",
    lipschitz=lambda loss: loss.c,
    outliers="low",
    elicits="M-location, between median (c -> 0) and mean (c -> inf)",
    default_hessian="majorizer",
    reference="R. C. Fair, On the robust estimation of econometric models, Ann. Econ. Soc. Meas. 3(4), 1974, 667-677.",
)
class Fair(PointwiseLoss):
    r"""Convex and curved everywhere, with a slow approach to linear growth.

    .. math:: l = c^2 \bigl(a - \log(1 + a)\bigr), \qquad g = \frac{r}{1 + a}, \qquad a = |r| / c

    Use it as an alternative to `Huber` whose curvature never vanishes. The gradient stays below `c` in size, but
    reaches half of that at a distance of `c` already.
    The second derivative (1 + a)**-2 is continuous with a kink at r = 0, and fades faster than the gradient: boosters
    use the majorizer 1 / (1 + a), whose steps do not overshoot.

    Parameters
    ----------
    c : float, default 1.4
        The width of the transition and the slope far from the target, in units of y; > 0. The default is 95 % efficient
        for Gaussian noise of standard deviation 1; multiply it by the scale of your noise.

    Notes
    -----
    Gradient and exact hessian are those of LightGBM's `fair` with `fair_c`, whose default is 1; CatBoost's `FairLoss`
    with `smoothness` has the same value.

    References
    ----------
    R. C. Fair, On the robust estimation of econometric models, Ann. Econ. Soc. Meas. 3(4), 1974, 667-677.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Fair(c=2.0).gradient_and_hessian([0.0, 0.0], [2.0, 6.0], reduction="sum")
    (array([1. , 1.5]), array([0.25  , 0.0625]))
    """

    c: float = number(1.4, gt=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        return _convex_minimum(self, y, w, start=weighted_quantile(y, w))


@loss(
    **_REGRESSION,
    aliases=("barron", "adaptive"),
    formula="(b / alpha) ((1 + (r / c)^2 / b)^(alpha / 2) - 1), b = 2 - alpha",
    convex=lambda loss: loss.alpha >= 1,
    differentiability="C-inf",
    lipschitz=lambda loss: _steepest_slope(loss.alpha) / loss.c,
    outliers=lambda loss: "high" if loss.alpha > 1 else "low" if loss.alpha == 1 else "redescending",
    elicits="M-location, the mean for alpha = 2",
    default_hessian="majorizer",
    reference="J. T. Barron, A general and adaptive robust loss function, IEEE Conf. on Computer Vision and Pattern "
    "Recognition, 2019, 4331-4339.",
)
class GeneralRobust(PointwiseLoss):
    r"""Barron's family: one knob from squared errors over Charbonnier, Cauchy and Geman-McClure to Welsch.

    .. math:: l = \frac{b}{\alpha} \left(\bigl(1 + x^2 / b\bigr)^{\alpha / 2} - 1\right), \qquad
              g = \frac{r}{c^2} \bigl(1 + x^2 / b\bigr)^{\alpha / 2 - 1}, \qquad x = r / c, \quad b = 2 - \alpha

    Use it where the right robustness is unknown: tune `alpha` by validation. Far targets pull without bound for
    alpha > 1, with constant force for alpha = 1, and with a fading one for alpha < 1.
    The loss is smooth, and convex for alpha >= 1 only; the exact hessian fades or turns negative far from the target,
    so that boosters use the majorizer (1 + x**2 / b)**(alpha / 2 - 1) / c**2.

    Parameters
    ----------
    alpha : float, default 1.0
        The shape, a pure number; -inf <= alpha <= 2. 2, 0 and -inf stand for the limits of the formula: x**2 / 2,
        log(1 + x**2 / 2) and 1 - exp(-x**2 / 2).
    c : float, default 1.0
        The width of the quadratic bowl, in units of y; > 0.

    Notes
    -----
    As `lossfun` of Barron's `robust_loss_pytorch`: dimensionless, with the hessian 1 / c**2 at the target. Times c**2
    it is `HalfSquaredError` for alpha = 2, ``PseudoHuber(delta=c)`` for 1, ``Cauchy(c=sqrt(2) * c)`` for 0,
    ``GemanMcClure(c=2 * c)`` for -2 and ``Welsch(c=sqrt(2) * c)`` for -inf. alpha > 2, which is not robust, is refused.
    For alpha < 1 `init_score` is the local minimum next to the median.

    References
    ----------
    J. T. Barron, A general and adaptive robust loss function, IEEE Conf. on Computer Vision and Pattern Recognition,
    2019, 4331-4339.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GeneralRobust(alpha=-2.0, c=2.0).value_and_gradient([0.0, 0.0], [4.0, 8.0], reduction="sum")
    (2.6, array([0.25, 0.08]))
    >>> fl.GeneralRobust(alpha=float("-inf")).config()
    {'name': 'general_robust', 'alpha': '-inf', 'c': 1.0}
    """

    alpha: float = number(1.0, le=2, infinite=True)
    c: float = number(1.0, gt=0)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        # To working precision, alpha is -inf from -1e18 on and 0 within 1e-20.
        alpha = -math.inf if self.alpha <= -1e18 else 0.0 if abs(self.alpha) < 1e-20 else self.alpha
        member = _BARRON_MEMBERS.get(alpha)
        if member is not None:
            return f"general_robust_{member}", (self.c,)
        return "general_robust_convex" if alpha > 1 else "general_robust", (self.c, alpha)

    def _init_score(self, y: Array, w: Array) -> Any:
        if self.alpha >= 1:
            return _convex_minimum(self, y, w, start=weighted_quantile(y, w))
        return local_minimum(self, y, w)


_BARRON_MEMBERS = {2.0: "quadratic", 1.0: "charbonnier", 0.0: "cauchy", -2.0: "geman_mcclure", -math.inf: "welsch"}
"""Members of Barron's family with a closed form: their formulas need no powers."""


def _steepest_slope(alpha: float) -> float:
    """Largest slope of the loss with c = 1: where the hessian changes its sign, x^2 = b / (1 - alpha)."""
    if alpha > 1:
        return math.inf
    if alpha == -math.inf:
        return math.exp(-0.5)
    return 1.0 if alpha == 1 else math.exp(0.5 * (alpha - 1) * math.log1p(1 / (1 - alpha)))


@loss(
    aliases=("msle",),
    formula="(log(1 + f) - log(1 + y))^2",
    convex=False,
    differentiability="C-inf",
    lipschitz=math.inf,
    outliers="high",
    proper=None,
    elicits="exp(E log(1 + Y)) - 1",
    y_domain=Interval(-1.0, low_open=True),
    f_domain=Interval(-1.0),
    link=IDENTITY,
    default_hessian="majorizer",
    reference="C. Tofallis, A better measure of relative prediction accuracy for model selection and model estimation, "
    "J. Oper. Res. Soc. 66(8), 2015, 1352-1362.",
)
class MeanSquaredLogarithmicError(PointwiseLoss):
    r"""Squared errors of logarithms: relative errors of targets over several magnitudes.

    .. math:: l = d^2, \qquad g = \frac{2 d}{1 + f}, \qquad d = \log(1 + f) - \log(1 + y)

    Use it for positive targets whose relative error matters; a fit of log(1 + y) with `MeanSquaredError` has the same
    minimum and is easier to train. The pull of targets far above grows with their logarithm only, that of targets far
    below is strong: near f = -1 gradients are unbounded.
    The loss is smooth and quasi-convex; its hessian is negative for f > e (1 + y) - 1, so that boosters use
    2 (1 + max(0, -d)) / (1 + f)**2, a bound of the hessian (majorizer), or 2 / (1 + f)**2 (fisher).

    Parameters
    ----------
    None.

    Notes
    -----
    y > -1 and f >= -1. As `sklearn.metrics.mean_squared_log_error`, CatBoost's MSLE and, above its clamp,
    Keras `mean_squared_logarithmic_error`; twice XGBoost's `reg:squaredlogerror`, which clips the hessian at 1e-6.
    The raw score of a booster can leave the domain of f, which is an error here: train `HalfSquaredError` on
    log1p(y) instead, it has the same minimiser.

    References
    ----------
    C. Tofallis, A better measure of relative prediction accuracy for model selection and model estimation,
    J. Oper. Res. Soc. 66(8), 2015, 1352-1362.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.MeanSquaredLogarithmicError()
    >>> round(loss([9.0, 99.0], [99.0, 999.0]), 6)  # ten times too high each
    5.301898
    >>> round(loss.init_score([0.0, 99.0]), 6)
    9.0
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        return np.expm1(mean(np.log1p(y), w))


@loss(
    **_REGRESSION,
    aliases=("mape",),
    formula="|r| / max(|y|, eps)",
    convex=True,
    differentiability="C0",
    lipschitz=lambda loss: 1 / loss.eps,
    outliers="low",
    elicits="median of the density proportional to p(y) / |y|",
    default_hessian="majorizer",
    reference="T. Gneiting, Making and evaluating point forecasts, J. Amer. Statist. Assoc. 106(494), 2011, 746-762.",
)
class MeanAbsolutePercentageError(PointwiseLoss):
    r"""Absolute errors relative to the target.

    .. math:: l = |r| / s, \qquad g = \operatorname{sgn}(r) / s, \qquad s = \max(|y|, \mathrm{eps})

    Use it where errors are reported relative to targets that stay away from 0. Its best predictions are low: too low
    costs at most 1 for positive targets, too high has no limit. Far targets pull with little force, targets near 0 with
    much.
    At the kink r = 0 the gradient is 0; the exact hessian is 0 everywhere, so that boosters use the majorizer
    1 / (s max(\|r\|, 2**-10)).

    Parameters
    ----------
    eps : float, default 2.220446049250313e-16
        The smallest divisor, in units of y; > 0. The default (that of scikit-learn) only prevents a division by 0:
        set it to the smallest meaningful size of a target if there are targets near 0.

    Notes
    -----
    A fraction, as `sklearn.metrics.mean_absolute_percentage_error`. Keras `mean_absolute_percentage_error` is in per
    cent with eps = 1e-7; CatBoost's MAPE has eps = 1.

    References
    ----------
    T. Gneiting, Making and evaluating point forecasts, J. Amer. Statist. Assoc. 106(494), 2011, 746-762.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.MeanAbsolutePercentageError().value_and_gradient([10.0, -2.0], [15.0, -3.0], reduction="sum")
    (1.0, array([ 0.1, -0.5]))
    >>> fl.MeanAbsolutePercentageError().init_score([1.0, 4.0, 5.0])
    1.0
    """

    eps: float = number(2.220446049250313e-16, gt=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        return weighted_quantile(y, w / np.maximum(np.abs(y), self.eps))


@loss(
    **_REGRESSION,
    aliases=("smape",),
    formula="2 |r| / (|y| + |f|)",
    convex=False,
    differentiability="C0",
    lipschitz=math.inf,
    outliers="redescending",
    elicits="no simple functional",
    default_hessian="majorizer",
    reference="S. Makridakis, Accuracy measures: theoretical and practical concerns, Int. J. Forecasting 9(4), 1993, "
    "527-529.",
)
class SymmetricMeanAbsolutePercentageError(PointwiseLoss):
    r"""Absolute errors relative to the mean size of target and prediction: between 0 and 2.

    .. math:: l = 2 |r| / s, \qquad
              g = \begin{cases} 4 |y| \operatorname{sgn}(r) / s^2 & y f \ge 0 \\ 0 & y f < 0 \end{cases}, \qquad
              s = |y| + |f|

    Use it for reports; train with `MeanSquaredLogarithmicError` or `MeanAbsolutePercentageError`. The influence of far
    targets fades; where signs differ the loss is 2 and has no gradient.
    At r = 0 gradient and hessian are 0, at f = 0 they are those of the side of y, so that training can leave 0; the
    exact hessian changes its sign at the target, so that boosters use the larger of it and 2 / (s max(\|r\|, 2**-10))
    (majorizer).

    Parameters
    ----------
    None.

    Notes
    -----
    A fraction; CatBoost's SMAPE is 100 times that. Some authors divide by \|y\| + \|f\| without the factor 2: theirs is
    at most 1. The loss of y = f = 0 is 0. `init_score` searches near the best target, as there are many local minima.

    References
    ----------
    S. Makridakis, Accuracy measures: theoretical and practical concerns, Int. J. Forecasting 9(4), 1993, 527-529.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.SymmetricMeanAbsolutePercentageError().value_and_gradient([1.0, 1.0], [3.0, -1.0], reduction="sum")
    (3.0, array([0.25, 0.  ]))
    """

    def _init_score(self, y: Array, w: Array) -> Any:
        def total(s: float) -> float:
            return self(y, np.full_like(y, s), w, reduction="sum")  # type: ignore[no-any-return]

        candidates = np.unique(y)
        if len(candidates) > 257:
            candidates = np.quantile(candidates, np.linspace(0, 1, 257), method="nearest")
        best = int(np.argmin([total(s) for s in candidates]))
        around = candidates[max(best - 1, 0) : best + 2]
        refined = [_golden_section(total, low, high) for low, high in pairwise(around)]
        return min([candidates[best], *refined], key=total)


@loss(
    **_REGRESSION,
    aliases=("linear_exponential",),
    formula="exp(a r) - a r - 1",
    convex=True,
    differentiability="C-inf",
    lipschitz=math.inf,
    outliers="high",
    elicits="-log(E exp(-a Y)) / a",
    default_hessian="exact",
    reference="H. R. Varian, A Bayesian approach to real estate assessment, in: Studies in Bayesian Econometrics and "
    "Statistics, North-Holland, 1975, 195-208.",
)
class Linex(PointwiseLoss):
    r"""Exponential on one side of the target, linear on the other.

    .. math:: l = e^{a r} - a r - 1, \qquad g = a \left(e^{a r} - 1\right)

    Use it where one direction of error is far more expensive: a > 0 punishes predictions that are too high, a < 0 those
    that are too low. On the expensive side the pull of a far target grows exponentially, on the other it is \|a\|.
    The loss is smooth; its hessian a**2 exp(a r) is positive and the default; it grows too fast for a majorizer.

    Parameters
    ----------
    a : float, default 1.0
        The asymmetry, in units of 1 / y; not 0. The loss grows by the factor e per 1 / \|a\| of further error.

    Notes
    -----
    ``Linex(a=a)`` divided by a**2 tends to `HalfSquaredError` as a tends to 0. Keep \|a r\| moderate, if need be by
    rescaling the targets: exp(a r) overflows where a r > 709.

    References
    ----------
    H. R. Varian, A Bayesian approach to real estate assessment, in: Studies in Bayesian Econometrics and Statistics,
    North-Holland, 1975, 195-208.

    A. Zellner, Bayesian estimation and prediction using asymmetric loss functions, J. Amer. Statist. Assoc. 81(394),
    1986, 446-451.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Linex(a=2.0).gradient([0.0, 0.0], [1.0, -1.0], reduction="sum").round(6)
    array([12.778112, -1.729329])
    """

    a: float = number(1.0, nonzero=True)

    def _init_score(self, y: Array, w: Array) -> Any:
        exponents = -self.a * y
        largest = exponents.max()
        return -(largest + np.log(mean(np.exp(exponents - largest), w))) / self.a


@loss(
    **_REGRESSION,
    aliases=("smooth_pinball",),
    formula="smoothing log(1 + exp(r / smoothing)) - quantile r",
    convex=True,
    differentiability="C-inf",
    lipschitz=lambda loss: max(loss.quantile, 1 - loss.quantile),
    outliers="low",
    elicits="quantile of Y + smoothing times standard logistic noise",
    default_hessian="majorizer",
    reference="M. Fernandes, E. Guerre and E. Horta, Smoothing quantile regressions, J. Bus. Econ. Statist. 39(1), "
    "2021, 338-357.",
)
class SmoothQuantile(PointwiseLoss):
    r"""The pinball loss, smoothed with the logistic distribution.

    .. math:: l = s \log\left(1 + e^{r / s}\right) - q r, \qquad g = \sigma(r / s) - q, \qquad
              \sigma(x) = \frac{1}{1 + e^{-x}}

    Use it for quantile regression in boosters and Newton solvers, which need curvature. Far targets pull with constant
    force, 1 - q or q.
    The loss is smooth, but its hessian vanishes a few `smoothing` away from the target: boosters use the majorizer
    tanh(r / (2 s)) / (2 r), which tends to that of `Quantile`.

    Parameters
    ----------
    quantile : float, default 0.5
        The level q, a pure number; 0 < q < 1. The default is the median.
    smoothing : float, default 0.1
        The width s of the smoothing, in units of y; > 0. Large values are easier to train but biased: the
        prediction is the quantile of Y plus logistic noise of this scale. 5 to 20 % of the spread of the residuals
        is a good start; the default is meant for residuals of unit scale.

    Notes
    -----
    Tends to `Quantile` as `smoothing` tends to 0. The smallest value is not 0 but
    -s (q log q + (1 - q) log(1 - q)). ``SmoothQuantile(quantile=0.5, smoothing=0.5)`` is ``LogCosh() / 2`` plus log(2)
    / 2.

    References
    ----------
    S. Zheng, Gradient descent algorithms for quantile regression with smooth approximation, Int. J. Mach. Learn.
    Cybern. 2(3), 2011, 191-207.

    M. Fernandes, E. Guerre and E. Horta, Smoothing quantile regressions, J. Bus. Econ. Statist. 39(1), 2021, 338-357.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.SmoothQuantile(quantile=0.75, smoothing=0.5)
    >>> loss.gradient([0.0, 0.0, 0.0], [-5.0, 0.0, 5.0], reduction="sum").round(4)
    array([-0.75, -0.25,  0.25])
    """

    quantile: float = number(0.5, gt=0, lt=1)
    smoothing: float = number(0.1, gt=0)

    def _init_score(self, y: Array, w: Array) -> Any:
        shift = self.smoothing * (math.log(self.quantile) - math.log1p(-self.quantile))  # the minimiser for one target
        return _convex_minimum(self, y, w, start=weighted_quantile(y, w, self.quantile), shift=shift)


def _convex_minimum(loss: PointwiseLoss, y: Array, w: Array, start: float, shift: float = 0.0) -> float:
    """Newton's method for the minimum of a sum of convex losses, each of which is least at its target plus `shift`.

    Bisection replaces a step that leaves the bracket or is more than half of the last but one: far from the targets the
    hessian fades. The end is a slope that is 0 but for the rounding of its sum.
    """
    s, low, high = start, float(y.min()) + shift, float(y.max()) + shift
    last = last_but_one = math.inf
    for _ in range(200):
        gradient, hessian = loss.gradient_and_hessian(y, np.full_like(y, s), w, reduction="sum")
        slope, curvature = float(gradient.sum()), float(hessian.sum())
        if abs(slope) <= 4 * np.finfo(float).eps * float(np.abs(gradient).sum()):
            break
        low, high = (low, s) if slope > 0 else (s, high)
        step = -slope / curvature if curvature > 0 else math.inf
        if not low < s + step < high or abs(step) > last_but_one / 2:
            step = 0.5 * low + 0.5 * high - s
        if s + step == s:
            break
        s, last, last_but_one = s + step, abs(step), last
    return s


def _golden_section(function: Callable[[float], float], low: float, high: float) -> float:
    """A local minimum between two points (Kiefer 1953)."""
    ratio = 0.5 * (math.sqrt(5) - 1)
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(80):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return 0.5 * low + 0.5 * high
