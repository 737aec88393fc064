"""What goes wrong in a training, by its history or its predictions, and what helps.

Design. Each check looks at one thing and yields a finding with the figures that it rests on. Thresholds are rules of
thumb; a finding says what was measured, so that its reader can judge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from .._base import ArrayLike
from .._registry import get
from ._history_checks import history_findings
from ._prediction_checks import Predictions, prediction_findings

SEVERITIES = ("problem", "warning", "hint")


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may be.

    Attributes
    ----------
    problem : str
        Its name: ``"scale of labels"``, ``"saturation"``, ``"imbalance"``, ``"exploding gradient"``, ``"vanishing
        gradient"``, ``"outliers"``, ``"overfitting"`` ...
    severity : {"problem", "warning", "hint"}
        How bad it is.
    evidence : str
        What was measured.
    remedy : str
        What helps.
    """

    problem: str
    severity: str
    evidence: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found; ``print`` it for a text.

    Attributes
    ----------
    findings : tuple of Finding
        The worst first; empty if all is well.
    checked : str
        What was looked at.
    """

    findings: tuple[Finding, ...]
    checked: str

    @property
    def problems(self) -> tuple[str, ...]:
        """The names of the problems."""
        return tuple(finding.problem for finding in self.findings)

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __str__(self) -> str:
        lines = [self.checked]
        for x in self.findings:
            lines += [f"- {x.severity}, {x.problem}: {x.evidence}", f"  remedy: {x.remedy}"]
        return "\n".join(lines if self.findings else [*lines, "- nothing found"])


def diagnose(
    history: Any = None,
    y_pred: ArrayLike | None = None,
    *,
    y_true: ArrayLike | None = None,
    loss: Any = None,
    sample_weight: ArrayLike | None = None,
) -> Diagnosis:
    """Name likely problems of a training, and what helps.

    Parameters
    ----------
    history : history or array_like
        The history of a training: a result of `fastloss.optim`, a `LossMonitor`, a ``History`` of Keras, an estimator
        that keeps its losses, a mapping of names to numbers, or the losses themselves. With `y_pred`: the targets.
    y_pred : array_like, optional
        Predictions, on the scale of the loss.
    y_true : array_like, optional
        Targets, if there is a history as well.
    loss : Loss, str or dict, optional
        The loss that was trained: its gradients are looked at too. Needed for several predictions for each target.
    sample_weight : array_like, optional
        Weights >= 0.

    Returns
    -------
    Diagnosis
        The findings, the worst first.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to look at, or an argument is not as above.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> print(fl.guide.diagnose([1.0, 3.0, 40.0, 1e9]))
    history of 4 iterations
    - problem, divergence: value ends at 1e+09, 1e+09 times its lowest
      remedy: shorter steps (a tenth of the learning rate), features and targets of unit scale, or gradient clipping
    >>> y, f = np.array([1200.0, 3100.0, 2500.0, 900.0]), np.zeros(4)
    >>> fl.guide.diagnose(y, f, loss="huber").problems
    ('constant predictions', 'scale of labels', 'bias')
    """
    if y_true is None and y_pred is not None:
        history, y_true = None, history
    if (y_true is None) != (y_pred is None):
        raise ValueError("y_true and y_pred must be given together")
    if history is None and y_true is None:
        raise ValueError("history must be given, or targets and predictions")
    found: list[Finding] = []
    checked = []
    if y_true is not None:
        data = Predictions.of(y_true, y_pred, None if loss is None else get(loss), sample_weight)
        found += _made(prediction_findings(data))
        checked.append(f"{data.n} predictions" + ("" if data.loss is None else f" under {data.loss!r}"))
    if history is not None:
        n, findings = history_findings(history)
        found += _made(findings)
        checked.append(f"history of {n} iterations")
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Diagnosis(tuple(found), ", ".join(checked))


def _made(findings: Iterator[tuple[str, str, str, str]]) -> list[Finding]:
    return [Finding(problem, severity, evidence, remedy) for severity, problem, evidence, remedy in findings]
