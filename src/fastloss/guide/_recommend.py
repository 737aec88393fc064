"""Losses ranked for a task, with reasons.

Design. A rule looks at the metadata of a loss, on its natural and on its raw scale, and at what is known about the
task; it gives points and says why. Nothing here names a loss: one that is added to the registry is judged like others.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator

import numpy as np

from .. import _validation as check
from .._base import ArrayLike, Loss
from .._domains import REAL, ClassLabels
from .._registry import LossInfo, get, list_losses
from .._text import aligned
from ._situation import Situation, situation

Verdict = tuple[float, str]
NEVER = -math.inf

PATTERNS = {
    "mean": r"^mean\b|^probability|^class probabilities|^2 P - 1|^logarithms of the class",
    "median": r"^median\b(?! of the (density|equal))",
    "quantile": r"^quantiles?\b",
    "mode": r"\bmode\b|^sign of|^the most probable",
    "probability": r"^(class )?probabilit|^half the log-odds|^logarithms of the class",
    "distribution": r"^mean and|^median and|distribution|^quantiles\b",
    "order": r"\border\b",
}
NEARLY = {
    "mean": r"between median.* and mean|^increasing function|^M-location|^expectile|^mean of Y with",
    "median": r"between median|^M-location|^Huber functional|^quantile\b",
    "quantile": r"^quantile of Y|^expectile",
    "mode": r"^M-location",
    "probability": r"^increasing functions? of the|^2 P - 1",
    "distribution": r"^M-estimates",
    "order": r"^(class )?probabilit",
}
DECIDED = ("regression", "counts", "distributions", "binary", "multiclass")  # tasks where it differs what is elicited
USUAL = re.compile("|".join([*PATTERNS.values(), NEARLY["mean"], NEARLY["median"]]))


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """A loss, and what speaks for and against it.

    Attributes
    ----------
    loss : Loss
        With default parameters.
    score : float
        The sum of the points of all rules.
    reasons, cautions : tuple of str
        For and against, the weightiest first.
    """

    loss: Loss
    score: float
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the loss in the registry."""
        return self.loss.info.name


class Recommendations(tuple[Recommendation, ...]):
    """Recommendations, the best first; ``print`` them for a text."""

    def __str__(self) -> str:
        blocks = []
        for k, each in enumerate(self, 1):
            lines = [f"{k}. {each.loss!r}  ({each.score:+.1f})", *(f"   + {x}" for x in each.reasons)]
            blocks.append("\n".join([*lines, *(f"   - {x}" for x in each.cautions)]))
        return "\n".join(blocks)

    def table(self) -> str:
        """Return one line for each."""
        rows = [("", "loss", "points", "predicts")]
        rows += [(str(k), e.name, f"{e.score:+.1f}", e.loss.info.elicits) for k, e in enumerate(self, 1)]
        return aligned(rows)


