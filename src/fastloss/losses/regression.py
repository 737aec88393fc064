"""Regression losses: r = y_pred - y_true."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._base import Array, PointwiseLoss
from .._domains import REAL
from .._init_score import local_minimum
from .._links import IDENTITY
from .._parameters import number
from .._registry import loss

__all__ = ["Huber", "MeanSquaredError"]

_REGRESSION: dict[str, Any] = {"y_domain": REAL, "f_domain": REAL, "link": IDENTITY, "proper": None}


@loss(
    **_REGRESSION,
    aliases=("mse", "l2", "squared_error"),
    formula="r^2",
    convex=True,
    differentiability="C-inf",
    lipschitz=float("inf"),
    outliers="high",
    elicits="mean",
    default_hessian="exact",
    reference="C. F. Gauss, Theoria motus corporum coelestium, 1809.",
)
class MeanSquaredError(PointwiseLoss):
    """TODO."""

    def _init_score(self, y: Array, w: Array) -> Any:
        return np.average(y, weights=w)


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
    As `torch.nn.functional.huber_loss`, Keras `huber`, optax `huber_loss` and scikit-learn's `HuberLoss`.

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
        return local_minimum(self, y, w)
