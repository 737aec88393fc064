"""`LossMonitor`: one object that watches a training, whoever trains."""

from ._monitor import LossMonitor

__all__ = ["LossMonitor"]