def recommend(
    task: str | None = None,
    *,
    outliers: str | float | bool | None = None,
    imbalance: float | bool | None = None,
    label_noise: float | bool | None = None,
    predict: str | None = None,
    model: str | None = None,
    n_classes: int | None = None,
    y_true: ArrayLike | None = None,
    n: int = 5,
) -> Recommendations:
    """Rank the losses for a task, with the reasons.

    Parameters
    ----------
    task : str, optional
        A family of the registry: ``"regression"``, ``"counts"``, ``"distributions"``, ``"binary"``, ``"multiclass"``,
        ``"ranking"``, ``"embeddings"`` ..., or ``"classification"`` with `n_classes`. By default what `y_true` shows.
    outliers : {"none", "few", "many"}, float or bool, optional
        Targets that are far from what a model can predict; a share of the rows, ``"many"`` from 5 % on.
    imbalance : float or bool, optional
        The share of the rarest class, at most 0.5; True stands for 0.05.
    label_noise : float or bool, optional
        The share of wrong labels; True stands for 0.1.
    predict : str, optional
        What predictions are meant to be: ``"mean"``, ``"median"``, ``"quantile"``, ``"mode"``, ``"probability"``,
        ``"distribution"``, ``"order"``.
    model : {"booster", "linear", "neural"}, optional
        What is trained: boosters need hessians, linear models gain from convexity.
    n_classes : int, optional
        For ``task="classification"``; two by default.
    y_true : array_like, optional
        Targets. Losses whose domain does not hold them are left out; outliers and imbalance are measured, unless given.
    n : int, default 5
        How many at most.

    Returns
    -------
    Recommendations
        The best first; those with as many points in the order of the registry. Those with more against than for them
        are named only if that holds for all.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or no task is given nor to be seen in `y_true`.

    Examples
    --------
    >>> import fastloss as fl
    >>> best = fl.guide.recommend("regression", outliers="many", predict="mode")[0]
    >>> best.name, best.reasons[0]
    ('welsch', 'it predicts M-location, the mode for small c')
    >>> [each.name for each in fl.guide.recommend("binary", predict="probability", imbalance=0.05, n=3)]
    ['binary_cross_entropy', 'exponential', 'binary_focal']
    """
    n = check.positive_integer("n", n)
    given = situation(task, outliers, imbalance, label_noise, predict, model, n_classes, y_true)
    found = []
    for name in list_losses(family=given.task):
        loss = get(name)
        verdicts = list(_judged(loss, given))
        score = sum(points for points, _ in verdicts)
        if score > NEVER:
            ordered = sorted((v for v in verdicts if v[1]), key=lambda v: -abs(v[0]))
            reasons = tuple(text for points, text in ordered if points > 0)
            cautions = tuple(text for points, text in ordered if points < 0)
            found.append(Recommendation(loss, round(score, 6), reasons, cautions))
    found.sort(key=lambda each: -each.score)
    if found and found[0].score >= 0:
        found = [each for each in found if each.score >= 0]
    return Recommendations(found[:n])


def _judged(loss: Loss, given: Situation) -> Iterator[Verdict]:
    raw = loss.on_raw()
    info, raw_info = loss.info, raw.info
    for rule in (_domain, _wanted, _outliers, _labels, _balance, _model):
        yield from rule(loss, info, raw_info, given)
    yield from _plain(loss, info, raw_info, given)


def _domain(loss: Loss, info: LossInfo, raw: LossInfo, given: Situation) -> Iterator[Verdict]:
    """Targets must lie in the domain of the loss, and it should be theirs."""
    if given.y is None:
        if given.task in ("regression", "distributions") and info.y_domain != REAL:
            yield -0.3, f"targets must be {info.y_domain}"
        return
    if not np.all(info.y_domain.contains(given.y)):
        yield NEVER, ""
    elif math.isfinite(raw.lipschitz) and raw.lipschitz > 1e9 and np.any(np.abs(given.y) < 1e-3 * np.std(given.y)):
        yield -4.0, "targets near 0 have slopes without bound"


def _wanted(loss: Loss, info: LossInfo, raw: LossInfo, given: Situation) -> Iterator[Verdict]:
    """What the best prediction is."""
    if given.predict is None:
        if given.task not in DECIDED:
            return
        if info.elicits.startswith(("nothing", "no ")):
            yield -3.0, f"it elicits {info.elicits}"
        elif not USUAL.search(info.elicits):
            yield -2.0, f"it predicts {info.elicits}: only if that is wanted"
        return
    if re.search(PATTERNS[given.predict], info.elicits):
        yield 4.0, f"it predicts {info.elicits}"
    elif re.search(NEARLY[given.predict], info.elicits):
        yield 1.5, f"it predicts nearly that: {info.elicits}"
    else:
        yield -4.0, f"it predicts {info.elicits}, not the {given.predict}"
    if given.predict in ("probability", "distribution") and info.proper:
        yield 1.0, "it is a proper scoring rule: honest forecasts are best"


_INFLUENCE = {
    "high": "a far target pulls without bound",
    "low": "a far target has bounded influence",
    "redescending": "a very far target has no influence",
}


