"""Early stopping on the loss that counts, with XGBoost
=======================================================

An estimator stops when its own loss, or another one that its user cares about, no longer falls on rows that it has not
seen. The same metrics serve XGBoost's own estimators and its native interface. The data are the progression of diabetes
in 442 patients, which ship with scikit-learn.
"""

import xgboost
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

import fastloss as fl
from fastloss.adapters.xgboost import LossRegressor, metric, objective

X, y = load_diabetes(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
X_fit, X_stop, y_fit, y_stop = train_test_split(X, y, test_size=0.3, random_state=0)
settings = {"learning_rate": 0.05, "max_depth": 3, "n_jobs": 1}
options = {"eval_set": [(X_stop, y_stop)], "verbose": False}
quantile = fl.Quantile(quantile=0.8)

# %%
# The estimator stops on the loss itself. Compare with all of the trees.
model = LossRegressor(loss=quantile, n_estimators=500, early_stopping_rounds=20, **settings).fit(
    X_fit, y_fit, **options
)
history = model.evals_result()["validation_0"][quantile.info.name]
print(f"{quantile} stopped after {len(history)} trees, the best had {model.best_iteration + 1}")

full = LossRegressor(loss=quantile, n_estimators=500, **settings).fit(X_fit, y_fit)
stopped, all_trees = quantile(y_test, model.predict(X_test)), quantile(y_test, full.predict(X_test))
print(f"held-out loss: {stopped:.2f} with the best number of trees, {all_trees:.2f} with all 500")
print(f"Early stopping {'lowers' if stopped < all_trees else 'does not lower'} it, by {1 - stopped / all_trees:.1%}.")

# %%
# Train with one loss, stop on another: the smooth log-cosh for the trees, the absolute error for the decision.
smooth = LossRegressor(
    loss=fl.LogCosh(), eval_metric=metric("mae"), n_estimators=500, early_stopping_rounds=20, **settings
).fit(X_fit, y_fit, **options)
print(f"\nLogCosh, stopped on the absolute error: {smooth.best_iteration + 1} trees, best {smooth.best_score:.2f}")

# %%
# XGBoost's own estimator with its own objective: its metrics get predictions, not raw scores, so `raw=False`.
own = xgboost.XGBRegressor(
    objective="count:poisson",
    eval_metric=metric(fl.Poisson(), raw=False),
    n_estimators=500,
    early_stopping_rounds=20,
    **settings,
).fit(X_fit, y_fit, **options)
print(f"XGBRegressor, count:poisson, stopped on fastloss' Poisson deviance: {own.best_iteration + 1} trees")

# %%
# The native interface: the methods `native` of objective and metric. Here nobody divides by the unit of the curvature,
# as the estimator does: so no penalty that is added to it, and no least sum.
train, stop = xgboost.DMatrix(X_fit, y_fit), xgboost.DMatrix(X_stop, y_stop)
parameters = {"eta": 0.05, "max_depth": 3, "nthread": 1, "lambda": 0, "min_child_weight": 0}
booster = xgboost.train(
    {"base_score": quantile.init_score(y_fit), "disable_default_eval_metric": True, **parameters},
    train,
    500,
    evals=[(stop, "stop")],
    obj=objective(quantile).native,
    custom_metric=metric(quantile).native,
    early_stopping_rounds=20,
    verbose_eval=False,
)
best = booster.predict(xgboost.DMatrix(X_test), iteration_range=(0, booster.best_iteration + 1))
print(f"xgboost.train: {booster.best_iteration + 1} trees, held-out loss {quantile(y_test, best):.2f}")
