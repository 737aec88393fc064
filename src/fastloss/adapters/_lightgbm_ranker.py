"""LightGBM's ranker with any ranking loss; imported by `fastloss.adapters.lightgbm` on first use."""

from __future__ import annotations

from functools import wraps
from typing import Any

import lightgbm

from .._groups import GroupLoss
from .._registry import get
from ._lightgbm import _arguments, _Boosted
from ._objective import make_objective


class LossRanker(_Boosted, lightgbm.LGBMRanker):
    """LightGBM's ranker, trained with any loss of groups of rows.

    Use it for learning to rank with another objective than LightGBM's own: all pairs (`PairwiseLogistic`), a margin
    (`PairwiseHinge`), whole lists (`ListNet`, `ListMLE`), or `LambdaRank` with its exact sigmoid and any gains. It is
    an `LGBMRanker`, with all of its parameters and methods.

    Parameters
    ----------
    loss : Loss, str or dict, optional
        A ranking loss, its name, or its configuration; by default `LambdaRank`.
    hessian : str, optional
        The curvature, one of the `hessian_policies` of the loss; by default its `default_hessian`.
    min_hessian : float, optional
        Floor of the hessian, >= 0, in the units of loss and weights.
    **parameters
        Those of `lightgbm.LGBMRanker`, but `objective`. Those of LightGBM's own objectives have no effect.

    Attributes
    ----------
    loss_ : Loss
        The loss.

    See Also
    --------
    objective : The same for LightGBM's own ranker and its native interface.

    Notes
    -----
    Weights of rows must be the same within a group. ``LambdaRank(k=30, normalize=True)`` is the mathematics of
    LightGBM's ``lambdarank`` with its default settings.

    References
    ----------
    C. J. C. Burges, From RankNet to LambdaRank to LambdaMART: an overview, Microsoft Research, MSR-TR-2010-82, 2010.

    Examples
    --------
    With LightGBM installed::

        model = LossRanker(loss=fl.LambdaRank(k=10), n_estimators=200)
        model.fit(X, relevance, group=sizes, eval_set=[(X_valid, y_valid)], eval_group=[valid_sizes], eval_at=[10])
        scores = model.predict(X_test)
    """

    _theirs = lightgbm.LGBMRanker

    @wraps(lightgbm.LGBMRanker.fit, assigned=())
    def fit(self, *args: Any, **kwargs: Any) -> LossRanker:
        """Train.

        Parameters
        ----------
        X, y, group, sample_weight, ...
            As for `lightgbm.LGBMRanker.fit`. Without `eval_metric`, and without a parameter `metric`, the sets of
            evaluation are measured by NDCG, which early stopping then follows.

        Returns
        -------
        LossRanker
            This object.

        Raises
        ------
        ValueError, TypeError
            If the loss is no ranking loss, a relevance is outside its domain, or `objective` is set.
        """
        given = _arguments(lightgbm.LGBMRanker.fit, *args, **kwargs)
        loss = get("lambda_rank" if self.loss is None else self.loss)
        if not isinstance(loss, GroupLoss):
            raise ValueError(f"loss must be a ranking loss, of groups of rows, got {loss!r}")
        objective = make_objective(loss, self.hessian, self.min_hessian)
        self.loss_, self.init_score_ = objective.loss, 0.0
        self._train(objective, given, lambda labels: labels)
        return self

    def predict(self, X: Any, raw_score: bool = False, **options: Any) -> Any:
        """Predict scores, higher for what should be higher in its group.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            As for `fit`.
        raw_score : bool
            Without effect: scores have no other scale.
        **options
            As for `lightgbm.LGBMRanker.predict`: `num_iteration`, `pred_leaf`, `pred_contrib` ...

        Returns
        -------
        ndarray of shape (n,)
        """
        return self._raw_scores(X, **options)

    def _default_metric(self) -> Any:
        return "ndcg"
