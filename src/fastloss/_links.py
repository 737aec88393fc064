"""Links between the natural scale of predictions (probabilities, rates) and the raw one (logits, log-rates)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Link:
    """A pair of maps: `link(natural)` is the raw score, `link.inverse(raw)` the prediction on the natural scale."""

    name: str
    _forward: Callable[[Array], Array]
    _inverse: Callable[[Array], Array]

    @property
    def gives_probabilities(self) -> bool:
        """Whether the natural scale is that of probabilities."""
        return self.name in ("logit", "half_logit", "softmax", "softmax over axis 1")

    def __call__(self, natural: Any) -> Array:
        """Map predictions on the natural scale to raw scores."""
        with np.errstate(all="ignore"):
            return np.asarray(self._forward(_as_float(natural)))

    def inverse(self, raw: Any) -> Array:
        """Map raw scores to predictions on the natural scale."""
        with np.errstate(all="ignore"):
            return np.asarray(self._inverse(_as_float(raw)))

    def __repr__(self) -> str:
        return f"<link {self.name}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return _by_name, (self.name,)


def _as_float(x: Any) -> Array:
    array: Array = np.asarray(x)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, e, np.ones_like(e)) / (1 + e))


def _logit(p: Array) -> Array:
    return np.log(p) - np.log1p(-p)


def _on_columns(first: Callable[[Array], Array], second: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda x: np.stack([first(x[..., 0]), second(x[..., 1])], axis=-1)


def _softmax_parts(z: Array) -> tuple[Array, Array, Array]:
    """A row minus its maximum (0 at a single one, even if infinite), its exponential, and its sum but for a maximum."""
    largest = z.max(axis=-1, keepdims=True)
    single = (z == largest) & (np.sum(z == largest, axis=-1, keepdims=True) == 1)
    difference = np.where(single, 0, z - largest)
    e = np.exp(difference)
    others = e.copy()
    np.put_along_axis(others, z.argmax(axis=-1, keepdims=True), 0, axis=-1)
    return difference, e, others.sum(axis=-1, keepdims=True)


def _softmax(z: Array) -> Array:
    _, e, rest = _softmax_parts(z)
    return np.asarray(e / (1 + rest))


def _log_softmax(z: Array) -> Array:
    difference, _, rest = _softmax_parts(z)
    return difference - np.log1p(rest)


def _centred(log_p: Array) -> Array:
    """Logits that sum to 0; an entry of -inf stays, beside finite ones that do."""
    finite = np.isfinite(log_p)
    count = np.sum(finite, axis=-1, keepdims=True, dtype=log_p.dtype)
    return np.asarray(log_p - np.sum(log_p, axis=-1, keepdims=True, where=finite) / count)


IDENTITY = Link("identity", lambda x: x, lambda x: x)
LOG = Link("log", np.log, np.exp)
LOGIT = Link("logit", _logit, _sigmoid)
HALF_LOGIT = Link("half_logit", lambda p: _logit(p) / 2, lambda x: _sigmoid(2 * x))
IDENTITY_LOG = Link("identity, log", _on_columns(np.asarray, np.log), _on_columns(np.asarray, np.exp))
LOG_LOG = Link("log, log", np.log, np.exp)
SOFTMAX = Link("softmax", lambda p: _centred(np.log(p)), _softmax)
CHANNEL_SOFTMAX = Link(
    "softmax over axis 1",
    lambda p: np.moveaxis(SOFTMAX(np.moveaxis(p, 1, -1)), -1, 1),
    lambda z: np.moveaxis(_softmax(np.moveaxis(z, 1, -1)), -1, 1),
)
LOG_SOFTMAX = Link("log_softmax", _centred, _log_softmax)

_LINKS = {
    link.name: link
    for link in (IDENTITY, LOG, LOGIT, HALF_LOGIT, IDENTITY_LOG, LOG_LOG, SOFTMAX, CHANNEL_SOFTMAX, LOG_SOFTMAX)
}


def _by_name(name: str) -> Link:
    return _LINKS[name]
