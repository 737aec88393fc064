"""Gradient descent against Newton's method, on logistic regression and on the lasso
====================================================================================

Both minimise the same objective from the same start. Shown are the iterations, calls and milliseconds that each needs,
how the error falls from one iteration to the next, what a step that is too long does, and how an L1 penalty selects
features through its proximal map. The data are the breast cancer and the diabetes sets of scikit-learn.
"""

# %%
# Logistic regression with a little ridge: smooth and strictly convex, so that there is one minimum to find.
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.preprocessing import StandardScaler

import fastloss as fl
from fastloss.optim import gradient_descent, linear, newton

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
loss = fl.BinaryCrossEntropy(from_logits=True)
objective = linear(loss, X, y, penalty=fl.L2(alpha=0.01), fit_intercept=True, hessian="exact")
best = newton(objective, tol=1e-13)

# The largest curvature of the objective bounds the steps that converge: 2 / curvature. The loss has at most 1/4.
with_ones = np.column_stack([X, np.ones(len(X))])
curvature = np.linalg.eigvalsh(with_ones.T @ with_ones / len(X))[-1] / 4 + 0.01

runs = {
    "constant step": gradient_descent(objective, step=1 / curvature, max_iter=10_000),
    "backtracking": gradient_descent(objective, max_iter=10_000),
    "heavy ball": gradient_descent(objective, step=1 / curvature, momentum=0.9, max_iter=10_000),
    "Nesterov": gradient_descent(objective, step=1 / curvature, nesterov=True, max_iter=10_000),
    "Barzilai-Borwein": gradient_descent(objective, step="barzilai_borwein"),
    "Newton": newton(objective, tol=1e-6),
}
print(f"logistic regression, {X.shape[0]} samples, {objective.size} parameters, until the gradient is below 1e-6")
print(f"{'':18}{'iterations':>11}{'calls':>7}{'ms':>8}{'  distance to the minimum'}")
for name, run in runs.items():
    distance = np.abs(run.x - best.x).max()
    milliseconds = 1e3 * run.history.time[-1]
    print(f"{name:18}{run.n_iter:11}{run.n_evaluations:7}{milliseconds:8.1f}{distance:12.1e}")

fewest = min(runs, key=lambda name: runs[name].n_iter)
fastest = min(runs, key=lambda name: runs[name].history.time[-1])
print(f"fewest iterations: {fewest}; least time here: {fastest}\n")

# %%
# Gradient descent gains a fixed share of a digit in each iteration, Newton's method doubles the digits it has.
last = runs["constant step"].history.gradient_norm[-6:]
print("gradients of the last iterations with a constant step:", *(f"{g:.2e}" for g in last))
print("gradients of all iterations of Newton's method:       ", *(f"{g:.1e}" for g in best.history.gradient_norm))
rate = last[-1] / last[-2]
digits = -np.log10(best.history.gradient_norm)
print(f"share of the gradient that is left after a constant step: {rate:.4f}")
print(f"digits of Newton's method in the last iterations: {', '.join(f'{d:.1f}' for d in digits[-4:])}\n")

# %%
# Twice the limit is too long for a parabola: the iterates swing further and further out, which the result reports.
X, y = load_diabetes(return_X_y=True)
X, y = StandardScaler().fit_transform(X), StandardScaler().fit_transform(y[:, None])[:, 0]
least_squares = linear(fl.HalfSquaredError(), X, y)
limit = 2 / np.linalg.eigvalsh(X.T @ X / len(X))[-1]
for factor in (0.9, 2.0):
    run = gradient_descent(least_squares, step=factor * limit, max_iter=3000)
    print(f"step {factor} times the limit: {'converged' if run.converged else 'not converged'}, {run.message}")
print()

# %%
# The lasso: the same call with an L1 penalty takes proximal steps, and coefficients become exactly 0.
print("lasso on the diabetes data")
print(f"{'alpha':>7}{'selected':>10}{'proximal gradient':>19}{'proximal Newton':>17}  largest difference")
for alpha in (0.01, 0.05, 0.2):
    lasso = linear(fl.HalfSquaredError(), X, y, penalty=fl.L1(alpha))
    first, second = gradient_descent(lasso, nesterov=True, tol=1e-8), newton(lasso)
    difference = np.abs(first.x - second.x).max()
    counts = f"{first.n_iter:8} iterations{second.n_iter:6} iterations"
    print(f"{alpha:7}{np.count_nonzero(first.x):10}{counts}{difference:12.1e}")
