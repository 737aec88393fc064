"""Distributions as predictions: y_pred[..., 0] is the location or mean, y_pred[..., 1] the second parameter.

The second parameter is a variance, scale or dispersion, or its logarithm where the option named ``log_...`` is set.
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from .._base import Array, ArrayLike, PointwiseLoss
from .._domains import NON_NEGATIVE, REAL
from .._init_score import LARGEST_LOGIT, limited_log, mean, quantile, root
from .._links import IDENTITY_LOG, LOG_LOG
from .._optional import require
from .._parameters import flag, number
from .._registry import loss
from .._validation import as_array

__all__ = ["GaussianCRPS", "GaussianNLL", "LaplaceNLL", "NegativeBinomialNLL", "StudentTNLL"]

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

_DISTRIBUTIONS: dict[str, Any] = {"convex": False, "lipschitz": float("inf"), "proper": True}

_LOCATION_SCALE: dict[str, Any] = {
    **_DISTRIBUTIONS,
    "y_domain": REAL,
    "f_domain": lambda loss: (REAL, REAL if loss._is_raw else NON_NEGATIVE),
    "link": IDENTITY_LOG,
    "default_hessian": "fisher",
}


class _DistributionLoss(PointwiseLoss):
    """A loss of two predictions per sample."""

    n_predictions: ClassVar[int] = 2
    _raw: ClassVar[dict[str, Any]]

    def on_raw(self) -> Self:
        return dataclasses.replace(self, **self._raw)

    @property
    def _is_raw(self) -> bool:
        return all(getattr(self, name) == value for name, value in self._raw.items())

    def _scaled(self, name: str) -> str:
        return f"{name}_log" if self._is_raw else name

    def distribution(self, y_pred: ArrayLike) -> Any:
        """Return the predictions as a distribution of SciPy, which must be installed.

        Parameters
        ----------
        y_pred : array_like
            Predictions of shape S + (2,), on the scale of this object.

        Returns
        -------
        scipy.stats distribution
            Frozen, with parameters of shape S: ``.mean()``, ``.std()``, ``.interval(0.9)``, ``.logpdf(y)`` ...

        Raises
        ------
        ImportError
            If SciPy is missing.
        ValueError
            If the last axis of `y_pred` does not hold two parameters.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.GaussianNLL().distribution([[10.0, 4.0]]).std()  # doctest: +SKIP
        array([2.])
        """
        stats = require("scipy.stats", "1.13", "scipy", ("scipy",))
        f = as_array("y_pred", y_pred)
        if f.ndim == 0 or f.shape[-1] != 2:
            raise ValueError(f"y_pred must have a last axis of 2 parameters, got the shape {f.shape}")
        natural = self.link.inverse(f) if self._is_raw else f.astype(float)
        return self._frozen(stats, natural[..., 0], natural[..., 1])

    @abstractmethod
    def _frozen(self, stats: Any, location: Array, second: Array) -> Any:
        """The distribution of `scipy.stats` with these parameters on the natural scale."""


def _moments(y: Array, w: Array) -> tuple[float, float]:
    """The weighted mean and the logarithm of the variance; equal targets have exactly the variance 0."""
    deviation = y - y[0]
    shift = mean(deviation, w)
    deviation -= shift
    largest = float(np.max(np.abs(deviation)))
    if largest == 0:
        return float(y[0]), -float(LARGEST_LOGIT)
    return float(y[0] + shift), 2 * math.log(largest) + math.log(mean((deviation / largest) ** 2, w))


@loss(
    **_LOCATION_SCALE,
    aliases=("gnll", "normal_nll"),
    formula="(log v + r^2 / v) / 2, r = f[0] - y, v = f[1] or exp(f[1])",
    differentiability=lambda loss: "C0" if loss.eps > 0 else "C-inf",
    outliers="high",
    elicits="mean and variance",
    reference="D. A. Nix and A. S. Weigend, Estimating the mean and variance of the target probability distribution, "
    "ICNN 1994, 55-60.",
)
class GaussianNLL(_DistributionLoss):
    r"""Negative log-likelihood of a normal variable: predicts mean and variance together.

    .. math:: l = \tfrac{1}{2} \left( \log v + \frac{(m - y)^2}{v} \right)

    with m = f[0], and v = f[1] or :math:`v = e^{f_1}` for ``log_variance=True``.

    Use it for heteroscedastic regression and uncertainty heads, where the noise is about normal: a far target inflates
    mean and variance without bound. The exact hessian of the second parameter may be 0 or, on the natural scale,
    negative; boosters use the Fisher information, (1 / v, 1 / 2) on the log scale, with which a Newton step is a
    natural gradient step.

    Parameters
    ----------
    log_variance : bool, default False
        Whether y_pred[..., 1] holds the logarithm of the variance (any real number) instead of the variance (>= 0, in
        units of y squared).
    full : bool, default False
        Whether the value includes the constant log(2 pi) / 2. Derivatives do not change.
    eps : float, default 0.0
        Smallest variance: smaller ones count as `eps`, and their derivatives are 0, those of a constant; >= 0, in units
        of y squared, and 0 with ``log_variance=True``.

    Notes
    -----
    As `torch.nn.functional.gaussian_nll_loss`, whose `eps` is 1e-6 by default and lets gradients pass where it acts,
    and, with ``full=True``, minus `scipy.stats.norm.logpdf`. A fixed floor is wrong for targets of small scale: predict
    the logarithm instead.

    References
    ----------
    D. A. Nix and A. S. Weigend, Estimating the mean and variance of the target probability distribution, ICNN 1994,
    55-60.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GaussianNLL().value_and_gradient([0.0, 3.0], [[0.0, 1.0], [1.0, 1.0]], reduction="sum")
    (2.0, array([[ 0. ,  0.5],
           [-2. , -1.5]]))
    >>> fl.GaussianNLL(log_variance=True).hessian([3.0], [[1.0, 0.0]], hessian="fisher")
    array([[1. , 0.5]])
    """

    _raw: ClassVar[dict[str, Any]] = {"log_variance": True, "eps": 0.0}

    log_variance: bool = flag(False)
    full: bool = flag(False)
    eps: float = number(0.0, ge=0)

    def _check_parameters(self) -> None:
        if self.log_variance and self.eps > 0:
            raise ValueError(f"eps must be 0 with log_variance=True, where no floor is needed, got {self.eps}")

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        floor = () if self.log_variance else (self.eps,)
        return self._scaled("gaussian_nll"), (*floor, _HALF_LOG_2PI if self.full else 0.0)

    def _frozen(self, stats: Any, location: Array, second: Array) -> Any:
        return stats.norm(location, np.sqrt(second))

    def _init_score(self, y: Array, w: Array) -> Any:
        return np.array(_moments(y, w))


@loss(
    **_LOCATION_SCALE,
    formula="log b + |r| / b, r = f[0] - y, b = f[1] or exp(f[1])",
    differentiability="C0",
    outliers="low",
    elicits="median and mean absolute deviation from it",
    reference="S. Kotz, T. J. Kozubowski and K. Podgorski, The Laplace Distribution and Generalizations, 2001.",
)
class LaplaceNLL(_DistributionLoss):
    r"""Negative log-likelihood of a Laplace variable: predicts median and scale together.

    .. math:: l = \log b + \frac{|m - y|}{b}

    with m = f[0], and b = f[1] or :math:`b = e^{f_1}` for ``log_scale=True``.

    Use it for uncertainty under heavy-tailed noise: a far target pulls at the location with the limited force 1 / b. At
    the kink m = y the first gradient is 0. The exact hessian is 0 in the location and may be negative in the scale;
    boosters use the Fisher information, 1 / b^2 for both on the natural scale, (1 / b^2, 1) on the log scale.

    Parameters
    ----------
    log_scale : bool, default False
        Whether y_pred[..., 1] holds the logarithm of the scale (any real number) instead of the scale (>= 0, in units
        of y).
    full : bool, default False
        Whether the value includes the constant log 2. Derivatives do not change.

    Notes
    -----
    With ``full=True`` it is minus `torch.distributions.Laplace(m, b).log_prob(y)` and minus
    `scipy.stats.laplace.logpdf`. The standard deviation is b times the square root of 2.

    References
    ----------
    S. Kotz, T. J. Kozubowski and K. Podgórski, The Laplace Distribution and Generalizations, Birkhäuser, 2001.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.LaplaceNLL().value_and_gradient([0.0, 3.0], [[0.0, 1.0], [1.0, 1.0]], reduction="sum")
    (2.0, array([[ 0.,  1.],
           [-1., -1.]]))
    """

    _raw: ClassVar[dict[str, Any]] = {"log_scale": True}

    log_scale: bool = flag(False)
    full: bool = flag(False)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("laplace_nll"), (math.log(2) if self.full else 0.0,)

    def _frozen(self, stats: Any, location: Array, second: Array) -> Any:
        return stats.laplace(location, second)

    def _init_score(self, y: Array, w: Array) -> Any:
        m = quantile(y, w)
        return np.array([m, limited_log(mean(np.abs(y - m), w))])


def _student_constant(df: float) -> float:
    """Minus the logarithm of the density at 0 for scale 1."""
    x = df / 2
    if x > 50:  # the difference of the gamma functions would cancel; its series is exact here
        difference = 0.5 * math.log(x) - 1 / (8 * x) + 1 / (192 * x**3) - 1 / (640 * x**5)
    else:
        difference = math.lgamma(x + 0.5) - math.lgamma(x)
    return 0.5 * math.log(df * math.pi) - difference


@loss(
    **_LOCATION_SCALE,
    name="student_t_nll",
    aliases=("student_nll",),
    formula="log b + (df + 1) / 2 log(1 + (r / b)^2 / df), r = f[0] - y, b = f[1] or exp(f[1])",
    differentiability="C-inf",
    outliers="redescending",
    elicits="M-estimates of location and scale",
    reference="K. L. Lange, R. J. A. Little and J. M. G. Taylor, Robust statistical modeling using the t distribution, "
    "J. Amer. Statist. Assoc. 84(408), 1989, 881-896.",
)
class StudentTNLL(_DistributionLoss):
    r"""Negative log-likelihood of a Student t variable of fixed degrees of freedom: location and scale.

    .. math:: l = \log b + \frac{\nu + 1}{2} \log \left( 1 + \frac{z^2}{\nu} \right), \qquad z = \frac{m - y}{b}

    with :math:`\nu` = `df`, m = f[0], and b = f[1] or :math:`b = e^{f_1}` for ``log_scale=True``.

    Use it for noise with heavy tails, such as returns or sensors with glitches: the pull of a target on the location
    fades when it is far off. The exact hessian of the location is negative for such targets, and on the natural scale
    that of the scale may be; boosters use the Fisher information.

    Parameters
    ----------
    df : float, default 4.0
        Degrees of freedom; > 0. 1 is the Cauchy distribution; large values approach the normal one.
    log_scale : bool, default False
        Whether y_pred[..., 1] holds the logarithm of the scale (any real number) instead of the scale (>= 0, in units
        of y).
    full : bool, default False
        Whether the value includes the constant that normalises the density. Derivatives do not change.

    Notes
    -----
    With ``full=True`` it is minus `torch.distributions.StudentT(df, m, b).log_prob(y)` and minus
    `scipy.stats.t.logpdf`. The scale is not the standard deviation, which is b sqrt(df / (df - 2)) for df > 2.

    References
    ----------
    K. L. Lange, R. J. A. Little and J. M. G. Taylor, Robust statistical modeling using the t distribution, J. Amer.
    Statist. Assoc. 84(408), 1989, 881-896.

    J. T. Kent, D. E. Tyler and Y. Vardi, A curious likelihood identity for the multivariate t-distribution, Comm.
    Statist. Simulation Comput. 23(2), 1994, 441-453.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.StudentTNLL(df=3.0).gradient([0.0, 1.0], [[0.0, 1.0], [0.0, 1.0]], reduction="sum")
    array([[ 0.,  1.],
           [-1.,  0.]])
    """

    _raw: ClassVar[dict[str, Any]] = {"log_scale": True}

    df: float = number(4.0, gt=0)
    log_scale: bool = flag(False)
    full: bool = flag(False)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("student_t_nll"), (self.df, _student_constant(self.df) if self.full else 0.0)

    def _frozen(self, stats: Any, location: Array, second: Array) -> Any:
        return stats.t(self.df, location, second)

    def _init_score(self, y: Array, w: Array) -> Any:
        """EM from the median, with the scale step of Kent, Tyler and Vardi (1994): same limit, fewer steps."""
        values, inverse = np.unique(y, return_inverse=True)
        share = np.bincount(inverse, w) / np.sum(w)
        k, df = int(np.argmax(share)), self.df
        if share[k] > df / (df + 1):  # so many equal targets that the likelihood grows without bound as b -> 0
            return np.array([values[k], -LARGEST_LOGIT])
        median = quantile(y, w)
        deviation = values - median
        m, b = 0.0, mean(np.abs(deviation), share)
        for _ in range(1000):
            with np.errstate(divide="ignore", over="ignore"):
                z2 = ((deviation - m) / b) ** 2
                u, uz2 = share / (df + z2), share / (1 + df / z2)
            previous, m = m, mean(deviation, u)
            change = math.sqrt(float(np.sum(uz2) / np.sum(u)))
            b *= change
            if abs(m - previous) <= 1e-12 * b and abs(change - 1) <= 1e-12:
                break
        return np.array([median + m, math.log(b)])


@loss(
    **_LOCATION_SCALE,
    aliases=("crps", "crps_gaussian"),
    formula="d (z erf(z / sqrt 2) + 2 phi(z) - 1 / sqrt pi), z = (y - f[0]) / d, d^2 = f[1] or exp(f[1])",
    differentiability="C-inf",
    outliers="low",
    elicits="mean and variance of a normal forecast",
    reference="T. Gneiting, A. E. Raftery, A. H. Westveld and T. Goldman, Calibrated probabilistic forecasting using "
    "ensemble model output statistics and minimum CRPS estimation, Mon. Weather Rev. 133(5), 2005, 1098-1118.",
)
class GaussianCRPS(_DistributionLoss):
    r"""Continuous ranked probability score of a normal forecast: mean and variance, less sensitive to outliers.

    .. math:: l = d \left( z \operatorname{erf} \tfrac{z}{\sqrt 2} + 2 \varphi(z) - \tfrac{1}{\sqrt \pi} \right), \qquad
              z = \frac{y - m}{d}, \quad d = \sqrt v

    with :math:`\varphi` the standard normal density, m = f[0], and v = f[1] or :math:`v = e^{f_1}` for
    ``log_variance=True``.

    Use it for probabilistic forecasts whose outliers should pull with limited force; the parameters are those of
    `GaussianNLL`, so that the two can be exchanged. It has the unit of y and tends to the absolute error as v -> 0. The
    exact hessian fades in the location and may be negative in the variance; boosters use its expectation under the
    forecast.

    Parameters
    ----------
    log_variance : bool, default False
        Whether y_pred[..., 1] holds the logarithm of the variance (any real number) instead of the variance (>= 0, in
        units of y squared).

    Notes
    -----
    As `properscoring.crps_gaussian(y, m, sqrt(v))`.

    References
    ----------
    T. Gneiting, A. E. Raftery, A. H. Westveld and T. Goldman, Calibrated probabilistic forecasting using ensemble model
    output statistics and minimum CRPS estimation, Mon. Weather Rev. 133(5), 2005, 1098-1118.

    T. Gneiting and A. E. Raftery, Strictly proper scoring rules, prediction, and estimation, J. Amer. Statist. Assoc.
    102(477), 2007, 359-378.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.GaussianCRPS()([0.0, 2.0], [[0.0, 1.0], [1.0, 4.0]]), 6)
    0.448251
    """

    _raw: ClassVar[dict[str, Any]] = {"log_variance": True}

    log_variance: bool = flag(False)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("gaussian_crps"), ()

    def _frozen(self, stats: Any, location: Array, second: Array) -> Any:
        return stats.norm(location, np.sqrt(second))

    def _init_score(self, y: Array, w: Array) -> Any:
        """Newton with fisher curvature. The sum is convex in mean and deviation, so there is one minimum."""
        median = quantile(y, w)
        if np.sum(w[y == median]) >= math.sqrt(0.5) * np.sum(w):  # so many equal targets that the minimum is at d = 0
            return np.array([median, -LARGEST_LOGIT])
        raw, (m, log_variance) = self.on_raw(), _moments(y, w)
        deviation, f = y - m, np.array([0.0, log_variance])
        for _ in range(1000):
            everywhere = np.broadcast_to(f, (*y.shape, 2))
            g, h = raw.gradient_and_hessian(deviation, everywhere, w, reduction="sum", hessian="fisher")
            step = np.sum(g, axis=0) / np.sum(h, axis=0)
            f = f - step
            if abs(step[0]) <= 1e-12 * math.exp(f[1] / 2) and abs(step[1]) <= 1e-12:
                break
        return np.array([m + f[0], f[1]])


@loss(
    **_DISTRIBUTIONS,
    aliases=("nb_nll",),
    formula="(y + 1/a) log(1 + a mu) - y log mu - log(Gamma(y + 1/a) a^y / Gamma(1/a)), (mu, a) = f or exp(f)",
    differentiability="C-inf",
    outliers="high",
    elicits="mean and maximum-likelihood dispersion",
    y_domain=NON_NEGATIVE,
    f_domain=lambda loss: (REAL, REAL) if loss.log_input else (NON_NEGATIVE, NON_NEGATIVE),
    link=LOG_LOG,
    default_hessian="majorizer",
    reference="J. F. Lawless, Negative binomial and mixed Poisson regression, Canad. J. Statist. 15(3), 1987, 209-225.",
)
class NegativeBinomialNLL(_DistributionLoss):
    r"""Negative log-likelihood of a negative binomial variable: predicts mean and dispersion of counts together.

    .. math:: l = \left( y + \tfrac{1}{\alpha} \right) \log(1 + \alpha \mu) - y \log(\alpha \mu)
                  - \log \frac{\Gamma(y + 1 / \alpha)}{\Gamma(1 / \alpha)}

    with :math:`(\mu, \alpha) = (f_0, f_1)`, or :math:`(e^{f_0}, e^{f_1})` for ``log_input=True``; the variance is
    :math:`\mu + \alpha \mu^2` (NB2).

    Use it for count forecasts with an uncertainty, such as demand or gene expression; `NegativeBinomial` has a fixed
    dispersion. The exact hessian of the dispersion may be negative, and no Fisher information in closed form exists:
    boosters use a majorizer, which for the dispersion is the larger of the hessian and the absolute gradient.

    Parameters
    ----------
    log_input : bool, default False
        Whether y_pred holds the logarithms of both parameters (any real numbers) instead of mean and dispersion (>= 0).
    full : bool, default False
        Whether the value includes the constant log y!. Derivatives do not change.

    Notes
    -----
    With ``full=True`` it is minus `torch.distributions.NegativeBinomial(1 / a, logits=log(a * mu)).log_prob(y)`, minus
    `scipy.stats.nbinom.logpmf(y, 1 / a, 1 / (1 + a * mu))` and minus the log-likelihood of statsmodels'
    `NegativeBinomial(loglike_method="nb2")`. It stays accurate down to dispersions of 1e-8, where differences of gamma
    functions lose every digit. Targets may be any numbers >= 0.

    References
    ----------
    J. F. Lawless, Negative binomial and mixed Poisson regression, Canad. J. Statist. 15(3), 1987, 209-225.

    J. M. Hilbe, Negative Binomial Regression, 2nd ed., Cambridge University Press, 2011.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.NegativeBinomialNLL(full=True)([0, 3], [[1.0, 1.0], [1.0, 1.0]]), 6)
    1.732868
    """

    _raw: ClassVar[dict[str, Any]] = {"log_input": True}

    log_input: bool = flag(False)
    full: bool = flag(False)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("negative_binomial_nll_full" if self.full else "negative_binomial_nll"), ()

    def _frozen(self, stats: Any, location: Array, second: Array) -> Any:
        return stats.nbinom(1 / second, 1 / (1 + second * location))

    def _init_score(self, y: Array, w: Array) -> Any:
        """The likelihood is largest at the mean, whatever the dispersion."""
        raw, log_mean = self.on_raw(), limited_log(mean(y, w))
        values, inverse = np.unique(y, return_inverse=True)
        weights = np.bincount(inverse, w)

        def slope(log_dispersion: float) -> float:
            f = np.broadcast_to([log_mean, log_dispersion], (*values.shape, 2))
            return float(np.sum(raw.gradient(values, f, weights, reduction="sum")[:, 1]))

        return np.array([log_mean, root(slope, -18.0, 10.0)])
