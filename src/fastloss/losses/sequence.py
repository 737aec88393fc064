"""Losses of sequences: labels that are not aligned with their frames, series of different speed."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Methods, placed
from .._core.sequence import INFEASIBLE, ctc, soft_dtw
from .._domains import CLASSES, REAL
from .._inputs import Call, InputsLoss
from .._links import IDENTITY, LOG_SOFTMAX
from .._parameters import choice, flag, integer, number
from .._registry import loss
from .._validation import GRADIENT, VALUE, Samples, Transcripts

__all__ = ["CTC", "SoftDTW", "ctc_forced_align", "ctc_greedy_decode"]


class SequenceLoss(InputsLoss):
    """A loss with a value for each sequence of a batch, and a gradient in `y_pred`, whose first axis is the batch."""


def delivered(want: int, call: Call, samples: Samples, value: Array, gradient: Array | None, real: Any) -> Any:
    """The wanted results, from values before weights and the gradient after all factors; arrays in those of `out`."""
    weighted: Any = np.where(samples.weight == 0, 0.0, value) * samples.weight
    if call.reduction != "none":
        weighted = float(weighted.sum()) / (samples.total if call.reduction == "mean" else 1.0)
    else:
        weighted = placed(weighted.astype(real), samples.value)
    if not want & GRADIENT:
        return weighted
    gradient = placed(gradient, samples.gradient)
    return (weighted, gradient) if want & VALUE else gradient


@loss(
    name="ctc",
    aliases=("ctc_loss", "connectionist_temporal_classification"),
    formula="-log of the sum over paths that collapse to y of the product of p_t,path(t)",
    convex=False,
    differentiability="C-inf",
    lipschitz=math.inf,
    outliers="low",
    proper=None,
    elicits="the probability of a label sequence, whatever its alignment",
    y_domain=CLASSES,
    f_domain=REAL,
    link=LOG_SOFTMAX,
    default_hessian="",
    reference="A. Graves et al., Connectionist temporal classification, ICML 2006.",
)
class CTC(SequenceLoss):
    r"""Connectionist temporal classification: a sequence of labels whose alignment with the frames is not known.

    .. math:: l = -\log \sum_{\pi \to y} \prod_t p_{t, \pi_t}, \qquad p_t = \mathrm{softmax}(f_t)

    over all paths :math:`\pi` of one class in each frame that become y if repeats are merged and blanks dropped then.

    Use it to label unsegmented sequences: speech, handwriting, signals. Between two equal labels a path needs a blank.
    The gradient in a logit is :math:`p_{t,c} - \gamma_{t,c}`, with the posterior probability :math:`\gamma` that a path
    is at class c in frame t; its rows sum to 0. In a log-probability it is :math:`-\gamma_{t,c}`. Frames beyond the
    length of a sequence have gradient 0. The loss is not convex. There is no hessian.

    Parameters
    ----------
    blank : int, default 0
        The class of the blank; negative ones count from the last class.
    from_logits : bool, default True
        Whether `y_pred` holds logits; else log-probabilities, which are used as they are, and of which only those of
        the blank and of labels are read.
    infeasible : {"inf", "zero", "raise"}
        The value of a sequence without a path: too few frames for its labels, or a probability of 0 in its way:
        infinity, 0 (it still counts in the mean), or a ValueError. The gradient is 0.
    normalize : {"none", "labels", "frames"}
        Whether the value of a sequence is divided by the number of its labels or frames (or 1), before weights.

    Notes
    -----
    As `torch.nn.functional.ctc_loss` on `log_softmax`, with ``reduction="none"`` or "sum"; its "mean" is
    ``normalize="labels"``, its ``zero_infinity=True`` is ``infeasible="zero"``. PyTorch's gradient in log-probabilities
    is that in the logits before them, not the derivative. `optax.losses.ctc_loss` and `keras.losses.CTC` are the
    same; there 0 is the blank, in Keras also the padding: pass `label_lengths`. A sequence without frames has
    the value 0 if it has no labels. NaN in a frame that is used gives NaN to its own sequence and to no other.

    The sum is taken with probabilities in float64, rescaled in each frame, and with logarithms where these underflow:
    the error is a few eps of T (1 + the largest logit).

    References
    ----------
    A. Graves, S. Fernández, F. Gomez and J. Schmidhuber, Connectionist temporal classification: labelling unsegmented
    sequence data with recurrent neural networks, ICML 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> loss = fl.CTC()
    >>> logits = np.zeros((1, 3, 2))
    >>> round(loss([[1]], logits), 6), round(float(-np.log(6 / 8)), 6)
    (0.287682, 0.287682)
    >>> loss.gradient([[1]], logits).round(3)
    array([[[ 0.   ,  0.   ],
            [ 0.167, -0.167],
            [ 0.   ,  0.   ]]])
    """

    blank: int = integer(0)
    from_logits: bool = flag(True)
    infeasible: str = choice("inf", ("inf", "zero", "raise"))
    normalize: str = choice("none", ("none", "labels", "frames"))

    def _arguments(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        label_lengths: ArrayLike | None = None,
        logit_lengths: ArrayLike | None = None,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        y_true : array_like of shape (N, S), or list of N array_like of any lengths
            Labels: class indices but for the blank, of any integer type, bool, or whole floats. What lies beyond a
            length is not read.
        y_pred : array_like of shape (N, T, C)
            Logits, or log-probabilities.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0, one for each sequence. One of weight 0 contributes exactly 0, whatever it is.
        label_lengths : array_like of shape (N,), optional
            How many labels of each row count, from 0 to S; all by default. Not for a list.
        logit_lengths : array_like of shape (N,), optional
            How many frames of each sequence count, from 0 to T; all by default.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape (N,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU, or lengths are not integers.
        ValueError
            If shapes do not match, a label, length or weight is outside its domain, the mean is over nothing, or a
            sequence is infeasible and that is to raise.

        Examples
        --------
        >>> import numpy as np
        >>> import fastloss as fl
        >>> logits = np.zeros((2, 3, 3))
        >>> fl.CTC()([[1, 2], [1, 0]], logits, label_lengths=[2, 1], reduction="none").round(6)
        array([1.686399, 1.504077])
        >>> fl.CTC()([[1, 2], [1]], logits, reduction="none").round(6)
        array([1.686399, 1.504077])
        """
        options = {"label_lengths": label_lengths, "logit_lengths": logit_lengths}
        return Call((y_true, y_pred), sample_weight, reduction, out, n_threads, options)

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that this one is tested against."""
        from ..reference.sequence import CTCReference

        return CTCReference(self)

    def on_raw(self) -> CTC:
        """Return the same loss of logits.

        Returns
        -------
        CTC

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.CTC(from_logits=False).on_raw() == fl.CTC()
        True
        """
        return dataclasses.replace(self, from_logits=True)

    def _prepared(self, want: int, call: Call) -> tuple[Transcripts, Samples, Array, Array]:
        """Checked arguments, what values are divided by, and which sequences have too few frames."""
        y_true, y_pred = call.inputs
        given = check.transcripts(y_true, y_pred, blank=self.blank, **call.options)
        samples = check.prepare_samples(want, given.f, *call[1:5])
        too_short = given.frames < given.needed
        self._refuse(too_short, samples, given)
        sizes = {"none": np.ones(len(given.f)), "labels": given.counts, "frames": given.frames}[self.normalize]
        return given, samples, np.maximum(sizes, 1).astype(np.float64), too_short

    def _refuse(self, infeasible: Array, samples: Samples, given: Transcripts) -> None:
        """Raise for a sequence without a path, if that is wanted."""
        wrong = infeasible & (samples.weight > 0)
        if self.infeasible == "raise" and wrong.any():
            raise check.infeasible(int(np.argmax(wrong)), given)

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        given, samples, sizes, too_short = self._prepared(want, call)
        real = check.working_type(given.f)
        frames = np.where(too_short | (samples.weight == 0), 0, given.frames)
        factor = samples.weight / sizes / (samples.total if call.reduction == "mean" else 1.0)
        value, states, gradient = ctc(
            self.from_logits,
            given.blank,
            real,
            given.f,
            given.labels,
            given.first,
            frames,
            factor,
            bool(want & GRADIENT),
            samples.gradient,
            call.n_threads,
        )
        no_path = states & INFEASIBLE > 0
        self._refuse(no_path, samples, given)
        if self.from_logits:
            value = np.maximum(value, 0)
        value[too_short | no_path] = math.inf if self.infeasible == "inf" else 0.0
        return delivered(want, call, samples, value / sizes, gradient, real)


@loss(
    name="soft_dtw",
    aliases=("softdtw", "soft_dynamic_time_warping"),
    formula="-gamma log of the sum over alignments A of exp(-cost(A) / gamma)",
    convex=False,
    differentiability="C-inf",
    lipschitz=math.inf,
    outliers="high",
    proper=None,
    elicits="a series that may be warped in time onto the true one",
    y_domain=REAL,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="M. Cuturi and M. Blondel, Soft-DTW: a differentiable loss function for time-series, ICML 2017.",
)
class SoftDTW(SequenceLoss):
    r"""Soft dynamic time warping: series of different length or speed, compared over all monotone alignments.

    .. math:: l(y, f) = -\gamma \log \sum_A \exp\Bigl(-\frac1\gamma \sum_{(i, j) \in A} |y_i - f_j|^2\Bigr)

    over the alignments A, chains of pairs of frames from the first two to the last two by steps (1, 0), (0, 1), (1, 1).

    Use it for time series that are alike but for their timing. Large `gamma` blurs the alignment; for `gamma` to 0 the
    loss is that of dynamic time warping. It can be negative, and its minimum is not at f = y: to train, take the
    divergence :math:`l(y, f) - (l(y, y) + l(f, f))/2`, which is 0 there. The loss is not convex. The gradient is that
    in `y_pred` only, and frames beyond a length have gradient 0. There is no hessian.

    Parameters
    ----------
    gamma : float, default 1.0
        How soft the minimum over alignments is; > 0, of the unit of a squared distance.
    divergence : bool, default False
        Whether half the losses of both series with themselves are subtracted.

    Notes
    -----
    As `tslearn.metrics.soft_dtw` and pysdtw's `SoftDTW`; the divergence as tslearn's
    ``SoftDTWLossPyTorch(normalize=True)``. Computed in float64, whatever the types are, so that only the result is
    rounded to that of `y_pred`. NaN or an infinity in a series gives NaN to its own value and gradient and to no
    other.

    References
    ----------
    M. Cuturi and M. Blondel, Soft-DTW: a differentiable loss function for time-series, ICML 2017. M. Blondel,
    A. Mensch and J.-P. Vert, Differentiable divergences between time series, AISTATS 2021.

    Examples
    --------
    >>> import fastloss as fl
    >>> y, f = [[[0.0], [1.0], [2.0]]], [[[0.0], [2.0]]]
    >>> round(fl.SoftDTW(gamma=0.01)(y, f), 4)
    0.9931
    >>> fl.SoftDTW(divergence=True)(y, y)
    0.0
    """

    gamma: float = number(1.0, gt=0)
    divergence: bool = flag(False)

    def _arguments(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        true_lengths: ArrayLike | None = None,
        pred_lengths: ArrayLike | None = None,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        y_true : array_like of shape (N, T1, D)
            Series of frames of D numbers. What lies beyond a length is not read.
        y_pred : array_like of shape (N, T2, D)
            The predicted series.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0, one for each pair of series. One of weight 0 contributes exactly 0, whatever it is.
        true_lengths : array_like of shape (N,), optional
            How many frames of each true series count, from 1 to T1; all by default.
        pred_lengths : array_like of shape (N,), optional
            How many frames of each predicted series count, from 1 to T2; all by default.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape (N,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU, or lengths are not integers.
        ValueError
            If shapes do not match, a length or weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.SoftDTW()([[[0.0], [5.0]]], [[[1.0], [1.0]]], true_lengths=[1])
        2.0
        """
        options = {"true_lengths": true_lengths, "pred_lengths": pred_lengths}
        return Call((y_true, y_pred), sample_weight, reduction, out, n_threads, options)

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that this one is tested against."""
        from ..reference.sequence import SoftDTWReference

        return SoftDTWReference(self)

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        y, f, true, pred, samples = check.prepare_series(want, call.inputs, *call[1:5], **call.options)
        real = check.working_type(f)
        counts = samples.weight > 0
        value, gradient = soft_dtw(
            self.gamma,
            self.divergence,
            real,
            y,
            f,
            np.where(counts, true, 0),
            np.where(counts, pred, 0),
            samples.weight / (samples.total if call.reduction == "mean" else 1.0),
            bool(want & GRADIENT),
            samples.gradient,
            call.n_threads,
        )
        return delivered(want, call, samples, value, gradient, real)


# ---- beside CTC ------------------------------------------------------------------------------------------------------


def ctc_greedy_decode(y_pred: ArrayLike, *, logit_lengths: ArrayLike | None = None, blank: int = 0) -> list[Array]:
    """Return the labels of the most probable path of each sequence.

    The best class of each frame, with repeats merged and blanks dropped then: not always the most probable labels.

    Parameters
    ----------
    y_pred : array_like of shape (N, T, C)
        Logits, probabilities or their logarithms.
    logit_lengths : array_like of shape (N,), optional
        How many frames of each sequence count, from 0 to T; all by default.
    blank : int, default 0
        The class of the blank; negative ones count from the last class.

    Returns
    -------
    list of ndarray
        The labels of each sequence.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a real array of that shape, or a length is outside its domain.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> best = np.array([[1, 1, 0, 1, 2], [2, 2, 2, 0, 0]])
    >>> fl.ctc_greedy_decode(np.eye(3)[best])
    [array([1, 1, 2]), array([2])]
    """
    f, frames = check.frames_of_classes(y_pred, logit_lengths)
    blank = check.class_of_blank(check.integer("blank", blank), f.shape[2])
    best = f.argmax(axis=2)
    keep = (best != blank) & (np.arange(f.shape[1]) < frames[:, None])
    keep[:, 1:] &= best[:, 1:] != best[:, :-1]
    return [row[kept] for row, kept in zip(best, keep, strict=True)]


def ctc_forced_align(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    label_lengths: ArrayLike | None = None,
    logit_lengths: ArrayLike | None = None,
    blank: int = 0,
    from_logits: bool = True,
) -> tuple[Array, Array]:
    """Return the most probable path among those that give the labels: when each of them is said.

    Parameters
    ----------
    y_true : array_like of shape (N, S), or list of N array_like of any lengths
        Labels: class indices but for the blank.
    y_pred : array_like of shape (N, T, C)
        Logits, or log-probabilities.
    label_lengths, logit_lengths : array_like of shape (N,), optional
        How many labels and frames of each sequence count; all by default.
    blank : int, default 0
        The class of the blank; negative ones count from the last class.
    from_logits : bool, default True
        Whether `y_pred` holds logits; else log-probabilities.

    Returns
    -------
    path : ndarray of shape (N, T)
        The class of each frame, the blank or a label; -1 beyond the length.
    log_probability : ndarray of shape (N, T)
        That of this class in its frame, float64; 0 beyond the length. Their sum is that of the path.

    Raises
    ------
    TypeError
        If an argument is not a real array on the CPU, or lengths are not integers.
    ValueError
        If shapes do not match, a label or length is outside its domain, or a sequence has no path of positive
        probability.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> frames = np.log([[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.5, 0.1, 0.4]]])
    >>> path, log_probability = fl.ctc_forced_align([[1, 2]], frames, from_logits=False)
    >>> path, np.exp(log_probability).round(6)
    (array([[0, 1, 2]]), array([[0.6, 0.5, 0.4]]))
    """
    from_logits = check.flag("from_logits", from_logits)
    given = check.transcripts(y_true, y_pred, label_lengths, logit_lengths, check.integer("blank", blank))
    n, n_frames, _ = given.f.shape
    path = np.full((n, n_frames), -1)
    scores = np.zeros((n, n_frames))
    for k in range(n):
        labels = given.labels[given.first[k] : given.first[k + 1]]
        f = given.f[k, : given.frames[k]].astype(np.float64)
        if from_logits and len(f):
            with np.errstate(invalid="ignore"):
                f = f - f.max(axis=1, keepdims=True)
                f = f - np.log(np.exp(f).sum(axis=1, keepdims=True))
        best = _best_path(labels, f, given.blank) if len(f) >= given.needed[k] else None
        if best is None:
            raise check.infeasible(k, given)
        path[k, : len(f)] = best
        scores[k, : len(f)] = f[np.arange(len(f)), best]
    return path, scores


def _best_path(labels: Array, f: Array, blank: int) -> Array | None:
    """The path of the largest sum of log-probabilities (Viterbi 1967); None where that is not a number > -inf."""
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    skips = np.zeros(len(states), bool)
    skips[3::2] = labels[1:] != labels[:-1]
    steps = np.zeros((len(f), len(states)), np.int8)  # how far back a state was entered from
    best = np.full(len(states) + 2, -math.inf)  # after two that cannot be
    best[2] = 0.0
    for t, frame in enumerate(f):
        before = np.stack([best[2:], best[1:-1], np.where(skips, best[:-2], -math.inf)])
        steps[t] = before.argmax(axis=0)
        best[2:] = before.max(axis=0) + frame[states]
    state = len(states) - 1 if len(states) == 1 or best[-1] >= best[-2] else len(states) - 2
    if not best[state + 2] > -math.inf:
        return None
    path = np.empty(len(f), np.intp)
    for t in range(len(f) - 1, -1, -1):
        path[t] = states[state]
        state -= steps[t, state]
    return path
