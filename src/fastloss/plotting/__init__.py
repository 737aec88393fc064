"""Pictures of losses: curves, surfaces and slopes of a model's loss, the influence of outliers, convergence.

Every display holds the numbers of a picture and draws them, as those of scikit-learn do: make one with a class method
``from_...``, which draws at once, and draw it again with `plot`. Colours can be told apart by colour-blind people, and
line styles repeat what they say. matplotlib is needed, and imported on first use.
"""

from ._convergence import ConvergenceDisplay
from ._curve import LossCurveDisplay
from ._field import GradientFieldDisplay
from ._outliers import OutlierInfluenceDisplay
from ._surface import LossSurfaceDisplay

__all__ = [
    "ConvergenceDisplay",
    "GradientFieldDisplay",
    "LossCurveDisplay",
    "LossSurfaceDisplay",
    "OutlierInfluenceDisplay",
]
