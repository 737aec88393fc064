"""Distributional boosting with XGBoost, and intervals that cover
=================================================================

With the negative log-likelihood of a normal distribution as its loss, the estimator boosts two scores together, the
mean and the standard deviation of each row, so intervals can be wide where the data are noisy and narrow where they are
not. How often they cover the targets of held-out rows is printed, before and after a split conformal calibration (one
factor for all widths, from rows that no model has seen), next to intervals of constant width around a mean. The data
are synthetic.

Sources: Lakshminarayanan, Pritzel and Blundell (2017) for the loss; Romano, Patterson and Candes (2019) for the factor.
"""

import numpy as np

import fastloss as fl
from fastloss.adapters.xgboost import LossRegressor

LEVEL = 0.9

# %%
# Synthetic data: the first feature moves the mean, the second one the noise, six-fold from end to end.
rng = np.random.default_rng(0)
n = 6000
X = rng.uniform(-1, 1, size=(n, 5))
sigma = 0.3 * np.exp(0.9 * X[:, 1])
y = np.sin(3 * X[:, 0]) + sigma * rng.normal(size=n)
train, stop, calibrate, test = np.split(np.arange(n), [3000, 3600, 4500])

# %%
# Two models: the distribution, and the squared error, whose residuals give an interval of constant width.
settings = {"n_estimators": 500, "learning_rate": 0.05, "max_depth": 3, "early_stopping_rounds": 20, "n_jobs": 1}
options = {"eval_set": [(X[stop], y[stop])], "verbose": False}
distribution = LossRegressor(loss=fl.GaussianNLL(), **settings).fit(X[train], y[train], **options)
mean = LossRegressor(loss=fl.HalfSquaredError(), **settings).fit(X[train], y[train], **options)
print(f"trees: {distribution.best_iteration + 1} for the distribution, {mean.best_iteration + 1} for the mean alone")
learnt = np.corrcoef(np.log(distribution.predict_distribution(X[test]).std()), np.log(sigma[test]))[0, 1]
print(f"correlation of predicted and true log standard deviation, held out: {learnt:.3f}")


# %%
# A conformal factor: the quantile of the scaled residuals of rows kept aside, in units of the interval's half width.
def calibrated(centre, half_width):
    """Half widths that cover LEVEL of the rows that are kept aside for calibration."""
    scores = np.sort(np.abs(y[calibrate] - centre[calibrate]) / half_width[calibrate])
    return half_width * scores[int(np.ceil(LEVEL * (len(scores) + 1))) - 1]


predicted = distribution.predict_distribution(X)
low, high = predicted.interval(LEVEL)
centre, half_width = predicted.mean(), (high - low) / 2
flat_centre = mean.predict(X)
intervals = {
    "normal, as predicted": (centre, half_width),
    "normal, calibrated": (centre, calibrated(centre, half_width)),
    "constant width, calibrated": (flat_centre, calibrated(flat_centre, np.ones(n))),
}

# %%
# Coverage of the held-out rows, overall and in the quietest and the noisiest third of them.
third = np.digitize(X[test, 1], [-1 / 3, 1 / 3])
print(f"\n{'intervals of ' + format(LEVEL, '.0%'):28}{'coverage':>9}{'quiet third':>13}{'noisy third':>13}{'width':>7}")
gaps = {}
for name, (middle, half) in intervals.items():
    inside = np.abs(y[test] - middle[test]) <= half[test]
    quiet, noisy = inside[third == 0].mean(), inside[third == 2].mean()
    gaps[name] = abs(quiet - LEVEL) + abs(noisy - LEVEL)
    print(f"{name:28}{inside.mean():9.1%}{quiet:13.1%}{noisy:13.1%}{2 * half[test].mean():7.2f}")

# %%
# Conclusion, from the figures above.
print(f"\nClosest to {LEVEL:.0%} in both thirds: {min(gaps, key=gaps.get)}.")
