"""Quantile bands with LightGBM, and their coverage
===================================================

Bands that are to hold nine targets in ten, and the median between them: from three models with one quantile each, and
from one model of all three. LightGBM's own objective ``"quantile"``, which sets leaves to the quantiles of their
residuals after each tree, is there to compare with. All models stop early on their own loss. Coverage is measured on
data that no model has seen, and corrected with further data. The data are synthetic, with noise that is skewed and
grows along one feature, so the true quantiles are known.
"""

# %%
# Data: y = f(x) + noise, the noise a gamma variate whose scale depends on x.

from time import perf_counter

import lightgbm
import numpy as np
from scipy.stats import gamma

import fastloss as fl
from fastloss.adapters.lightgbm import LossRegressor

QUANTILES = (0.05, 0.5, 0.95)
ASKED = QUANTILES[-1] - QUANTILES[0]


def draw(n, rng):
    """Features, targets, and the true quantiles."""
    x = rng.uniform(0, 1, size=(n, 5))
    location = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 5 * x[:, 2]
    scale = 0.3 + 2 * x[:, 3]
    noise = gamma(a=2.0)
    true = location[:, None] + scale[:, None] * noise.ppf(QUANTILES)
    return x, location + scale * noise.rvs(size=n, random_state=rng), true


rng = np.random.default_rng(0)
X, y, _ = draw(4000, rng)
X_stop, y_stop, _ = draw(2000, rng)
X_spare, y_spare, _ = draw(2000, rng)
X_test, y_test, true = draw(4000, rng)

# %%
# Three ways to three quantiles, each for the spare rows and those of the test.

settings = {"n_estimators": 1000, "num_leaves": 15, "learning_rate": 0.1, "n_jobs": 1, "verbose": -1}


def predict(model):
    """Train with early stopping and predict."""
    stopping = lightgbm.early_stopping(30, verbose=False)
    model.fit(X, y, eval_X=X_stop, eval_y=y_stop, callbacks=[stopping])  # before LightGBM 4.7: eval_set
    return model.predict(np.concatenate([X_spare, X_test]))


def separate():
    """One model for each quantile."""
    return np.stack([predict(LossRegressor(loss=fl.Quantile(quantile=q), **settings)) for q in QUANTILES], axis=1)


def joint():
    """One model of all quantiles: a tree for each of them in every round."""
    return predict(LossRegressor(loss=fl.MultiQuantile(quantiles=QUANTILES), **settings))


def built_in():
    """LightGBM's own objective, a model for each quantile."""
    return np.stack([predict(lightgbm.LGBMRegressor(objective="quantile", alpha=q, **settings)) for q in QUANTILES], 1)


# %%
# Held-out coverage, width, loss, and crossings: rows whose quantiles are out of order.

pinball = fl.MultiQuantile(quantiles=QUANTILES)
constant = np.broadcast_to(pinball.init_score(y), true.shape)
coverage, losses, bands = {}, {}, {}


def report(name, predicted, seconds=None):
    """Measure and print."""
    low, _, high = predicted.T
    coverage[name] = np.mean((low <= y_test) & (y_test <= high))
    losses[name] = pinball(y_test, predicted)
    below = " / ".join(f"{share:.3f}" for share in np.mean(y_test[:, None] <= predicted, axis=0))
    crossings = np.mean(np.any(np.diff(predicted, axis=1) < 0, axis=1))
    width = np.mean(high - low)
    time = "" if seconds is None else f"{seconds:9.2f}"
    print(f"{name:28}{coverage[name]:9.3f}   {below}{width:8.2f}{losses[name]:9.4f}{crossings:11.1%}{time}")


print(f"{'':28}{'coverage':>9}   {'below each quantile':21}{'width':>8}{'loss':>9}{'crossings':>11}{'seconds':>9}")
for name, method in {"separate models": separate, "one model": joint, "LightGBM's quantile": built_in}.items():
    start = perf_counter()
    bands[name] = method()
    report(name, bands[name][len(X_spare) :], perf_counter() - start)
report("the true quantiles", true)
report("the best constants", constant)

# %%
# Trees that fit the quantiles of their rows are too sure of themselves. Conformal correction (Romano, Patterson and
# Candes, 2019) widens a band by as much as it takes to hold nine in ten of the spare targets.

print("\nafter conformal correction")
for name, predicted in bands.items():
    low, _, high = predicted[: len(X_spare)].T
    level = ASKED * (1 + 1 / len(y_spare))
    shift = np.quantile(np.maximum(low - y_spare, y_spare - high), level, method="higher")
    report(f"{name} + {shift:.2f}", predicted[len(X_spare) :] + shift * np.array([-1, 0, 1]))

# %%
# What the figures say.

error = np.sqrt(ASKED * (1 - ASKED) / len(y_test))
avoidable = losses["the best constants"] - losses["the true quantiles"]
print()
for name in bands:
    (corrected,) = (key for key in coverage if key.startswith(f"{name} + "))
    off = [(coverage[key] - ASKED) / error for key in (name, corrected)]
    share = (losses["the best constants"] - losses[name]) / avoidable
    print(f"{name}: {share:.0%} of the avoidable loss; coverage is {off[0]:+.1f} standard errors", end="")
    print(f" from {ASKED:.1f}, and {off[1]:+.1f} after correction")
print(f"Lowest held-out loss: {min(bands, key=losses.get)}; best coverage: ", end="")
print(min(bands, key=lambda name: abs(coverage[name] - ASKED)))
