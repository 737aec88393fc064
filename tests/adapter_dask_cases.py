"""What runs on a cluster of processes; test_adapter_dask.py starts each case: python adapter_dask_cases.py NAME."""

from __future__ import annotations

import sys

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

import fastloss as fl
from fastloss.adapters.dask import as_dask, linear_objective


def data(n: int = 4000, chunk: int = 500):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 5))
    y = X[:, 0] ** 2 + X[:, 1] + 0.3 * rng.standard_t(2, n)
    return X, y, da.from_array(X, chunks=(chunk, 5)), da.from_array(y, chunks=chunk)


def test_losses(client) -> None:
    rng = np.random.default_rng(0)
    y, f, w = *rng.standard_normal((2, 100_000)), rng.random(100_000)
    Y, F, W = (da.from_array(x, chunks=9_000) for x in (y, f, w))
    loss = fl.Huber()
    value = as_dask(loss)(Y, F, W).compute()
    assert abs(value - loss(y, f, w)) <= np.spacing(value), (value, loss(y, f, w))
    g = client.persist(as_dask(loss).gradient(Y, F, W))
    np.testing.assert_allclose(g.compute(), loss.gradient(y, f, w), rtol=1e-14)


def test_xgboost_objective(client) -> None:
    import xgboost.dask as dxgb

    from fastloss.adapters.xgboost import metric, objective

    _, y, DX, Dy = data()
    train = dxgb.DaskDMatrix(client, DX, Dy)
    loss = fl.PseudoHuber(delta=1.0)
    parameters = {"tree_method": "hist", "base_score": 0.0, "max_depth": 4, "nthread": 1}
    result = dxgb.train(
        client,
        parameters,
        train,
        num_boost_round=30,
        obj=objective(loss).native,
        custom_metric=metric(loss).native,
        evals=[(train, "train")],
        verbose_eval=False,
    )
    predicted = dxgb.predict(client, result["booster"], DX).compute()
    constant = loss(y, np.full(len(y), loss.init_score(y)))
    assert loss(y, predicted) < 0.6 * constant, (loss(y, predicted), constant)
    history = list(result["history"]["train"].values())[-1]
    assert abs(history[-1] - loss(y, predicted)) < 1e-3, (history[-1], loss(y, predicted))


def test_lightgbm_objective(client) -> None:
    import lightgbm

    from fastloss.adapters.lightgbm import objective

    _, y, DX, Dy = data()
    loss = fl.PseudoHuber(delta=1.0)
    model = lightgbm.DaskLGBMRegressor(
        client=client, objective=objective(loss), n_estimators=30, num_leaves=15, verbose=-1, n_jobs=1
    )
    predicted = model.fit(DX, Dy).predict(DX).compute()
    constant = loss(y, np.full(len(y), loss.init_score(y)))
    assert loss(y, predicted) < 0.6 * constant, (loss(y, predicted), constant)


def test_linear_model_larger_than_a_worker_with_scipy(client) -> None:
    """500 MB of features, four workers of 300 MB: blocks are made anew in each pass and never held."""
    from scipy.optimize import minimize

    rng = da.random.default_rng(0)
    X = rng.standard_normal((2_000_000, 32), chunks=(50_000, 32))
    coef = np.linspace(-1, 1, 32)
    y = X @ coef + 0.5 + 0.1 * rng.standard_normal(2_000_000, chunks=50_000)
    objective = linear_objective("huber", X, y, fit_intercept=True)
    found = minimize(objective.fun_grad, objective.initial(), jac=True, method="L-BFGS-B", options={"maxiter": 20})
    fitted, intercept = objective.split(found.x)
    assert X.nbytes > 1.5 * 300e6
    np.testing.assert_allclose(fitted, coef, atol=2e-3)
    assert abs(intercept - 0.5) < 2e-3


if __name__ == "__main__":
    memory = "300MB" if "larger" in sys.argv[1] else "auto"
    with (
        LocalCluster(
            n_workers=4, threads_per_worker=1, processes=True, memory_limit=memory, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        globals()[f"test_{sys.argv[1]}"](client)
