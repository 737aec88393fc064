"""What trainers call: the methods of a callback of LightGBM, XGBoost, Keras, `fastloss.optim` and `fastloss.nn`.

Design. They call different methods, of which one clashes: `before_iteration` is a method for XGBoost, and for LightGBM
a flag which asks whether to be called before iterations. It is an object that can be called and counts as False.
XGBoost also insists on its own base class; that is abstract, so the class of a monitor is registered with it when
XGBoost looks at one, and nobody but its user imports XGBoost.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from typing import Any, ClassVar


class _Never:
    """What LightGBM takes for False and XGBoost for a method that asks it to go on."""

    def __bool__(self) -> bool:
        return False

    def __call__(self, *arguments: Any, **named: Any) -> bool:
        return False


class Callback:
    """A callback for all of them, in terms of four methods."""

    before_iteration: ClassVar[_Never] = _Never()
    async_safe: ClassVar[bool] = True  # for Keras: nothing happens in batches
    every: int
    columns: dict[str, list[float]]
    _model: Any
    _epochs: int | None

    @abstractmethod
    def _begin(self, total: int | None = None) -> None:
        """Begin a new record, of so many iterations."""

    @abstractmethod
    def _record(self, iteration: int, values: dict[str, Any], seconds: float | None = None) -> None:
        """Add an iteration."""

    @abstractmethod
    def _measured(self, model: Any, kind: str, raw: bool, **known: Any) -> dict[str, float]:
        """The losses of all rows, given how a trainer of some kind predicts."""

    @abstractmethod
    def close(self) -> None:
        """End."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The class, registered with XGBoost's if that is there: this is where ``isinstance`` looks."""
        callbacks = sys.modules.get("xgboost.callback")
        if callbacks is not None:
            callbacks.TrainingCallback.register(type(self))
        return type(self)

    def _due(self, iteration: int) -> bool:
        return iteration % self.every == 0

    # ---- fastloss.optim, fastloss.nn and LightGBM: called ----

    def __call__(self, state: Any) -> None:
        """Record an iteration of LightGBM, of an optimiser, or of a network of `fastloss.nn`.

        Parameters
        ----------
        state : CallbackEnv of LightGBM, fastloss.optim.State, or estimator
            What those hand over.
        """
        if hasattr(state, "evaluation_result_list"):
            self._after_lightgbm(state)
        elif hasattr(state, "gradient_norm") and hasattr(state, "x"):
            if state.iteration == 0:
                self._begin()
            if self._due(state.iteration):
                reported = {"value": state.value, "gradient_norm": state.gradient_norm, "step": state.step}
                self._record(state.iteration, reported | self._measured(state.x, "optim", True), state.time)
        elif hasattr(state, "loss_curve_"):
            if state.n_iter_ == 1:
                self._begin(state.epochs)
            if self._due(state.n_iter_):
                reported = {"training": state.loss_curve_[-1]}
                if state.validation_curve_:
                    reported["validation"] = state.validation_curve_[-1]
                self._record(state.n_iter_, reported | self._measured(state, "network", True))
            if state.n_iter_ == state.epochs:
                self.close()
        else:
            raise TypeError(f"state must come from LightGBM, fastloss.optim or fastloss.nn, got {type(state).__name__}")

    def _after_lightgbm(self, env: Any) -> None:
        if env.iteration == env.begin_iteration or not self.columns["iteration"]:
            self._begin(env.end_iteration)
        iteration = env.iteration + 1
        if self._due(iteration):
            values = {f"{entry[0]} {entry[1]}": entry[2] for entry in env.evaluation_result_list or []}
            if not hasattr(env.model, "boosters"):  # those of a cross-validation have no rows in common
                values |= self._measured(env.model, "lightgbm", True, params=env.params)
            self._record(iteration, values)
        if iteration == env.end_iteration:
            self.close()

    # ---- XGBoost ----

    def before_training(self, model: Any) -> Any:
        """Begin; called by XGBoost."""
        self._begin()
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Record an iteration of XGBoost; never asks to stop."""
        if self._due(epoch + 1):
            last = {f"{part} {metric}": v[-1] for part, log in evals_log.items() for metric, v in log.items()}
            values = {name: v[0] if isinstance(v, tuple) else v for name, v in last.items()}
            if not hasattr(model, "cvfolds"):
                values |= self._measured(model, "xgboost", True)
            self._record(epoch + 1, values)
        return False

    def after_training(self, model: Any) -> Any:
        """End; called by XGBoost."""
        self.close()
        return model

    # ---- Keras ----

    def set_params(self, params: dict[str, Any]) -> None:
        """Take the number of epochs; called by Keras."""
        self._epochs = params.get("epochs")

    def set_model(self, model: Any) -> None:
        """Take the model; called by Keras."""
        self._model = model

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin; called by Keras."""
        self._begin(self._epochs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record an epoch; called by Keras."""
        if self._due(epoch + 1):
            self._record(epoch + 1, dict(logs or {}) | self._measured(self._model, "keras", False))

    def on_train_end(self, logs: Any = None) -> None:
        """End; called by Keras."""
        self.close()


def _nothing(self: Callback, *arguments: Any, **named: Any) -> None:
    """Do nothing; called by Keras."""


for _part in ("train", "test", "predict"):
    for _when in ("batch_begin", "batch_end", *(() if _part == "train" else ("begin", "end"))):
        setattr(Callback, f"on_{_part}_{_when}", _nothing)
for _name in ("on_batch_begin", "on_batch_end", "on_epoch_begin"):
    setattr(Callback, _name, _nothing)
