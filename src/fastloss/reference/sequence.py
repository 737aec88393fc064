"""Losses of sequences, in NumPy: one sequence at a time, in logarithms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _validation as check
from .._inputs import Call
from .._validation import GRADIENT
from ..losses.sequence import delivered
from ._methods import InputsReference
from ._support import Array, real

if TYPE_CHECKING:
    from ..losses.sequence import CTC, SoftDTW


def log_sum(x: Array, axis: int) -> Array:
    """The logarithm of the sum of the exponentials; -inf where all are 0."""
    top = real(x).max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    return np.log(np.exp(x - top).sum(axis=axis)) + top.squeeze(axis)


def log_softmax(z: Array) -> Array:
    """Of each row; a single +inf is certain, and so is a single class."""
    top = real(z).max(axis=1, keepdims=True)
    alone = (np.sum(z == top, axis=1, keepdims=True) == 1) & (np.isposinf(top) | (z.shape[1] == 1))
    z = np.where(alone & ~np.isnan(z), np.where(z == top, 0.0, -np.inf), z - top)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def forward(labels: Array, log_p: Array, blank: int) -> tuple[Array, Array, Array]:
    """The states of the lattice, where a path may skip a blank, and log alpha for all frames (Graves et al. 2006)."""
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    skips = np.zeros(len(states), bool)
    skips[3::2] = labels[1:] != labels[:-1]
    alpha = np.full(len(states), -np.inf, log_p.dtype)
    frames = []
    for t, frame in enumerate(log_p):
        if t == 0:
            before = np.where(np.arange(len(states)) < 2, 0.0, -np.inf)
        else:
            padded = np.concatenate([[-np.inf, -np.inf], alpha])
            before = log_sum(np.stack([alpha, padded[1:-1], np.where(skips, padded[:-2], -np.inf)]), 0)
        alpha = before + frame[states]
        frames.append(alpha)
    return states, skips, np.array(frames)


def ctc(labels: Array, log_p: Array, blank: int) -> tuple[Any, Array]:
    """The loss, and the posterior probability of each class in each frame."""
    states, skips, alpha = forward(labels, log_p, blank)
    total = log_sum(alpha[-1, -2:], 0)
    posterior = np.zeros(log_p.shape)
    if np.iscomplexobj(log_p) or not np.isfinite(total):
        return -total, posterior
    skipped = np.append(skips[2:], [False, False])[: len(states)]
    beta = np.where(np.arange(len(states)) >= len(states) - 2, 0.0, -np.inf)
    for t in range(len(log_p) - 1, -1, -1):
        joint = alpha[t] + beta
        np.add.at(posterior[t], states, np.exp(joint - log_sum(joint, 0)))
        ahead = beta + log_p[t][states]
        padded = np.concatenate([ahead, [-np.inf, -np.inf]])
        beta = log_sum(np.stack([ahead, padded[1:-1], np.where(skipped, padded[2:], -np.inf)]), 0)
    return -total, posterior


def soft_dtw(y: Array, f: Array, gamma: float) -> tuple[Any, Array]:
    """The loss, and the expected visits of each pair of frames (Cuturi and Blondel 2017)."""
    distance = np.sum((y[:, None, :] - f[None, :, :]) ** 2, axis=2)
    rows, columns = distance.shape
    r = np.empty_like(distance)
    for i, j in np.ndindex(rows, columns):
        before = [r[k, l] for k, l in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if k >= 0 and l >= 0] or [0.0]
        r[i, j] = distance[i, j] - gamma * log_sum(-np.array(before) / gamma, 0)
    visits = np.zeros((rows, columns))
    if np.iscomplexobj(r):
        return r[-1, -1], visits
    visits[-1, -1] = 1
    for i, j in reversed(list(np.ndindex(rows, columns))):
        for k, l in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
            if k < rows and l < columns:
                visits[i, j] += visits[k, l] * np.exp((r[k, l] - distance[k, l] - r[i, j]) / gamma)
    return r[-1, -1], visits


def soft_dtw_gradient(y: Array, f: Array, visits: Array) -> Array:
    """The derivative in f."""
    return 2 * np.einsum("ij,ijd->jd", visits, f[None, :, :] - y[:, None, :])


class CTCReference(InputsReference):
    """CTC in pure NumPy."""

    loss: CTC

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        loss = self.loss
        given, samples, sizes, too_short = loss._prepared(want, call)
        precision = check.working_type(given.f)
        value, gradient = np.zeros(len(given.f)), np.zeros(given.f.shape)
        factor = samples.weight / sizes / (samples.total if call.reduction == "mean" else 1.0)
        for k in np.flatnonzero(~too_short & (samples.weight > 0) & (given.frames > 0)):
            z = given.f[k, : given.frames[k]].astype(precision).astype(np.float64)
            labels = given.labels[given.first[k] : given.first[k + 1]]
            with np.errstate(all="ignore"):
                log_p = log_softmax(z) if loss.from_logits else z
                used = log_p if loss.from_logits else log_p[:, [given.blank, *labels]]
                undefined = np.isnan(used).any() or np.isposinf(used).any()
                value[k], posterior = (math.nan, np.nan) if undefined else ctc(labels, log_p, given.blank)
                if value[k] != math.inf:
                    p = np.exp(log_p) if loss.from_logits else 0.0
                    gradient[k, : given.frames[k]] = factor[k] * (p - posterior)
        no_path = np.isposinf(value)
        loss._refuse(no_path, samples, given)
        if loss.from_logits:
            value = np.maximum(value, 0)
        value[too_short | no_path] = math.inf if loss.infeasible == "inf" else 0.0
        return delivered(want, call, samples, value / sizes, gradient.astype(precision), precision)


class SoftDTWReference(InputsReference):
    """Soft-DTW in pure NumPy."""

    loss: SoftDTW

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        y, f, true, pred, samples = check.prepare_series(want, call.inputs, *call[1:5], **call.options)
        precision = check.working_type(f)
        value, gradient = np.zeros(len(f)), np.zeros(f.shape)
        factor = samples.weight / (samples.total if call.reduction == "mean" else 1.0)
        for k in np.flatnonzero(samples.weight > 0):
            a, b = y[k, : true[k]].astype(np.float64), f[k, : pred[k]].astype(np.float64)
            with np.errstate(all="ignore"):
                value[k], slope = self._pair(a, b, bool(want & GRADIENT))
            gradient[k, : pred[k]] = factor[k] * slope
        return delivered(want, call, samples, value, gradient.astype(precision), precision)

    def _pair(self, y: Array, f: Array, slope: bool) -> tuple[Any, Any]:
        if not (np.isfinite(y).all() and np.isfinite(f).all()):
            return math.nan, math.nan
        gamma = self.loss.gamma
        value, visits = soft_dtw(y, f, gamma)
        gradient = soft_dtw_gradient(y, f, visits) if slope else 0.0
        if self.loss.divergence:
            own, visits = soft_dtw(f, f, gamma)
            value = value - 0.5 * (soft_dtw(y, y, gamma)[0] + own)
            if slope:
                gradient = gradient - soft_dtw_gradient(f, f, 0.5 * (visits + visits.T))
        return value, gradient
