"""The public losses, by family."""

from . import (
    batch_triplet,
    binary,
    counts,
    distributions,
    embeddings,
    linear,
    lovasz,
    margin_ranking,
    multiclass,
    ranking,
    regression,
    segmentation,
    sequence,
    similarity,
)
from .batch_triplet import *  # noqa: F403
from .binary import *  # noqa: F403
from .counts import *  # noqa: F403
from .distributions import *  # noqa: F403
from .embeddings import *  # noqa: F403
from .linear import *  # noqa: F403
from .lovasz import *  # noqa: F403
from .margin_ranking import *  # noqa: F403
from .multiclass import *  # noqa: F403
from .ranking import *  # noqa: F403
from .regression import *  # noqa: F403
from .segmentation import *  # noqa: F403
from .sequence import *  # noqa: F403
from .similarity import *  # noqa: F403

__all__ = [
    *regression.__all__,
    *counts.__all__,
    *distributions.__all__,
    *binary.__all__,
    *multiclass.__all__,
    *linear.__all__,
    *ranking.__all__,
    *embeddings.__all__,
    *margin_ranking.__all__,
    *batch_triplet.__all__,
    *similarity.__all__,
    *segmentation.__all__,
    *lovasz.__all__,
    *sequence.__all__,
]