def _outliers(loss: Loss, info: LossInfo, raw: LossInfo, given: Situation) -> Iterator[Verdict]:
    """What far targets do."""
    if given.outliers is None or given.task in ("binary", "multiclass"):
        return
    points = {
        "none": {"high": 1.0, "low": 0.0, "redescending": -1.0},
        "few": {"high": -2.0, "low": 2.0, "redescending": 1.0},
        "many": {"high": -4.0, "low": 1.0, "redescending": 3.0},
    }[given.outliers][raw.outliers]
    if given.outliers == "none":
        texts = {"high": "without outliers it uses all of the data", "redescending": "it ignores good but far targets"}
        yield points, texts.get(raw.outliers, "")
    else:
        yield points, _INFLUENCE[raw.outliers]


def _labels(loss: Loss, info: LossInfo, raw: LossInfo, given: Situation) -> Iterator[Verdict]:
    """What wrong labels do, on the raw scale."""
    noise = given.label_noise
    if noise is None and given.task in ("binary", "multiclass") and given.outliers in ("few", "many"):
        noise = 0.02 if given.outliers == "few" else 0.1
    if not noise:
        return
    if raw.outliers == "redescending":
        yield 3.0, "the pull of a wrong label fades as the model learns that it is wrong"
    elif raw.outliers == "low":
        yield 1.0, f"a wrong label pulls with a slope of at most {raw.lipschitz:.3g}"
    else:
        yield -3.0, "a wrong label pulls without bound"
    if any(name.startswith("gamma") for name in loss._parameters()):
        yield -1.5, "it puts the weight on hard rows, and wrong labels are the hardest"


def _balance(loss: Loss, info: LossInfo, raw: LossInfo, given: Situation) -> Iterator[Verdict]:
    """What helps rare classes: parameters that focus on hard rows or weigh classes."""
    if given.imbalance is None or given.imbalance >= 0.2:
        return
    names = list(loss._parameters())
    focus = [name for name in names if name.startswith("gamma")]
    weights = [name for name in names if name in ("alpha", "pos_weight", "class_weight")]
    if focus:
        yield 2.0, f"{' and '.join(focus)}: easy rows of the common class fade, so that rare ones count"
    if weights:
        yield 1.0, f"{' or '.join(weights)} weighs the rare class up; probabilities are then no longer shares"
    if not focus and not weights:
        yield -1.0, "nothing in it weighs a rare class up but sample weights"


def _model(loss: Loss, info: LossInfo, raw: LossInfo, given: Situation) -> Iterator[Verdict]:
    """What the model asks for."""
    if given.model == "booster":
        if not raw.default_hessian:
            yield NEVER, ""
        elif raw.default_hessian != "exact":
            yield 0.0, f"boosters use its {raw.default_hessian} hessian"
        else:
            yield 0.5, "its exact hessian trains boosters"
    elif given.model == "linear":
        if raw.convex:
            yield 1.0, "convex: a linear model has one minimum"
        else:
            yield -1.0, "not convex: a linear model may have several minima"
        if raw.differentiability == "C0":
            yield -0.5, "its kinks make a linear model slow to fit"
    elif given.model == "neural" and raw.differentiability == "C0":
        yield -0.5, "its gradient jumps: learning rates must fall for the last digits"


def _plain(loss: Loss, info: LossInfo, raw: LossInfo, given: Situation) -> Iterator[Verdict]:
    """Among equals, what is smooth, convex, honest and simple."""
    if raw.convex:
        yield 0.6, "convex" if given.model != "linear" else ""
    if raw.differentiability != "C0":
        yield 0.3, "smooth"
    if given.task in ("binary", "multiclass"):
        if raw.proper:
            yield 0.6, "a proper scoring rule" if given.predict is None else ""
        if info.link.gives_probabilities:
            yield 0.3, "its scores have a link to probabilities"
        if raw.outliers == "high":
            yield -0.6, "rows on the wrong side pull without bound"
        if info.y_domain == REAL:
            yield -4.0, "its targets are numbers, not classes"
        elif given.task == "multiclass" and isinstance(info.y_domain, ClassLabels):
            yield 0.2, "it takes labels"
    yield -0.02 * len(loss._parameters()), ""
