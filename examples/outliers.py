"""Squared, absolute and Huber loss on data with and without outliers
=====================================================================

A straight line is fitted by three losses to clean data, to data with wrong targets, and to data with a few wrong rows
far away from the others. How far is the fitted slope from the true one, over many data sets? Needs scikit-learn and
matplotlib.
"""

# %%
# The true slope is 2, the noise has standard deviation 1. A wrong target lies 20 too low; a wrong row has x = 10, where
# no other is, and a target of 0.
import matplotlib.pyplot as plt
import numpy as np

import fastloss as fl
from fastloss.adapters.sklearn import LinearLossRegressor

SLOPE, ROWS, DATA_SETS = 2.0, 100, 150
LOSSES = {"squared": fl.MeanSquaredError(), "absolute": fl.MeanAbsoluteError(), "Huber": fl.Huber(delta=1.345)}


def sample(seed: int, wrong_targets: float, wrong_rows: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, targets, and which rows are wrong."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 3, ROWS)
    y = SLOPE * x + rng.normal(size=ROWS)
    wrong = (x > 1.5) & (rng.random(ROWS) < 2 * wrong_targets)
    y[wrong] -= 20
    far = rng.random(ROWS) < wrong_rows
    x[far], y[far] = 10.0, 0.0
    return x[:, None], y, wrong | far


# %%
# The root of the mean squared error of the slope over the data sets, and its standard error.


def error_of_slope(loss: fl.Loss, **shares: float) -> tuple[float, float]:
    """How far fitted slopes are from the true one."""
    squares = []
    for seed in range(DATA_SETS):
        X, y, _ = sample(seed, **shares)
        squares.append((LinearLossRegressor(loss).fit(X, y).coef_[0] - SLOPE) ** 2)
    error = np.sqrt(np.mean(squares))
    return error, np.std(squares) / np.sqrt(DATA_SETS) / (2 * error)


cases = {f"{share:.0%} wrong targets": {"wrong_targets": share} for share in (0.0, 0.05, 0.1, 0.2)}
cases["2% wrong rows far away"] = {"wrong_targets": 0.0, "wrong_rows": 0.02}
errors = {case: [error_of_slope(loss, **shares) for loss in LOSSES.values()] for case, shares in cases.items()}
print(f"error of the slope, which is {SLOPE}, in {DATA_SETS} data sets of {ROWS} rows, with its standard error")
print(f"{'':24}" + "".join(f"{name:>17}" for name in LOSSES))
for case, found in errors.items():
    print(f"{case:24}" + "".join(f"{error:9.3f} ({spread:.3f})" for error, spread in found))

# %%
# Why: a residual pulls with the derivative of the loss. That of the squared loss grows with the residual, the others
# are bounded. None of the three is bounded in x: the pull on the slope is the derivative times x, so that a far row
# moves every one of these lines.
X, y, wrong = sample(0, wrong_targets=0.1)
true_line = SLOPE * X[:, 0]
print(f"\nshare of the {wrong.sum()} wrong targets in the whole pull on the true line, of {ROWS} rows:")
for name, loss in LOSSES.items():
    pull = np.abs(loss.gradient(y, true_line, reduction="sum"))
    print(f"{name:10}{pull[wrong].sum() / pull.sum():6.0%}, largest pull of one row {pull.max():.2f}")

# %%
# The first data set with one wrong target in ten, and the error of the slope as wrong targets become more.
plt.style.use("tableau-colorblind10")
styles = dict(zip(LOSSES, (("C1", "--", "s"), ("C3", ":", "^"), ("C0", "-", "o")), strict=True))
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.plot(X[~wrong], y[~wrong], ".", color="C2", label="right")
left.plot(X[wrong], y[wrong], "x", color="black", label="wrong")
ends = np.array([[0.0], [3.0]])
shares = [case["wrong_targets"] for case in list(cases.values())[:-1]]
for place, (name, loss) in enumerate(LOSSES.items()):
    color, line, marker = styles[name]
    left.plot(ends, LinearLossRegressor(loss).fit(X, y).predict(ends), line, color=color, lw=2, label=name)
    found = [row[place][0] for row in list(errors.values())[:-1]]
    right.plot(np.multiply(shares, 100), found, line, color=color, marker=marker, label=name)
left.set(xlabel="x", ylabel="y", title="Lines fitted to data with wrong targets")
left.legend(ncols=2)
right.set(xlabel="wrong targets, %", ylabel="error of the slope", yscale="log", title="Error against wrong targets")
right.legend()
plt.show()
