"""Which loss, and what is wrong with this one: advice from the registry's metadata and from data.

`recommend` ranks the losses for a task, `compare` evaluates many of them on predictions, `diagnose` looks for common
problems in predictions or in the history of a training, `select` chooses a loss by cross-validation.
``python -m fastloss guide`` asks questions, or takes their answers as options.
"""

from ._compare import Comparison, Line, compare
from ._diagnose import Diagnosis, Finding, diagnose
from ._recommend import Recommendation, Recommendations, recommend
from ._select import Candidate, Selection, select

__all__ = [
    "Candidate",
    "Comparison",
    "Diagnosis",
    "Finding",
    "Line",
    "Recommendation",
    "Recommendations",
    "Selection",
    "compare",
    "diagnose",
    "recommend",
    "select",
]
