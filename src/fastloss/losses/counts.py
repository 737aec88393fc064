"""Counts and positive targets: f is the rate, or with ``log_input=True`` its logarithm.

All are deviances that elicit the mean: the gradient is (f - y) / V(f), V the variance as a function of the mean. Terms
that do not depend on f are dropped, so the minimum over f, at f = y, is not 0.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Self

from .._base import Array, PointwiseLoss
from .._domains import NON_NEGATIVE, POSITIVE, REAL
from .._init_score import limited_log, mean
from .._links import LOG
from .._parameters import choice, flag, number
from .._registry import loss

__all__ = ["Gamma", "NegativeBinomial", "Poisson", "Tweedie"]

_COUNTS: dict[str, Any] = {
    "differentiability": "C-inf",
    "lipschitz": float("inf"),
    "outliers": "high",
    "proper": None,
    "elicits": "mean",
    "link": LOG,
}

_NATURAL_AND_LOG: dict[str, Any] = {
    "f_domain": lambda loss: REAL if loss.log_input else NON_NEGATIVE,
    "default_hessian": lambda loss: "exact" if loss.log_input else "majorizer",
}


class _RateLoss(PointwiseLoss):
    """A loss of a rate or its logarithm."""

    log_input: bool
    _raw: ClassVar[dict[str, Any]] = {"log_input": True}

    def on_raw(self) -> Self:
        return dataclasses.replace(self, **self._raw)

    def _scaled(self, name: str) -> str:
        return f"{name}_log" if self.log_input else name

    def _init_score(self, y: Array, w: Array) -> Any:
        return limited_log(mean(y, w))


@loss(
    **_COUNTS,
    **_NATURAL_AND_LOG,
    aliases=("poisson_nll",),
    formula="mu - y log mu, mu = f or exp(f)",
    convex=True,
    y_domain=NON_NEGATIVE,
    reference="P. McCullagh and J. A. Nelder, Generalized Linear Models, 2nd ed., Chapman and Hall, 1989.",
)
class Poisson(_RateLoss):
    r"""Negative log-likelihood of a Poisson variable: for counts whose variance is about their mean.

    .. math:: l = \mu - y \log \mu

    with :math:`\mu` = f, or :math:`\mu = e^f` for ``log_input=True``.

    Use it for event counts and for rates: divide the count by the exposure and give the exposure as the weight. On the
    log scale the exact hessian e^f is positive; on the natural scale it is 0 for y = 0, and boosters use the majorizer
    max(y, f) / f^2.

    Parameters
    ----------
    log_input : bool, default False
        Whether y_pred holds log-rates (any real number) instead of rates (>= 0).
    full : {False, True, "stirling"}, default False
        Whether the value includes the constant log y! (for real y the logarithm of the gamma function at y + 1).
        "stirling" adds its approximation for y > 1, as torch does. Derivatives do not change.

    Notes
    -----
    Targets may be any numbers >= 0. As `torch.nn.functional.poisson_nll_loss(..., eps=0)`, whose default is
    ``log_input=True`` and whose ``full=True`` is "stirling" here; scikit-learn's `HalfPoissonLoss` on the log scale,
    Keras `poisson` but for the 1e-7 that it adds to rates, CatBoost `Poisson`. XGBoost and LightGBM multiply the
    hessian e^f by e^0.7 unless told otherwise.

    References
    ----------
    P. McCullagh and J. A. Nelder, Generalized Linear Models, 2nd ed., Chapman and Hall, 1989.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Poisson().value_and_gradient([0, 3], [1.0, 1.0], reduction="sum")
    (2.0, array([ 1., -2.]))
    >>> fl.Poisson(log_input=True).hessian([0, 3], [0.0, 0.0], reduction="sum")
    array([1., 1.])
    """

    log_input: bool = flag(False)
    full: bool | str = choice(False, (False, True, "stirling"))

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        name = "poisson" if self.full is False else "poisson_full" if self.full is True else "poisson_stirling"
        return self._scaled(name), ()


@loss(
    **_COUNTS,
    **_NATURAL_AND_LOG,
    aliases=("gamma_nll",),
    formula="log mu + y / mu, mu = f or exp(f)",
    convex=lambda loss: loss.log_input,
    y_domain=POSITIVE,
    reference="P. McCullagh and J. A. Nelder, Generalized Linear Models, 2nd ed., Chapman and Hall, 1989.",
)
class Gamma(_RateLoss):
    r"""Negative log-likelihood of a gamma variable of unit shape: for positive amounts with relative errors.

    .. math:: l = \log \mu + \frac{y}{\mu}

    with :math:`\mu` = f, or :math:`\mu = e^f` for ``log_input=True``.

    Use it for positive amounts with a constant coefficient of variation, such as claims and durations. A shape k
    multiplies the loss by k: use the weight. On the log scale the exact hessian y e^-f is positive but underflows far
    above the target, where ``hessian="fisher"``, which is 1, stays robust; on the natural scale it is negative for
    f > 2 y, and boosters use the majorizer max(2 y - f, f) / f^3.

    Parameters
    ----------
    log_input : bool, default False
        Whether y_pred holds logarithms of the mean (any real number) instead of means (>= 0).

    Notes
    -----
    Targets must be > 0; with exact zeros use `Tweedie` with a power between 1 and 2. As scikit-learn's `HalfGammaLoss`
    on the log scale, XGBoost ``reg:gamma`` and LightGBM ``gamma``.

    References
    ----------
    P. McCullagh and J. A. Nelder, Generalized Linear Models, 2nd ed., Chapman and Hall, 1989.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Gamma().value_and_gradient([2.0, 0.5], [1.0, 1.0], reduction="sum")
    (2.5, array([-1. ,  0.5]))
    >>> fl.Gamma(log_input=True).hessian([2.0, 0.5], [0.0, 0.0], reduction="sum")
    array([2. , 0.5])
    """

    log_input: bool = flag(False)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        return self._scaled("gamma_nll"), ()


def _tweedie_convex(loss: Tweedie) -> bool:
    return 1 <= loss.power <= 2 if loss.log_input else loss.power <= 1


def _tweedie_default_hessian(loss: Tweedie) -> str:
    positive = 1 <= loss.power <= 2 if loss.log_input else loss.power == 0
    return "exact" if positive else "majorizer"


@loss(
    **_COUNTS,
    formula="mu^(2-p) / (2-p) - y mu^(1-p) / (1-p), p = power, mu = f or exp(f)",
    convex=_tweedie_convex,
    y_domain=lambda loss: REAL if loss.power == 0 else NON_NEGATIVE if loss.power < 2 else POSITIVE,
    f_domain=lambda loss: REAL if loss.log_input or loss.power == 0 else NON_NEGATIVE,
    default_hessian=_tweedie_default_hessian,
    reference="B. Jorgensen, Exponential dispersion models, J. R. Stat. Soc. B 49(2), 1987, 127-162.",
)
class Tweedie(_RateLoss):
    r"""Deviance with variance :math:`\mu^p`: between 1 and 2 for amounts that are often exactly 0.

    .. math:: l = \frac{\mu^{2 - p}}{2 - p} - \frac{y \mu^{1 - p}}{1 - p}, \qquad
              \frac{\partial l}{\partial \mu} = (\mu - y) \mu^{-p}

    with p = `power` and :math:`\mu` = f, or :math:`\mu = e^f` for ``log_input=True``. Power 0 is half the squared
    error, 1 is `Poisson`, 2 is `Gamma`, 3 the inverse Gaussian.

    Use it for claims, rain, sales: many exact zeros and a skewed positive rest (power between 1 and 2). On the log
    scale the exact hessian is positive for powers from 1 to 2; elsewhere, and on the natural scale, it may be negative,
    and boosters use a majorizer, the larger of hessian and expected hessian.

    Parameters
    ----------
    power : float, default 1.5
        Exponent of the variance; 0 or >= 1. Targets must be >= 0 for powers below 2, > 0 from there; any for 0.
    log_input : bool, default False
        Whether y_pred holds logarithms of the mean (any real number) instead of means (>= 0, for power 0 any).

    Notes
    -----
    As scikit-learn's `HalfTweedieLoss` on the log scale, XGBoost ``reg:tweedie``, LightGBM ``tweedie`` and CatBoost
    `Tweedie`; twice the excess over the minimum is scikit-learn's `mean_tweedie_deviance`. As constants are dropped,
    the value is not continuous in `power` at 0, 1 and 2; derivatives are.

    References
    ----------
    B. Jørgensen, Exponential dispersion models, J. R. Stat. Soc. B 49(2), 1987, 127-162.

    P. K. Dunn and G. K. Smyth, Series evaluation of Tweedie exponential dispersion model densities, Stat. Comput. 15,
    2005, 267-280.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.Tweedie(power=1.5).value_and_gradient([0.0, 3.0], [1.0, 1.0], reduction="sum")
    (10.0, array([ 1., -2.]))
    >>> fl.Tweedie(power=2, log_input=True).hessian([3.0], [0.0]) == fl.Gamma(log_input=True).hessian([3.0], [0.0])
    array([ True])
    """

    power: float = number(1.5)
    log_input: bool = flag(False)

    def _check_parameters(self) -> None:
        if self.power != 0 and self.power < 1:
            raise ValueError(f"power must be 0 or >= 1, got {self.power}")

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        special = {0.0: "tweedie_normal", 1.0: "poisson", 2.0: "gamma_nll"}.get(self.power)
        return (self._scaled(special), ()) if special else (self._scaled("tweedie"), (self.power,))

    @property
    def hessian_policies(self) -> tuple[str, ...]:
        """The curvatures that `hessian=` accepts: no majorizer where the exact hessian is positive anyway."""
        policies = super().hessian_policies
        positive = self.log_input and 1 <= self.power <= 2
        return tuple(policy for policy in policies if policy != "majorizer" or not positive)


@loss(
    **_COUNTS,
    **_NATURAL_AND_LOG,
    aliases=("nb2",),
    formula="(y + 1/a) log(1 + a mu) - y log mu, a = dispersion, mu = f or exp(f)",
    convex=lambda loss: loss.log_input,
    y_domain=NON_NEGATIVE,
    reference="J. F. Lawless, Negative binomial and mixed Poisson regression, Canad. J. Statist. 15(3), 1987, 209-225.",
)
class NegativeBinomial(_RateLoss):
    r"""Negative log-likelihood of a negative binomial variable of known dispersion: for over-dispersed counts.

    .. math:: l = \left( y + \tfrac{1}{\alpha} \right) \log(1 + \alpha \mu) - y \log \mu

    with :math:`\alpha` = `dispersion` and :math:`\mu` = f, or :math:`\mu = e^f` for ``log_input=True``; the variance is
    :math:`\mu + \alpha \mu^2` (NB2).

    Use it for counts that vary more than Poisson ones, with a known or tuned dispersion; `NegativeBinomialNLL` predicts
    it too. Counts far above the rate pull less than in `Poisson`, and those far below it with at most 1 / dispersion on
    the log scale. There the exact hessian is positive, and a majorizer exists with which a full Newton step never
    increases the loss; on the natural scale it may be negative, and boosters use the majorizer.

    Parameters
    ----------
    dispersion : float, default 1.0
        Excess of the variance over the mean, in units of the squared mean; > 0. Near 0 the loss becomes `Poisson`.
    log_input : bool, default False
        Whether y_pred holds log-rates (any real number) instead of rates (>= 0).

    Notes
    -----
    As statsmodels `families.NegativeBinomial(alpha)`, whose log-likelihood differs by a function of y. Targets may be
    any numbers >= 0.

    References
    ----------
    J. F. Lawless, Negative binomial and mixed Poisson regression, Canad. J. Statist. 15(3), 1987, 209-225.

    J. M. Hilbe, Negative Binomial Regression, 2nd ed., Cambridge University Press, 2011.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.NegativeBinomial(dispersion=1.0).gradient([0, 3], [1.0, 1.0], reduction="sum")
    array([ 0.5, -1. ])
    >>> round(fl.NegativeBinomial(dispersion=0.5, log_input=True)([0, 4], [0.0, 1.0]), 6)
    0.980358
    """

    dispersion: float = number(1.0, gt=0)
    log_input: bool = flag(False)

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        own = (math.log(self.dispersion),) if self.log_input else ()
        return self._scaled("negative_binomial"), (self.dispersion, *own)
