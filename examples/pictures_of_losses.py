"""
Pictures of losses
==================

What the displays of ``fastloss.plotting`` show: curves with exact kinks, the influence of an outlier, the loss of a
linear model around its minimum, and the course of a training.
"""

import numpy as np

import fastloss as fl
from fastloss.plotting import (
    ConvergenceDisplay,
    GradientFieldDisplay,
    LossCurveDisplay,
    LossSurfaceDisplay,
    OutlierInfluenceDisplay,
)

# %%
# Curves
# ------
#
# A gradient that jumps is drawn as a jump, and what the loss says at the kink as a dot.

losses = ["half_squared_error", "mae", fl.Huber(delta=1.0), fl.TukeyBiweight(c=3.0)]
curves = LossCurveDisplay.from_loss(losses, between=(-4.0, 4.0), terms=("value", "gradient", "hessian"))
kink = curves.curves[1].traces["gradient"].jumps[0]
print(f"The gradient of the absolute error jumps from {kink.left:g} to {kink.right:g} at {kink.x:g}.")

# %%
# The predictions of a model, on the curve of its loss.

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 1))
y = 2 * X[:, 0] + 1 + 0.5 * rng.standard_t(1.5, 80)
fit = fl.optim.newton(fl.optim.linear(fl.Huber(delta=0.5), X, y, fit_intercept=True))
predictions = X[:, 0] * fit.x[0] + fit.x[1]
points = LossCurveDisplay.from_predictions(fl.Huber(delta=0.5), y, predictions)

# %%
# One outlier
# -----------
#
# The mean follows it, the median stops, a redescending loss comes back.

influence = OutlierInfluenceDisplay.from_loss(losses, outlier=(-12.0, 12.0))
for line in influence.influences:
    pull = line.share.y[-1]
    print(f"{line.name:22} an outlier at 12 has {pull:4.0%} of the gradient, the constant is {line.constant.y[-1]:.3f}")

# %%
# A model
# -------
#
# The loss of a linear model, and the way of gradient descent to its minimum.

way = []
objective = fl.optim.linear("mae", X, y, fit_intercept=True)
fl.optim.gradient_descent(objective, [-1.0, -1.0], max_iter=60, callback=lambda state: way.append(state.x.copy()))
surface = LossSurfaceDisplay.from_loss("mae", X, y, path=way)
field = GradientFieldDisplay.from_loss(fl.TukeyBiweight(), X, y, span=2.5)

# %%
# Along one parameter the loss of the absolute error has a corner at each row, and its derivative a jump.

derivative = GradientFieldDisplay.from_loss("mae", X[:10], y[:10], directions=-1, span=3.0)
print(f"{len(derivative.traces['gradient'].jumps)} of 10 rows have their kink in the picture.")

# %%
# A training
# ----------

labels = (X[:, 0] + rng.logistic(size=80) > 0).astype(int)
features = np.hstack([X, X**2, X**3])
logistic = fl.optim.linear("binary_cross_entropy", features, labels, penalty=fl.L2(1e-3))
runs = {
    "gradient descent": fl.optim.gradient_descent(logistic, max_iter=300),
    "with Nesterov's momentum": fl.optim.gradient_descent(logistic, nesterov=True, max_iter=300),
    "Newton": fl.optim.newton(logistic),
}
convergence = ConvergenceDisplay.from_histories(runs, what="gap")
for name, run in runs.items():
    print(f"{name}: {run.n_iter} iterations")
