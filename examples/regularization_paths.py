"""L1, L2 and elastic net: the coefficients along the penalty
============================================================

A penalty pulls coefficients to 0, each kind in its own way. Followed here from strong to weak, on the diabetes data of
scikit-learn with one feature twice: how many coefficients are left, what the twins do, and how the models predict rows
that they were not fitted to. Needs scikit-learn and matplotlib.
"""

# %%
# Least squares plus a penalty, fitted from the strongest to the weakest penalty, each from the solution of the last
# (``warm_start``). The last feature is a copy of the body mass index with a little noise.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import lasso_path
from sklearn.model_selection import KFold
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import fastloss as fl
from fastloss.adapters.sklearn import LinearLossRegressor

data = load_diabetes()
rng = np.random.default_rng(0)
bmi = data.feature_names.index("bmi")
twin = data.data[:, bmi] + 0.1 * data.data[:, bmi].std() * rng.normal(size=len(data.data))
X = StandardScaler().fit_transform(np.column_stack([data.data, twin]))
y = (data.target - data.target.mean()) / data.target.std()
PENALTIES = {"L1": fl.L1(), "L2": fl.L2(), "elastic net": fl.ElasticNet(l1_ratio=0.5)}
STRENGTHS = np.geomspace(1.0, 1e-3, 25)


def path(penalty: fl.penalties.Penalty, X: np.ndarray, y: np.ndarray, tol: float = 1e-6) -> list[np.ndarray]:
    """Intercept and coefficients for each strength."""
    model = LinearLossRegressor("half_squared_error", warm_start=True, tol=tol)
    found = []
    for strength in STRENGTHS:
        model.set_params(penalty=strength * penalty).fit(X, y)
        found.append(np.append(model.intercept_, model.coef_))
    return np.array(found)


paths = {name: path(penalty, X, y, tol=1e-10)[:, 1:] for name, penalty in PENALTIES.items()}

# %%
# Coefficients that are left. The L1 path is that of scikit-learn's coordinate descent.
print("coefficients that are not 0, and the two that belong to twins")
print(f"{'alpha':>8}" + "".join(f"{name:>12}{'bmi':>8}{'twin':>8}" for name in PENALTIES))
for k in range(0, len(STRENGTHS), 4):
    line = f"{STRENGTHS[k]:8.3f}"
    for coefficients in paths.values():
        row = coefficients[k]
        line += f"{np.count_nonzero(row):9} of {len(row)}"[-12:] + f"{row[bmi]:8.3f}{row[-1]:8.3f}"
    print(line)
_, theirs, _ = lasso_path(X, y, alphas=STRENGTHS, tol=1e-12, max_iter=100_000)
print(f"largest difference to scikit-learn's lasso_path: {np.abs(theirs.T - paths['L1']).max():.1e}")

# %%
# The error on held-out rows, here with all products of two features as well, which are too many: means over ten folds,
# and the best strength of each penalty.
X = StandardScaler().fit_transform(PolynomialFeatures(2, include_bias=False).fit_transform(X[:, :-1]))
folds = list(KFold(10, shuffle=True, random_state=0).split(X))
held_out = {name: [] for name in PENALTIES}
for name, penalty in PENALTIES.items():
    for train, test in folds:
        found = path(penalty, X[train], y[train])
        predictions = X[test] @ found[:, 1:].T + found[:, 0]
        held_out[name].append([fl.MeanSquaredError()(y[test], p) for p in predictions.T])
print(f"\n{'penalty':14}{'best alpha':>11}{'held-out error':>16}{'coefficients':>14}")
for name, errors in held_out.items():
    best = int(np.mean(errors, axis=0).argmin())
    count = np.count_nonzero(path(PENALTIES[name], X, y)[best, 1:])
    print(f"{name:14}{STRENGTHS[best]:11.4f}{np.mean(errors, axis=0)[best]:16.4f}{count:14}")
weakest = np.mean([np.mean(errors, axis=0)[-1] for errors in held_out.values()])
print(f"{'almost none':14}{STRENGTHS[-1]:11.4f}{weakest:16.4f}{X.shape[1]:14}")
lowest = {name: np.array(errors)[:, np.mean(errors, axis=0).argmin()] for name, errors in held_out.items()}
for name in ("L2", "elastic net"):
    difference = lowest[name] - lowest["L1"]
    error = difference.std(ddof=1) / np.sqrt(len(folds))
    clear = abs(difference.mean()) > 2 * error
    verdict = ("higher" if difference.mean() > 0 else "lower") if clear else "no clear difference"
    print(f"{name} against L1, fold by fold: {difference.mean():+.4f} (standard error {error:.4f}), {verdict}")

# %%
# Each line is a coefficient; the twins are thick.
plt.style.use("tableau-colorblind10")
figure, axes = plt.subplots(1, 3, figsize=(11, 4), sharey=True, layout="constrained")
for ax, (name, coefficients) in zip(axes, paths.items(), strict=True):
    ax.plot(STRENGTHS, np.delete(coefficients, [bmi, -1], axis=1), color="C2", lw=1.2)
    ax.plot(STRENGTHS, coefficients[:, bmi], color="C0", lw=2.5, label="body mass index")
    ax.plot(STRENGTHS, coefficients[:, -1], "--", color="C1", lw=2.5, label="its twin")
    ax.axhline(0, color="black", lw=0.8)
    ax.set(xscale="log", xlabel="strength alpha", title=name)
    ax.invert_xaxis()
axes[0].set_ylabel("coefficient")
axes[0].legend(loc="lower left")
plt.show()
