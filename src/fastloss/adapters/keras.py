"""Losses for Keras 3 on its PyTorch or JAX backend, on the CPU. Importing this module does not import Keras."""

from __future__ import annotations

from functools import cache
from typing import Any

from .._inputs import InputsLoss
from .._optional import require
from .._regions import RegionLoss
from .._registry import get

__all__ = ["as_keras_loss"]


def as_keras_loss(loss: Any, *, reduction: str = "sum_over_batch_size", name: str | None = None) -> Any:
    """Make a Keras loss, for `Model.compile`.

    Gradients are those of the kernels, by `fastloss.adapters.torch` or `fastloss.adapters.jax`: the model trains on
    the CPU, or on JAX with a trip there for each batch.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss of one input, its name, or its configuration. As in Keras, predictions are on the scale that the loss
        says: probabilities and rates, unless ``from_logits=True`` or ``log_input=True``.
    reduction : str, default "sum_over_batch_size"
        How Keras reduces the values of a batch.
    name : str, optional
        What Keras calls it; by default the name of the loss.

    Returns
    -------
    keras.losses.Loss
        Takes weights and masks as all of them do. Models that are compiled with it can be saved and loaded, once this
        function was called in the process that loads.

    Raises
    ------
    ImportError
        If Keras is missing or older than 3.0, or runs on another backend.
    TypeError, ValueError
        If the loss is unknown or of several inputs.

    Notes
    -----
    As in Keras, targets of the shape (n,) go with predictions of the shape (n, 1), and labels of the shape (n, 1) with
    those of K classes.

    Examples
    --------
    With Keras itself::

        model.compile(optimizer="adam", loss=as_keras_loss(fl.BinaryFocal(gamma=2.0)))
        model.fit(X, y, sample_weight=w)
    """
    keras = require("keras", "3.0", "keras")
    if keras.backend.backend() not in ("torch", "jax"):
        raise ImportError(f"this needs Keras on its backend torch or jax, found {keras.backend.backend()}")
    loss = get(loss)
    if isinstance(loss, InputsLoss):
        raise ValueError(f"loss must have one input beside the targets, got {loss!r}")
    if isinstance(loss, RegionLoss) and (not loss.per_sample or loss.average == "none"):
        raise ValueError(f"loss must have one value for each sample, got {loss!r}")
    return _class()(loss, reduction=reduction, name=name or loss.info.name)


@cache
def _class() -> Any:
    """The subclass of Keras's own, known to its saving."""
    import keras

    if keras.backend.backend() == "torch":
        from .torch import as_autograd
    else:
        from .jax import as_autograd  # type: ignore[assignment]
    base: Any = keras.losses.Loss

    @keras.saving.register_keras_serializable(package="fastloss")
    class FastLoss(base):
        def __init__(self, loss: Any, reduction: str = "sum_over_batch_size", name: str | None = None, **options: Any):
            super().__init__(reduction=reduction, name=name, **options)
            self.loss = get(loss)
            self.compute = as_autograd(self.loss)

        def call(self, y_true: Any, y_pred: Any) -> Any:
            given, predicted = tuple(y_true.shape), tuple(y_pred.shape)
            rows = predicted if self.loss.n_predictions == 1 else predicted[:-1]
            if given != predicted and (given == (*rows, 1) or (*given, 1) == rows):
                y_true = keras.ops.reshape(y_true, rows)
            return self.compute(y_true, y_pred, reduction="none")

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "loss": self.loss.config()}

    return FastLoss
