"""Slices of the objective of a model: functions of one or two numbers around a point in the space of its parameters.

Design. Whatever comes becomes a function of a vector that returns value and gradient, and the vector in the middle.
That of a linear model is `LinearObjective`, that of a network writes the vector into a copy of the network. A slice
moves from the middle along one or two directions.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike
from .._linear import LinearObjective
from .._linear_solvers import minimize
from .._registry import get
from ..nn import Dropout, Network

Objective = Callable[[Array], tuple[float, Array]]


@dataclasses.dataclass(frozen=True, eq=False)
class Plane:
    """An objective on a line or in a plane.

    Attributes
    ----------
    fun : callable
        From a vector of parameters to value and gradient.
    center : ndarray of shape (size,)
        The middle.
    directions : ndarray of shape (1, size) or (2, size)
        What one unit of the picture is.
    names : tuple of str
        Of the directions.
    """

    fun: Objective
    center: Array
    directions: Array
    names: tuple[str, ...]

    def at(self, *t: float) -> tuple[float, Array]:
        """The value, and the derivatives along the directions, at some position."""
        value, gradient = self.fun(self.center + np.asarray(t) @ self.directions)
        return float(value), self.directions @ np.ravel(gradient)

    def table(self, axes: list[Array]) -> tuple[Array, Array]:
        """The same on a grid: shapes (n,) and (n, 1), or (n, m) and (n, m, 2), the second axis upwards."""
        mesh = np.meshgrid(*axes)
        found = [self.at(*t) for t in zip(*(m.ravel().tolist() for m in mesh), strict=True)]
        shape = mesh[0].shape
        return np.array([v for v, _ in found]).reshape(shape), np.array([g for _, g in found]).reshape(*shape, -1)

    def slope(self, t: Array) -> Array:
        """The derivative along the only direction."""
        return np.array([self.at(x)[1][0] for x in t.tolist()])

    def positions(self, path: ArrayLike) -> Array:
        """Where points in the space of parameters lie in the picture: their projections."""
        points = np.asarray(path, float).reshape(-1, self.center.size)
        return np.asarray(np.linalg.lstsq(self.directions.T, (points - self.center).T, rcond=None)[0].T)


def of_function(
    fun: Any, center: ArrayLike, directions: Any = None, random_state: Any = None, blocks: Any = None
) -> Plane:
    """The plane of a function of an array that returns value and gradient, or of an object with ``fun_grad``."""
    call = getattr(fun, "fun_grad", fun)
    if not callable(call):
        raise TypeError(f"fun must be callable or have a method fun_grad, got {type(fun).__name__}")
    given = np.array(check.as_array("center", center), float)
    middle = given.ravel()
    if not middle.size or not np.isfinite(middle).all():
        raise ValueError("center must hold finite numbers, at least one")
    rows, names = _directions(directions, middle, random_state, blocks)

    def flat(x: Array) -> tuple[float, Array]:
        value, gradient = call(x.reshape(given.shape))
        return value, np.ravel(gradient)

    return Plane(flat, middle, rows, names)


def _directions(wanted: Any, center: Array, random_state: Any, blocks: Any) -> tuple[Array, tuple[str, ...]]:
    if wanted is None:
        wanted = list(range(min(2, center.size))) if blocks is None else "random"
    if isinstance(wanted, str):
        check.one_of("directions", wanted, ("random",))
        rows = np.random.default_rng(random_state).standard_normal((min(2, center.size), center.size))
        for part in blocks if blocks is not None else [slice(None)]:
            length = np.linalg.norm(center[part])
            for row in rows:
                row[part] *= length / max(np.linalg.norm(row[part]), np.finfo(float).tiny)
        if not rows.any(axis=1).all():
            raise ValueError("directions must be given around a center of zeros, whose length random ones would take")
        return rows, ("random direction 1", "random direction 2")[: len(rows)]
    several = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
    if len(several) not in (1, 2):
        raise ValueError(f"directions must be one or two, got {len(several)}")
    rows, names = np.zeros((len(several), center.size)), []
    for k, one in enumerate(several):
        if np.ndim(one) == 0:
            index = check.integer("directions", one)
            if not -center.size <= index < center.size:
                raise ValueError(f"directions must be below {center.size}, the number of parameters, got {index}")
            rows[k, index] = 1.0
            names.append(f"parameter {index % center.size}")
        else:
            vector = np.asarray(check.as_array("directions", one), float).ravel()
            if vector.size != center.size or not vector.any():
                raise ValueError(f"directions must be {center.size} numbers that are not all 0, got {vector.size}")
            rows[k] = vector
            names.append(f"direction {k + 1}")
    if np.linalg.matrix_rank(rows) < len(rows):
        raise ValueError("directions must not be parallel")
    return rows, tuple(names)


def of_linear_model(
    loss: Any,
    X: Any,
    y: ArrayLike,
    *,
    center: Any = None,
    directions: Any = None,
    random_state: Any = None,
    **options: Any,
) -> Plane:
    """The plane of the objective of a linear model, around its minimum by default."""
    objective = LinearObjective(loss, X, y, **{"fit_intercept": True, **options})
    if center is None:
        solver = "bfgs" if objective.smooth else "proximal"
        center = minimize(objective, objective.initial(), solver, 1000, 1e-8).theta
    plane = of_function(objective, center, directions, random_state)
    return dataclasses.replace(plane, names=tuple(_linear_name(name, objective) for name in plane.names))


def _linear_name(name: str, objective: LinearObjective) -> str:
    if not name.startswith("parameter "):
        return name
    k, width = int(name.split()[1]), objective.shape[-1]
    if k >= objective.n_coef:
        return "intercept" if not objective.outputs else f"intercept {k - objective.n_coef}"
    return f"coefficient {k}" if not objective.outputs else f"coefficient {k % width} of score {k // width}"


def of_estimator(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    *,
    loss: Any = None,
    directions: Any = None,
    random_state: Any = None,
    **options: Any,
) -> Plane:
    """The plane of the training loss of a fitted linear model or of a network of `nn`, around its parameters."""
    loss = getattr(estimator, "loss_", None) if loss is None else loss
    if loss is None:
        raise ValueError(f"loss must be given: {type(estimator).__name__} does not say what it minimised")
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        from ..adapters.sklearn import scorer

        y = scorer(loss, response="decision_function").encoded(y, np.asarray(classes))
    if hasattr(estimator, "network_"):
        return _of_network(estimator, get(loss).on_raw(), X, y, directions, random_state, **options)
    if not hasattr(estimator, "coef_"):
        raise TypeError(f"estimator must be a fitted linear model or network, got {type(estimator).__name__}")
    objective = LinearObjective(
        loss, X, y, fit_intercept=True, n_outputs=None if classes is None else max(len(classes), 2), **options
    )
    coef = np.asarray(estimator.coef_, float).reshape(objective.shape)
    center = objective.join(coef, np.reshape(estimator.intercept_, objective.outputs))
    return of_linear_model(
        loss,
        X,
        y,
        center=center,
        directions=directions,
        random_state=random_state,
        n_outputs=None if classes is None else max(len(classes), 2),
        **options,
    )


def _of_network(
    estimator: Any, loss: Any, X: Any, y: Any, directions: Any, random_state: Any, sample_weight: Any = None
) -> Plane:
    """A network's plane; random directions have, for each unit, the length of its weights (Li et al., 2018)."""
    network: Network = copy.deepcopy(estimator.network_)
    for layer in network.layers:
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    rows = np.asarray(X, network.parameters[0].dtype)
    ends = np.cumsum([0, *(p.size for p in network.parameters)])

    def fun(theta: Array) -> tuple[float, Array]:
        for parameter, start in zip(network.parameters, ends[:-1], strict=True):
            parameter[...] = theta[start : start + parameter.size].reshape(parameter.shape)
        raw = network.forward(rows, training=True)
        scores = raw if np.ndim(estimator.init_score_) else raw[:, 0]
        value, slope = loss.value_and_gradient(y, scores, sample_weight)
        network.backward(slope.reshape(raw.shape))
        return value, np.concatenate([g.ravel() for g in network.gradients])

    center = np.concatenate([p.ravel() for p in network.parameters]).astype(float)
    blocks = []
    for parameter, start in zip(network.parameters, ends[:-1].tolist(), strict=True):
        step = parameter.shape[-1] if parameter.ndim == 2 else 1  # weights into a unit are a column
        blocks += [slice(start + k, start + parameter.size, step) for k in range(step)]
    return of_function(fun, center, directions, random_state, blocks)
