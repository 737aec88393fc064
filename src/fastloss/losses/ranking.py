"""Ranking: losses of the scores of groups of rows, such as the documents of a query."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from .._base import Array
from .._domains import NON_NEGATIVE, REAL
from .._groups import GroupLoss
from .._links import IDENTITY
from .._parameters import choice, flag, integer, number, optional, parameter
from .._registry import loss
from .._validation import one_of, outside, real_numbers

__all__ = ["LambdaRank", "ListMLE", "ListNet", "PairwiseHinge", "PairwiseLogistic"]

LARGEST_EXPONENT = 31.0

_RANKING: dict[str, Any] = {
    "family": "ranking",
    "convex": True,
    "lipschitz": float("inf"),
    "outliers": "low",
    "proper": None,
    "elicits": "order",
    "y_domain": REAL,
    "f_domain": REAL,
    "link": IDENTITY,
    "default_hessian": "exact",
}


class _PairLoss(GroupLoss):
    """A sum over the pairs of a group in which the first row is more relevant than the second."""

    average: str

    def _options(self, y: Array, largest: int) -> dict[str, Any]:
        return {"average": self.average == "groups"}


@loss(
    **{**_RANKING, "default_hessian": "majorizer"},
    aliases=("ranking_svm",),
    formula="sum over y_i > y_j of max(0, margin - (f_i - f_j))",
    differentiability="C0",
    reference="T. Joachims, Optimizing search engines using clickthrough data, KDD 2002.",
)
class PairwiseHinge(_PairLoss):
    r"""Linear penalty of each pair that is not in order by a margin: the ranking support vector machine.

    .. math:: l = \sum_{y_i > y_j} \max(0, \mathrm{margin} - (f_i - f_j))

    Use it to learn an order where pairs that are far enough apart should not matter any more. The exact hessian is 0;
    boosters use the majorizer, the sum of :math:`1 / \max(|u|, 2^{-10})` over the pairs of a row,
    :math:`u = \mathrm{margin} - (f_i - f_j)`.

    Parameters
    ----------
    margin : float, default 1.0
        The lead that costs nothing, in units of the scores; > 0.
    average : {"pairs", "groups"}, default "pairs"
        Whether each pair counts the same in the mean, or each group, whose value is then the mean over its pairs.

    Notes
    -----
    Rows of equal relevance make no pair; a group without pairs has the value 0 and does not count. A pair that leads by
    exactly the margin has the slope 0. As `rax.pairwise_hinge_loss`. Value and gradient of a group of more than 1024
    rows cost O(n log n), everything else O(n^2).

    References
    ----------
    T. Joachims, Optimizing search engines using clickthrough data, KDD 2002.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.PairwiseHinge().value_and_gradient([2, 0, 1], [0.5, 0.0, 1.0], reduction="sum")
    (2.0, array([-2.,  1.,  1.]))
    """

    margin: float = number(1.0, gt=0)
    average: str = choice("pairs", ("pairs", "groups"))

    @property
    def _scale(self) -> float:  # type: ignore[override]
        return self.margin


@loss(
    **_RANKING,
    aliases=("ranknet",),
    formula="sum over y_i > y_j of log(1 + exp(-sigma (f_i - f_j)))",
    differentiability="C-inf",
    reference="C. Burges et al., Learning to rank using gradient descent, ICML 2005.",
)
class PairwiseLogistic(_PairLoss):
    r"""Cross-entropy of the order of each pair (RankNet).

    .. math:: l = \sum_{y_i > y_j} \log\left(1 + e^{-\sigma (f_i - f_j)}\right)

    Use it to learn an order, or probabilities that one row beats another, where all pairs matter alike; for the top of
    the list there is `LambdaRank`.

    Parameters
    ----------
    sigma : float, default 1.0
        Steepness, in units of one over the scores; > 0.
    average : {"pairs", "groups"}, default "pairs"
        Whether each pair counts the same in the mean, or each group, whose value is then the mean over its pairs.

    Notes
    -----
    Rows of equal relevance make no pair; a group without pairs has the value 0 and does not count. As
    `rax.pairwise_logistic_loss`; gradients as XGBoost's ``rank:pairwise`` over all pairs without normalisation, whose
    hessian is the majorizer.

    References
    ----------
    C. Burges, T. Shaked, E. Renshaw, A. Lazier, M. Deeds, N. Hamilton and G. Hullender, Learning to rank using gradient
    descent, ICML 2005.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.PairwiseLogistic().gradient([1, 0, 1, 0], [0.0, 0.0, 3.0, 1.0], group=[2, 2]).round(4)
    array([-0.25  ,  0.25  , -0.0596,  0.0596])
    """

    sigma: float = number(1.0, gt=0)
    average: str = choice("pairs", ("pairs", "groups"))

    @property
    def _scale(self) -> float:  # type: ignore[override]
        return self.sigma


def _gain(name: str, value: Any) -> Any:
    """A kind of gain, or the gains of the labels 0, 1, ..."""
    if isinstance(value, str):
        return one_of(name, value, ("exponential", "linear"))
    gains = real_numbers(name, value, ge=0)
    if any(a > b for a, b in pairwise(gains)):
        raise ValueError(f"{name} must not decrease, got {value!r}")
    return gains


def _positive(name: str, value: Any) -> int:
    k: int = integer().metadata["check"](name, value)
    if k < 1:
        raise ValueError(f"{name} must be >= 1, got {k}")
    return k


@loss(
    **{**_RANKING, "convex": False, "y_domain": NON_NEGATIVE},
    aliases=("lambdarank", "lambdamart", "rank_ndcg"),
    formula="sum over y_i > y_j of |NDCG change if i and j swap places| log(1 + exp(-sigma (f_i - f_j)))",
    differentiability="C0",
    reference="C. Burges, From RankNet to LambdaRank to LambdaMART: an overview, MSR-TR-2010-82.",
)
class LambdaRank(GroupLoss):
    r"""Cross-entropy of the order of pairs, each weighed by what swapping it would change in NDCG.

    .. math:: l = \sum_{y_i > y_j} \Delta_{ij} \log\left(1 + e^{-\sigma (f_i - f_j)}\right), \qquad
              \Delta_{ij} = \frac{|G_i - G_j|\, |D_i - D_j|}{\mathrm{IDCG}_k}, \quad D = \frac{1}{\log_2(r + 2)}

    with the gains G, and the ranks r = 0, 1, ... by score. Use it for search and recommendation, where the top of the
    list matters: with gradient boosting (LambdaMART) it is the usual choice. Ranks and weights count as constants in
    the derivatives; the value is the surrogate that the gradient belongs to, not 1 - NDCG.

    Parameters
    ----------
    sigma : float, default 1.0
        Steepness, in units of one over the scores; > 0.
    k : int or None, default None
        Truncation: only pairs with a row among the k highest scores count, and the ideal is that of NDCG@k; >= 1.
    gain : {"exponential", "linear"} or sequence of float, default "exponential"
        :math:`2^y - 1` for relevances up to 31, y itself, or the gains of the labels 0, 1, ..., which must not
        decrease.
    normalize : bool, default False
        Whether weights are divided by :math:`0.01 + |f_i - f_j|` and groups are scaled by :math:`\log_2(1 + S) / S`, S
        their sum of slopes, as the boosters do by default.

    Notes
    -----
    Rows of equal score rank in their order. Gradient and hessian as LightGBM's ``lambdarank`` with
    ``lambdarank_truncation_level=k`` and ``lambdarank_norm=normalize`` (which tabulates the sigmoid), and as XGBoost's
    ``rank:ndcg`` with ``topk`` pairs, whose hessian is the majorizer.

    References
    ----------
    C. J. C. Burges, From RankNet to LambdaRank to LambdaMART: an overview, Microsoft Research, MSR-TR-2010-82, 2010.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.LambdaRank(k=2).gradient([0, 3, 1], [0.3, 0.2, 0.1], group=[3]).round(4)
    array([ 0.2138, -0.2266,  0.0129])
    """

    sigma: float = number(1.0, gt=0)
    k: int | None = optional(parameter(check=_positive))
    gain: Any = parameter("exponential", check=_gain)
    normalize: bool = flag(False)

    @property
    def _scale(self) -> float:  # type: ignore[override]
        return self.sigma

    def _check_gains(self, y: Array) -> None:
        """Raise where a relevance has no gain."""
        if self.gain == "linear":
            return
        most = LARGEST_EXPONENT if self.gain == "exponential" else len(self.gain) - 1
        if self.gain == "exponential" and y.max(initial=0) <= most:
            return
        ok = y <= most
        if self.gain != "exponential":
            ok &= y == np.floor(y)
        if not ok.all():
            whole = "" if self.gain == "exponential" else "an integer "
            raise outside("y_true", f"{whole}in [0, {most:g}] for gain={self.gain!r}", y, ok)

    def _options(self, y: Array, largest: int) -> dict[str, Any]:
        self._check_gains(y)
        table = np.exp2(np.arange(LARGEST_EXPONENT + 1)) - 1 if self.gain == "exponential" else np.array(self.gain)
        return {
            "gains": None if self.gain == "linear" else table,
            "discounts": discounts(1 << largest.bit_length()),
            "top": largest if self.k is None else self.k,
            "normalize": self.normalize,
        }


@lru_cache(maxsize=4)
def discounts(n: int) -> Array:
    """Those of the ranks 0 ... n - 1, correctly rounded."""
    table: Array = (1 / np.log2(np.arange(2, n + 2, dtype=np.longdouble))).astype(float)
    table.flags.writeable = False
    return table


@loss(
    **{**_RANKING, "y_domain": lambda self: NON_NEGATIVE if self.target == "proportional" else REAL},
    formula="-sum_i t_i log softmax(f)_i, t = softmax(y) or y / sum y",
    differentiability="C-inf",
    reference="Z. Cao et al., Learning to rank: from pairwise approach to listwise approach, ICML 2007.",
)
class ListNet(GroupLoss):
    r"""Cross-entropy of a whole list: the probabilities of being first, by relevance and by score.

    .. math:: l = -\sum_i t_i \log p_i, \qquad p = \mathrm{softmax}(f), \quad t = \mathrm{softmax}(y)
              \;\text{or}\; y / \textstyle\sum y

    Use it for graded relevance where the whole list counts; a softmax for each group costs less than its pairs. The
    minimum is the entropy of t, not 0.

    Parameters
    ----------
    target : {"softmax", "proportional"}, default "softmax"
        How relevances become probabilities; with ``"proportional"`` they must be >= 0, and a group whose relevances
        are all 0 does not count.

    Notes
    -----
    ``"softmax"`` as in the paper and in `allRank`; ``"proportional"`` as `rax.softmax_loss` and
    `optax.losses.ranking_softmax_loss` divided by the sum of the labels.

    References
    ----------
    Z. Cao, T. Qin, T.-Y. Liu, M.-F. Tsai and H. Li, Learning to rank: from pairwise approach to listwise approach, ICML
    2007.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.ListNet(target="proportional").gradient([1.0, 0.0, 1.0], [0.0, 0.0, 0.0]).round(4)
    array([-0.1667,  0.3333, -0.1667])
    """

    target: str = choice("softmax", ("softmax", "proportional"))

    def _options(self, y: Array, largest: int) -> dict[str, Any]:
        return {"proportional": self.target == "proportional"}


@loss(
    **_RANKING,
    formula="sum_i (log sum over j >= i of exp f_j - f_i), in the order of falling relevance",
    differentiability="C-inf",
    reference="F. Xia et al., Listwise approach to learning to rank: theory and algorithm, ICML 2008.",
)
class ListMLE(GroupLoss):
    r"""Negative log-likelihood of the ideal order in the Plackett-Luce model.

    .. math:: l = \sum_i \left(\log \sum_{j \ge i} e^{f_{\pi(j)}} - f_{\pi(i)}\right)

    with :math:`\pi` the rows by falling relevance, rows of equal relevance in their order. Use it where the data are
    complete orders, such as results of races; with many ties their arbitrary order counts.

    Notes
    -----
    As `rax.listmle_loss`. Value, gradient and hessian cost O(n) for a group of n rows, beside their order.

    References
    ----------
    F. Xia, T.-Y. Liu, J. Wang, W. Zhang and H. Li, Listwise approach to learning to rank: theory and algorithm, ICML
    2008.

    Examples
    --------
    >>> import fastloss as fl
    >>> round(fl.ListMLE()([3, 2, 1], [0.0, 0.0, 0.0]), 6)
    1.791759
    """
