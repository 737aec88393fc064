"""What the package costs before it computes anything."""

from __future__ import annotations

from .settings import Timed


class Import(Timed):
    """Time to import in a fresh interpreter."""

    def timeraw_fastloss(self):
        return "import fastloss"

    def timeraw_numpy(self):
        return "import numpy"
