"""XGBoost's ranker with any ranking loss; imported by `fastloss.adapters.xgboost` on first use.

Design. `XGBRanker` refuses callables as objectives, so `fit` uses the native interface, which does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost

from .._base import Array, ArrayLike
from .._groups import GroupLoss
from .._registry import get
from ._objective import make_objective
from ._xgboost import _LossModel


class LossRanker(_LossModel, xgboost.XGBRanker):
    """XGBoost's ranker with any loss of groups of rows.

    Parameters
    ----------
    loss : Loss, str or dict, optional
        A ranking loss, its name, or its configuration; by default `LambdaRank`.
    hessian : str, optional
        The curvature; by default that of the loss. XGBoost's own objectives use ``"majorizer"``.
    min_hessian : float, optional
        Floor of the hessian, after the weights.
    objective : None
        Only None: the loss is the objective.
    **kwargs
        Every parameter of `xgboost.XGBRanker`, with its name and default; those of XGBoost's own objectives
        (``lambdarank_...``) have no effect. ``eval_metric`` is NDCG by default.

    Attributes
    ----------
    loss_ : Loss
        The loss.

    See Also
    --------
    objective : For the native interface of XGBoost.

    Notes
    -----
    As in `xgboost.XGBRanker`, weights are one for each group. Rows must be sorted by group.

    References
    ----------
    C. J. C. Burges, From RankNet to LambdaRank to LambdaMART: an overview, Microsoft Research, MSR-TR-2010-82, 2010.

    Examples
    --------
    With XGBoost installed::

        model = LossRanker(loss=fl.LambdaRank(k=10), n_estimators=200, early_stopping_rounds=10)
        model.fit(X, relevance, qid=query, eval_set=[(X_valid, y_valid)], eval_qid=[valid_query])
        scores = model.predict(X_test)
    """

    def __init__(
        self,
        *,
        loss: Any = None,
        hessian: str | None = None,
        min_hessian: float | None = None,
        objective: None = None,
        **kwargs: Any,
    ) -> None:
        xgboost.XGBModel.__init__(self, objective=objective, **kwargs)
        self.loss, self.hessian, self.min_hessian = loss, hessian, min_hessian

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        eval_set: Any = None,
        eval_group: Any = None,
        eval_qid: Any = None,
        sample_weight_eval_set: Any = None,
        base_margin_eval_set: Any = None,
        verbose: bool | int = False,
        xgb_model: Any = None,
    ) -> LossRanker:
        """Train.

        Parameters
        ----------
        X : array_like or data frame of shape (n, n_features)
            Features; NaN is missing.
        y : array_like of shape (n,)
            Relevances in the domain of the loss.
        group, qid : array_like
            Sizes of the groups, or the group of each row; one of them.
        sample_weight : array_like of shape (G,), optional
            Weights >= 0, one for each group.
        base_margin, eval_set, eval_group, eval_qid, sample_weight_eval_set, base_margin_eval_set, verbose, xgb_model
            As for `xgboost.XGBRanker.fit`.

        Returns
        -------
        LossRanker
            Itself.

        Raises
        ------
        ValueError
            If the loss is no ranking loss, groups are missing, or a relevance or weight is not allowed.
        """
        loss = get("lambda_rank" if self.loss is None else self.loss)
        if not isinstance(loss, GroupLoss):
            raise ValueError(f"loss must be a ranking loss, of groups of rows, got {loss!r}")
        if self.objective is not None:
            raise ValueError(f"objective must be None, the loss is the objective, got {self.objective!r}")
        if group is None and qid is None:
            raise ValueError("group or qid must be given: a ranking loss is one of groups of rows")
        objective = make_objective(loss, self.hessian, self.min_hessian)
        self.loss_, self.init_score_ = objective.loss, 0.0
        train = self._matrix(X, y, sample_weight, base_margin, group, qid)
        evals = []
        for k, (x, relevance) in enumerate(eval_set or ()):
            parts = (sample_weight_eval_set, base_margin_eval_set, eval_group, eval_qid)
            weight, margin, sizes, query = (None if part is None else part[k] for part in parts)
            if sizes is None and query is None:
                raise ValueError("eval_group or eval_qid must be given with eval_set")
            evals.append((self._matrix(x, relevance, weight, margin, sizes, query), f"validation_{k}"))
        given = {name: value for name, value in self.get_xgb_params().items() if value is not None}
        params = {"base_score": 0.0, "eval_metric": "ndcg"} | given
        metric = params.pop("eval_metric")
        named, custom = ([], metric) if callable(metric) else (metric, None)
        results: dict[str, Any] = {}
        self._Booster = xgboost.train(
            {**params, "eval_metric": named, "disable_default_eval_metric": True},
            train,
            self.get_num_boosting_rounds(),
            evals=evals,
            obj=objective.native,
            custom_metric=custom,
            evals_result=results,
            early_stopping_rounds=self.early_stopping_rounds,
            verbose_eval=verbose,
            xgb_model=xgb_model.get_booster() if isinstance(xgb_model, xgboost.XGBModel) else xgb_model,
            callbacks=self.callbacks,
        )
        self.evals_result_ = results
        return self

    def _matrix(self, X: Any, y: Any, weight: Any, margin: Any, group: Any, qid: Any) -> Any:
        return xgboost.DMatrix(
            X,
            y,
            weight=weight,
            base_margin=margin,
            missing=self.missing,
            nthread=self.n_jobs,
            group=group,
            qid=qid,
            enable_categorical=self.enable_categorical,
            feature_types=self.feature_types,
        )

    def predict(self, X: Any, **options: Any) -> Array:
        """Predict scores.

        Parameters
        ----------
        X : array_like or data frame of shape (n, n_features)
            Features.
        **options
            As for `xgboost.XGBRanker.predict`: ``iteration_range``, ``base_margin``, ``validate_features``.

        Returns
        -------
        ndarray of shape (n,)
            Higher is better within a group.
        """
        options.pop("output_margin", None)
        return np.asarray(self._raw_scores(X, **options))


LossRanker.__module__ = "fastloss.adapters.xgboost"  # where it is public
