"""The monitor itself: what it measures and keeps."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, Loss
from .._histories import is_held_out
from .._inputs import InputsLoss
from .._registry import get
from . import _files
from ._bar import KINDS, Bar
from ._callback import Callback
from ._models import Rows, checked_init_score, checked_predict, labels_for, own_loss, shaped


class LossMonitor(Callback):
    """Watches a training: a callback for Keras 3, XGBoost, LightGBM, `fastloss.optim` and `fastloss.nn`.

    Records after each iteration the losses of training and held-out rows, by any losses of this package, and whatever
    the trainer reports itself; shows progress; can be plotted and saved. A new training starts a new record.

    Parameters
    ----------
    loss : Loss, str, dict, or sequence of those, optional
        What to compute, beside what the trainer reports. Boosters, optimisers and `fastloss.nn` are judged on the raw
        scale, Keras on the scale that the loss says, as in `fastloss.adapters.keras.as_keras_loss`.
    training, validation : (X, y) or (X, y, sample_weight), optional
        Rows to compute them for, as the model takes them, with targets as the loss takes them; for XGBoost also a
        matrix with labels. Needed with a loss.
    predict : callable, optional
        ``(model, X) -> predictions`` as the losses take them, in the place of what is done by default. `model` is what
        the trainer hands over: a Keras model, a booster, the vector of an optimiser (by default the parameters of
        `fastloss.optim.linear`), an estimator.
    init_score : float or array_like of shape (K,), default 0.0
        Added to the raw scores of LightGBM, whose predictions leave out the one of its training set.
    every : int, default 1
        Record each so many iterations.
    show : {"auto", "bar", "lines", "tqdm", "none"}, default "auto"
        Progress on stderr: a bar; at most a line each two seconds; that of tqdm. ``"auto"`` is tqdm if it is installed,
        else a bar, on a terminal and in notebooks, and lines elsewhere.
    total : int, optional
        How many iterations there will be, where the trainer does not say so.

    Attributes
    ----------
    losses : dict of Loss
        What is computed, by name.
    history : dict of ndarray
        ``"iteration"`` (1 after the first; optimisers start with 0), ``"time"`` in seconds, and a series for each loss,
        as ``"training huber"``, ``"validation huber"``; those of the trainer under its names. NaN where there is none.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    See Also
    --------
    fastloss.plotting.ConvergenceDisplay : Draws monitors and other histories beside each other.
    fastloss.guide.diagnose : Looks for problems in a history.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([1.0, 3.0, 5.0, 9.0])
    >>> monitor = fl.LossMonitor("mae", validation=(X[2:], y[2:]))
    >>> objective = fl.optim.linear("mse", X[:2], y[:2], fit_intercept=True)
    >>> _ = fl.optim.newton(objective, callback=monitor)
    >>> monitor.history["validation mean_absolute_error"].round(4)
    array([5., 1.])

    With the libraries themselves::

        monitor = fl.LossMonitor("huber", training=(X, y), validation=(X_valid, y_valid))
        model.fit(X, y, epochs=20, verbose=0, callbacks=[monitor])                       # Keras
        xgboost.train(params, train, 100, callbacks=[monitor])
        lightgbm.train(params, train, 100, callbacks=[monitor])
        monitor.plot()
        monitor.save("run.csv")

    In a training loop of your own:

    >>> monitor = fl.LossMonitor(show="none")
    >>> for epoch in range(3):
    ...     monitor.record(training=1 / (1 + epoch))
    >>> monitor.best()
    (3, 0.3333333333333333)
    """

    def __init__(
        self,
        loss: Any = None,
        *,
        training: Any = None,
        validation: Any = None,
        predict: Any = None,
        init_score: Any = 0.0,
        every: int = 1,
        show: str = "auto",
        total: int | None = None,
    ) -> None:
        several = isinstance(loss, (list, tuple))
        found = [] if loss is None else [get(each) for each in (loss if several else [loss])]
        for each in found:
            if isinstance(each, InputsLoss):
                raise ValueError(f"loss must be a loss of predictions, got {each!r}")
        named = [each.info.name for each in found]
        self.losses: dict[str, Loss] = {
            repr(each) if named.count(each.info.name) > 1 else each.info.name: each for each in found
        }
        rows = (("training", training), ("validation", validation))
        self.rows = [Rows(part, given) for part, given in rows if given is not None]
        if bool(self.losses) != bool(self.rows):
            raise ValueError(
                "loss must be given together with training or validation: one says what, the other of which"
            )
        self.predict, self.init_score = checked_predict(predict), checked_init_score(init_score)
        self.every = check.positive_integer("every", every)
        self.show = check.one_of("show", show, KINDS)
        self.total = None if total is None else check.positive_integer("total", total)
        self._model: Any = None
        self._epochs: int | None = None
        self._begin()

    def __repr__(self) -> str:
        names = [name for name in self.columns if name not in ("iteration", "time")]
        return f"<LossMonitor of {len(self.columns['iteration'])} iterations: {', '.join(names) or 'nothing yet'}>"

    def __getstate__(self) -> dict[str, Any]:
        """All but the model and the bar, which is open."""
        return vars(self) | {"_model": None, "_bar": None}

    # ---- the record ----

    def _begin(self, total: int | None = None) -> None:
        self.columns = {"iteration": [], "time": []}
        self._total = total or self.total
        self._start = time.perf_counter()
        self._bar: Bar | None = None
        for rows in self.rows:
            rows.forget()

    def record(self, iteration: int | None = None, /, **values: float) -> None:
        """Add an iteration, in a training loop of your own.

        Parameters
        ----------
        iteration : int, optional
            Its number; by default the next.
        **values : float
            Losses and scores by name.
        """
        last = self.columns["iteration"][-1] if self.columns["iteration"] else 0
        self._record(int(last) + 1 if iteration is None else check.integer("iteration", iteration), values)

    def _record(self, iteration: int, values: dict[str, Any], seconds: float | None = None) -> None:
        n = len(self.columns["iteration"])
        seconds = time.perf_counter() - self._start if seconds is None else seconds
        numbers = {name: float(value) for name, value in values.items() if np.ndim(value) == 0}
        row = {"iteration": float(iteration), "time": seconds, **numbers}
        for name in row:
            self.columns.setdefault(name, [math.nan] * n)
        for name, column in self.columns.items():
            column.append(row.get(name, math.nan))
        if self._bar is None:
            self._bar = Bar(self.show, "training", self._total)
        self._bar.update(iteration, ", ".join(f"{name} {x:.6g}" for name, x in list(row.items())[2:6]))

    def close(self) -> None:
        """End the progress bar; trainers that tell of their end do so."""
        if self._bar is not None:
            self._bar.close()

    @property
    def history(self) -> dict[str, Array]:
        """The record, as columns."""
        return {name: np.array(values) for name, values in self.columns.items()}

    def best(self, name: str | None = None) -> tuple[int, float]:
        """Return the iteration of the smallest value of a series, and that value.

        Parameters
        ----------
        name : str, optional
            A key of `history`; by default the first series of held-out rows, or else the first.

        Returns
        -------
        iteration : int
        value : float

        Raises
        ------
        ValueError
            If there is no such series, or nothing in it.
        """
        names = [key for key in self.columns if key not in ("iteration", "time")]
        if name is None:
            name = next((key for key in names if is_held_out(key)), names[0] if names else "")
        if name not in names or np.all(np.isnan(self.columns[name])):
            raise ValueError(f"name must be a series with numbers, of {names}, got {name!r}")
        k = int(np.nanargmin(self.columns[name]))
        return int(self.columns["iteration"][k]), self.columns[name][k]

    def _measured(self, model: Any, kind: str, raw: bool, **known: Any) -> dict[str, float]:
        """The losses of all rows, given how a trainer of some kind predicts."""
        found = {}
        for rows in self.rows:
            if self.predict is not None:
                scores, losses = self.predict(model, rows.X), self.losses
            else:
                losses = own_loss(self.losses, raw)
                scores = self._scores(kind, model, rows, next(iter(losses.values())), known)
            for name, loss in losses.items():
                f = shaped(loss, scores, rows.y)
                found[f"{rows.part} {name}"] = float(loss(labels_for(loss, rows.y, f), f, rows.w))
        return found

    def _scores(self, kind: str, model: Any, rows: Rows, loss: Loss, known: dict[str, Any]) -> Array:
        if kind == "keras":
            return np.asarray(model.predict(rows.X, verbose=0))
        if kind == "lightgbm":
            return rows.of_lightgbm(model, known["params"]) + self.init_score
        if kind == "xgboost":
            return rows.of_xgboost(model)
        if kind == "optim":
            return rows.of_linear(model, loss)
        return np.asarray(model._raw_scores(rows.X))

    # ---- pictures and files ----

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the record.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new by default.
        **options
            As for `fastloss.plotting.ConvergenceDisplay.from_histories`.

        Returns
        -------
        fastloss.plotting.ConvergenceDisplay
        """
        from ..plotting import ConvergenceDisplay

        return ConvergenceDisplay.from_histories(self, ax=ax, **options)

    def save(self, path: Any) -> None:
        """Write the record to a file.

        Parameters
        ----------
        path : str or Path
            Ends in ``.csv`` (a table; empty cells are NaN) or ``.json`` (with the configurations of the losses).

        Raises
        ------
        ValueError
            If it ends in something else.
        """
        _files.write(path, self.columns, {name: loss.config() for name, loss in self.losses.items()})

    @classmethod
    def load(cls, path: Any) -> LossMonitor:
        """Read a record that `save` wrote, or any table of numbers with a line of names.

        Parameters
        ----------
        path : str or Path
            Ends in ``.csv`` or ``.json``.

        Returns
        -------
        LossMonitor
            With the record, and from JSON the losses; it has no rows to compute them for.

        Raises
        ------
        ValueError
            If the file is not such a record.
        """
        columns, losses = _files.read(path)
        monitor = cls()
        n = len(next(iter(columns.values()), []))
        first = {"iteration": [float(k + 1) for k in range(n)], "time": [math.nan] * n}
        monitor.columns = first | columns
        monitor.losses = {name: get(config) for name, config in losses.items()}
        return monitor
