"""Robust regression with Tukey's biweight when some targets are wrong
======================================================================

One in seven targets of the diabetes data gets a decimal point in the wrong place. Four losses are fitted to what was
recorded, and compared by their error on held-out targets that are right, and by how far their predictions are from
those of least squares without a wrong target.

Needs scikit-learn. See `fastloss.adapters.sklearn.LinearLossRegressor`.
"""

# %%
# Data: standardised features, and targets of which some are ten times as large as they were.
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import fastloss as fl
from fastloss.adapters.sklearn import LinearLossRegressor

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

rng = np.random.default_rng(0)
wrong = rng.random(len(y_train)) < 1 / 7
recorded = np.where(wrong, 10 * y_train, y_train)
print(f"{wrong.sum()} of {len(wrong)} targets are ten times too large")

# %%
# Robust losses have a scale in the units of the target. A robust one is that of the residuals of the absolute error:
# their median absolute value, divided by 0.6745 to be a standard deviation where errors are normal.
absolute = LinearLossRegressor("mean_absolute_error").fit(X_train, recorded)
scale = np.median(np.abs(recorded - absolute.predict(X_train))) / 0.6745
print(f"scale of the residuals: {scale:.1f}\n")

# %%
# The constants are the usual ones, of 95 % efficiency where nothing is wrong.
losses = {
    "least squares": fl.HalfSquaredError(),
    "absolute error": fl.MeanAbsoluteError(),
    "Huber": fl.Huber(delta=1.345 * scale),
    "Tukey": fl.TukeyBiweight(c=4.685 * scale),
}
right = LinearLossRegressor().fit(X_train, y_train)
print(f"{'loss':<16}{'held-out mean abs. error':>26}{'distance to the right fit':>27}{'iterations':>12}")
errors = {}
for name, loss in losses.items():
    model = LinearLossRegressor(loss).fit(X_train, recorded)
    errors[name] = fl.MeanAbsoluteError()(y_test, model.predict(X_test))
    distance = np.sqrt(np.mean((model.predict(X_test) - right.predict(X_test)) ** 2))
    print(f"{name:<16}{errors[name]:>26.1f}{distance:>27.1f}{model.n_iter_:>12}")
best_possible = fl.MeanAbsoluteError()(y_test, right.predict(X_test))
print(f"{'nothing wrong':<16}{best_possible:>26.1f}")

# %%
# The weights of iteratively reweighted least squares, g / r: Tukey's are exactly 0 beyond c.
tukey = LinearLossRegressor(losses["Tukey"]).fit(X_train, recorded)
weights = tukey.loss_.hessian(recorded, tukey.predict(X_train), reduction="none", hessian="majorizer")
print(f"\nTukey's loss ignores {np.mean(weights[wrong] == 0):.0%} of the wrong rows", end=" ")
print(f"and {np.mean(weights[~wrong] == 0):.0%} of the right ones.")
best = min(errors, key=errors.get)
print(f"Lowest held-out error: {best}, {errors[best] / best_possible - 1:+.1%} against the fit without wrong targets;")
print(f"least squares: {errors['least squares'] / best_possible - 1:+.0%}.")
