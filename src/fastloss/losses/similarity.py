"""Losses of the similarities of all rows of one matrix with all rows of another: contrastive learning."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .._base import Array, ArrayLike
from .._contrast import Prepared, Progress, Result, Sigmoid, SimilarityLoss, Softmax
from .._domains import CLASSES, REAL
from .._inputs import Call
from .._links import IDENTITY
from .._parameters import flag, number
from .._registry import loss
from .._validation import GRADIENT

__all__ = ["InfoNCE", "NTXent", "SigmoidContrastive", "SupervisedContrastive"]


@loss(
    family="embeddings",
    aliases=("clip",),
    presets={"clip": {"symmetric": True}},
    formula="-log softmax_j(s_ij / T) at j = i, s_ij = cos(query_i, key_j)",
    convex=False,
    differentiability="C0",
    lipschitz=math.inf,
    outliers="low",
    proper=None,
    elicits="embeddings that are nearer to their partner than to all others",
    y_domain=REAL,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="A. van den Oord, Y. Li, O. Vinyals, Representation learning with contrastive predictive coding, 2018.",
)
class InfoNCE(SimilarityLoss):
    r"""Contrastive cross-entropy: of all keys, a query should be most similar to its own.

    .. math:: l_i = -\log \frac{e^{s_{ii} / T}}{\sum_j e^{s_{ij} / T}}, \qquad
              s_{ij} = \cos(\mathrm{query}_i, \mathrm{key}_j)

    With `symmetric`, half of it, and half of the same for key i among all queries: the loss of CLIP, which
    ``fl.get("clip")`` builds. The gradients come as a tuple, those in queries and keys.

    Use it to learn embeddings from pairs that belong together, such as images with their captions: all other keys of
    the batch are negatives. It needs no labels, and large batches.

    Parameters
    ----------
    temperature : float, default 0.07
        T > 0 divides the similarities.
    symmetric : bool, default False
        Whether keys also choose among the queries; then there are as many keys as queries.
    normalize : bool, default True
        Whether similarities are cosines; else dot products.
    parameter_gradients : bool, default False
        Whether the gradients are followed by the slope in the temperature, a float.

    Notes
    -----
    As `torch.nn.functional.cross_entropy` of the normalised products over T with ``arange(N)``; `symmetric` as the
    `ClipLoss` of open_clip with ``logit_scale=1/T``, whose logarithm has the slope -T times that in T.

    Gradients have the type of the computation: float32 if all matrices are float32 or shorter, else float64. Cosines
    are right for norms of any size; a zero vector has the similarity 0 with every vector, and gradient 0. NaN or an
    infinity in a row gives NaN to every term that uses the row and to no other. Similarities are computed in tiles,
    never all at once; what does not fit into `memory_budget` until its softmax is known is computed a second time. No
    bit depends on `n_threads`. The loss is not convex. There is no hessian.

    References
    ----------
    A. van den Oord, Y. Li and O. Vinyals, Representation learning with contrastive predictive coding, 2018,
    arXiv:1807.03748. A. Radford et al., Learning transferable visual models from natural language supervision, ICML
    2021.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.InfoNCE(temperature=1.0)
    >>> value, (dq, dk) = loss.value_and_gradient([[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(value, 6), dq.round(6)
    (0.479525, array([[0.      , 0.      ],
           [0.061182, 0.      ]]))
    """

    temperature: float = number(0.07, gt=0)
    symmetric: bool = flag(False)
    normalize: bool = flag(True)
    parameter_gradients: bool = flag(False)

    def _arguments(
        self,
        queries: ArrayLike,
        keys: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
        memory_budget: int | None = None,
        progress: Progress | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        queries : array_like of shape (N, D)
            Embeddings, D >= 1. If queries and keys are float32 or shorter, the computation is in float32, else in
            float64.
        keys : array_like of shape (M, D)
            Key i is the positive of query i, further ones are negatives of all: M >= N, with `symmetric` M = N.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0 of the rows' own terms. A row of weight 0 still counts in the terms of others.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape (N,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads of the passes over similarities; results do not depend on it. The threads of the matrix products
            are those of NumPy's BLAS.
        memory_budget : int, optional
            Bytes for the similarities that are held at a time and the buffers beside them, by default 72 MiB, at least
            those of a tile of 64 x 64. More memory means fewer similarities that are computed twice; results for
            different budgets differ by rounding.
        progress : callable, optional
            Called as ``progress(done, total)`` after each panel of rows, with numbers of rows, those of both passes
            where there are two.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> round(fl.get("clip", temperature=1.0)([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]), 6)
        0.313262
        """
        options = {"memory_budget": memory_budget, "progress": progress}
        return Call((queries, keys), sample_weight, reduction, out, n_threads, options)

    @property
    def _square(self) -> bool:
        return self.symmetric

    def _contrast(self, want: int, call: Call, given: Prepared) -> tuple[Result, tuple[Array, ...]]:
        s = self._similarities(given, call, one_sided=not self.symmetric)
        n, weight = s.shape[0], given.weight / 2 if self.symmetric else given.weight
        terms = Softmax(s, weight, np.arange(n), self.temperature, two_sided=self.symmetric)
        if want & GRADIENT:
            s.start_gradients(given.outs[1], given.x)
        result = terms.evaluate(bool(want & GRADIENT), call.options["progress"])
        return result, s.gradients if want & GRADIENT else ()


@loss(
    family="embeddings",
    aliases=("simclr",),
    formula="mean over both views of -log softmax_j(s_ij / T) at the other view, j != i among all 2 N views",
    convex=False,
    differentiability="C0",
    lipschitz=math.inf,
    outliers="low",
    proper=None,
    elicits="embeddings of two views that are nearer to each other than to all others",
    y_domain=REAL,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="T. Chen, S. Kornblith, M. Norouzi, G. Hinton, A simple framework for contrastive learning, ICML 2020.",
)
class NTXent(SimilarityLoss):
    r"""Normalised, temperature-scaled cross-entropy of two views of each sample: the loss of SimCLR.

    .. math:: l_i = \frac{t_i + t_{i + N}}{2}, \qquad
              t_i = -\log \frac{e^{s_{ii'} / T}}{\sum_{j \ne i} e^{s_{ij} / T}}

    over the 2N rows z of both views, with the cosines s of all rows and i' the other view of i. The gradients come as a
    tuple, those in both views.

    Use it for self-supervised learning from two random augmentations of each sample of a batch: all other samples, in
    both views, are negatives.

    Parameters
    ----------
    temperature : float, default 0.07
        T > 0 divides the similarities. SimCLR used 0.1 to 0.5.
    normalize : bool, default True
        Whether similarities are cosines; else dot products.
    parameter_gradients : bool, default False
        Whether the gradients are followed by the slope in the temperature, a float.

    Notes
    -----
    As `NTXentLoss` of lightly, `SelfSupervisedLoss(NTXentLoss)` of pytorch-metric-learning, and `optax.losses.ntxent`
    with the number of its pair as the label of each row.

    Gradients have the type of the computation: float32 if all matrices are float32 or shorter, else float64. Cosines
    are right for norms of any size; a zero vector has the similarity 0 with every vector, and gradient 0. NaN or an
    infinity in a row gives NaN to every term that uses the row and to no other. Similarities are computed in tiles,
    never all at once; what does not fit into `memory_budget` until its softmax is known is computed a second time. No
    bit depends on `n_threads`. The loss is not convex. There is no hessian.

    References
    ----------
    T. Chen, S. Kornblith, M. Norouzi and G. Hinton, A simple framework for contrastive learning of visual
    representations, ICML 2020.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.NTXent(temperature=0.5)
    >>> loss([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 3.0]], reduction="none").round(6)
    array([0.239545, 0.239545])
    """

    inputs: ClassVar[tuple[str, ...]] = ("view_1", "view_2")

    temperature: float = number(0.07, gt=0)
    normalize: bool = flag(True)
    parameter_gradients: bool = flag(False)

    def _arguments(
        self,
        view_1: ArrayLike,
        view_2: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
        memory_budget: int | None = None,
        progress: Progress | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        view_1, view_2 : array_like of shape (N, D)
            Embeddings, D >= 1, of which row i belongs to sample i. If both are float32 or shorter, the computation is
            in float32, else in float64.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0 of the rows' own terms. A row of weight 0 still counts in the terms of others.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape (N,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads of the passes over similarities; results do not depend on it. The threads of the matrix products
            are those of NumPy's BLAS.
        memory_budget : int, optional
            Bytes for the similarities that are held at a time and the buffers beside them, by default 72 MiB, at least
            those of a tile of 64 x 64. More memory means fewer similarities that are computed twice; results for
            different budgets differ by rounding.
        progress : callable, optional
            Called as ``progress(done, total)`` after each panel of rows, with numbers of rows, those of both passes
            where there are two.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.NTXent()([[1.0, 2.0]], [[3.0, 1.0]])
        0.0
        """
        options = {"memory_budget": memory_budget, "progress": progress}
        return Call((view_1, view_2), sample_weight, reduction, out, n_threads, options)

    @property
    def _square(self) -> bool:
        return True

    def _contrast(self, want: int, call: Call, given: Prepared) -> tuple[Result, tuple[Array, ...]]:
        s, n = self._similarities(given, call), len(given.x[0])
        weight, partner = np.tile(given.weight / 2, 2), np.roll(np.arange(2 * n), n)
        terms = Softmax(s, weight, partner, self.temperature)
        if want & GRADIENT:
            s.start_gradients((None,), given.x)
        result = terms.evaluate(bool(want & GRADIENT), call.options["progress"])
        result = result._replace(values=result.values[:n] / 2 + result.values[n:] / 2)
        return result, (s.dx[:n], s.dx[n:]) if want & GRADIENT else ()


@loss(
    family="embeddings",
    aliases=("supcon",),
    formula="mean over positives p of -log softmax_j(s_ij / T) at p, j != i",
    convex=False,
    differentiability="C0",
    lipschitz=math.inf,
    outliers="low",
    proper=None,
    elicits="embeddings that are nearer to all of their class than to others",
    y_domain=CLASSES,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="P. Khosla et al., Supervised contrastive learning, NeurIPS 2020.",
)
class SupervisedContrastive(SimilarityLoss):
    r"""Supervised contrastive loss: all rows of the same label attract each other, all others repel.

    .. math:: l_i = -\frac{1}{|P_i|} \sum_{p \in P_i} \log \frac{e^{s_{ip} / T}}{\sum_{j \ne i} e^{s_{ij} / T}}

    with the cosines s of all rows and :math:`P_i` the other rows of the label of row i. A row without any has the value
    0 and does not count in the mean; it is a negative of others. The mean over no such rows is 0.

    Use it as `NTXent` where classes are known, before a linear classifier is trained on the embeddings; views of one
    sample are rows of one label.

    Parameters
    ----------
    temperature : float, default 0.1
        T > 0 divides the similarities.
    normalize : bool, default True
        Whether similarities are cosines; else dot products.
    parameter_gradients : bool, default False
        Whether the gradients are followed by the slope in the temperature, a float: then they are a
        tuple.

    Notes
    -----
    The form with the mean outside the logarithm. As `SupConLoss` of pytorch-metric-learning. The authors' code
    multiplies by ``temperature / 0.07``.

    Gradients have the type of the computation: float32 if all matrices are float32 or shorter, else float64. Cosines
    are right for norms of any size; a zero vector has the similarity 0 with every vector, and gradient 0. NaN or an
    infinity in a row gives NaN to every term that uses the row and to no other. Similarities are computed in tiles,
    never all at once; what does not fit into `memory_budget` until its softmax is known is computed a second time. No
    bit depends on `n_threads`. The loss is not convex. There is no hessian.

    References
    ----------
    P. Khosla, P. Teterwak, C. Wang, A. Sarna, Y. Tian, P. Isola, A. Maschinot, C. Liu and D. Krishnan, Supervised
    contrastive learning, NeurIPS 2020.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.SupervisedContrastive(temperature=1.0)
    >>> loss([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]], [5, 5, 8], reduction="none").round(6)
    array([0.313262, 0.313262, 0.      ])
    """

    inputs: ClassVar[tuple[str, ...]] = ("embeddings",)

    temperature: float = number(0.1, gt=0)
    normalize: bool = flag(True)
    parameter_gradients: bool = flag(False)

    def _arguments(
        self,
        embeddings: ArrayLike,
        labels: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
        memory_budget: int | None = None,
        progress: Progress | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        embeddings : array_like of shape (N, D)
            D >= 1. If they are float32 or shorter, the computation is in float32, else in float64.
        labels : array_like of shape (N,)
            Any integers.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0 of the rows' own terms. A row of weight 0 still counts in the terms of others.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w c)``, ``sum(w l)``, or the array ``w l``; c is 1 for a row with positives, else 0.
        out : ndarray, optional
            float32 or float64 array of shape (N,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads of the passes over similarities; results do not depend on it. The threads of the matrix products
            are those of NumPy's BLAS.
        memory_budget : int, optional
            Bytes for the similarities that are held at a time and the buffers beside them, by default 72 MiB, at least
            those of a tile of 64 x 64. More memory means fewer similarities that are computed twice; results for
            different budgets differ by rounding.
        progress : callable, optional
            Called as ``progress(done, total)`` after each panel of rows, with numbers of rows, those of both passes
            where there are two.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.SupervisedContrastive()([[1.0, 2.0], [3.0, 1.0]], [1, 2])
        0.0
        """
        options = {"memory_budget": memory_budget, "progress": progress}
        return Call((embeddings, labels), sample_weight, reduction, out, n_threads, options)

    def _contrast(self, want: int, call: Call, given: Prepared) -> tuple[Result, tuple[Array, ...]]:
        s, label, count = self._similarities(given, call), given.label, given.positives
        assert label is not None
        assert count is not None
        partner = np.full(len(label), -1, np.intp)
        lonely = np.flatnonzero(count == 1)
        pairs = lonely[np.argsort(label[lonely], kind="stable")].reshape(-1, 2)
        partner[pairs] = pairs[:, ::-1]
        terms = Softmax(s, given.weight, partner, self.temperature, label=label, count=count)
        if want & GRADIENT:
            s.start_gradients(given.outs[1], given.x)
        return terms.evaluate(bool(want & GRADIENT), call.options["progress"]), (s.dx,) if want & GRADIENT else ()


@loss(
    family="embeddings",
    aliases=("siglip",),
    formula="sum_j log(1 + exp(-y_ij u_ij)), u = s / T + bias, y_ij = 1 if j = i else -1",
    convex=False,
    differentiability="C0",
    lipschitz=math.inf,
    outliers="low",
    proper=None,
    elicits="embeddings whose similarity tells pairs that belong together from others",
    y_domain=REAL,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="X. Zhai, B. Mustafa, A. Kolesnikov, L. Beyer, Sigmoid loss for language image pre-training, ICCV 2023.",
)
class SigmoidContrastive(SimilarityLoss):
    r"""Sigmoid loss of all pairs of queries and keys: do they belong together or not. The loss of SigLIP.

    .. math:: l_i = \sum_j \log(1 + e^{-y_{ij} u_{ij}}), \qquad u_{ij} = \frac{s_{ij}}{T} + b, \qquad
              y_{ij} = 1 \text{ for } j = i, \text{ else } -1

    with s the cosines of queries and keys. The gradients come as a tuple, those in queries and keys.

    Use it as `InfoNCE`; pairs are judged one by one, without a normalisation over the batch, which suits small batches
    as well. The bias, about -log of the number of keys, makes up for most pairs not belonging together.

    Parameters
    ----------
    temperature : float, default 0.1
        T > 0 divides the similarities; in the paper t = 1/T.
    bias : float, default -10.0
        b, any real number.
    normalize : bool, default True
        Whether similarities are cosines; else dot products.
    parameter_gradients : bool, default False
        Whether the gradients are followed by the slopes in temperature and bias, floats.

    Notes
    -----
    As the `SigLipLoss` of open_clip with ``logit_scale=1/T`` and the bias.

    Gradients have the type of the computation: float32 if all matrices are float32 or shorter, else float64. Cosines
    are right for norms of any size; a zero vector has the similarity 0 with every vector, and gradient 0. NaN or an
    infinity in a row gives NaN to every term that uses the row and to no other. Similarities are computed in tiles,
    never all at once. No bit depends on `n_threads`. The loss is not convex. There is no hessian.

    References
    ----------
    X. Zhai, B. Mustafa, A. Kolesnikov and L. Beyer, Sigmoid loss for language image pre-training, ICCV 2023.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.SigmoidContrastive(temperature=1.0, bias=0.0, parameter_gradients=True)
    >>> value, (dq, dk, dt, db) = loss.value_and_gradient([[1.0, 0.0]], [[1.0, 1.0]])
    >>> round(value, 6), round(dt, 6), round(db, 6)
    (0.400834, 0.233514, -0.330238)
    """

    parameters: ClassVar[tuple[str, ...]] = ("temperature", "bias")

    temperature: float = number(0.1, gt=0)
    bias: float = number(-10.0)
    normalize: bool = flag(True)
    parameter_gradients: bool = flag(False)

    def _arguments(
        self,
        queries: ArrayLike,
        keys: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
        memory_budget: int | None = None,
        progress: Progress | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        queries : array_like of shape (N, D)
            Embeddings, D >= 1. If queries and keys are float32 or shorter, the computation is in float32, else in
            float64.
        keys : array_like of shape (M, D)
            Key i is the positive of query i, further ones belong to no query: M >= N.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0 of the rows' own terms. A row of weight 0 still counts in the terms of others.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape (N,) for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads of the passes over similarities; results do not depend on it. The threads of the matrix products
            are those of NumPy's BLAS.
        memory_budget : int, optional
            Bytes for the similarities that are held at a time and the buffers beside them, by default 72 MiB, at least
            those of a tile of 64 x 64. More memory means fewer similarities that are computed twice; results for
            different budgets differ by rounding.
        progress : callable, optional
            Called as ``progress(done, total)`` after each panel of rows, with numbers of rows, those of both passes
            where there are two.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> round(fl.SigmoidContrastive()([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]), 6)
        0.693193
        """
        options = {"memory_budget": memory_budget, "progress": progress}
        return Call((queries, keys), sample_weight, reduction, out, n_threads, options)

    def _contrast(self, want: int, call: Call, given: Prepared) -> tuple[Result, tuple[Array, ...]]:
        s = self._similarities(given, call)
        if not given.weight.all():
            s.unused = given.weight == 0
        terms = Sigmoid(s, given.weight, np.arange(s.shape[0]), self.temperature)
        if want & GRADIENT:
            s.start_gradients(given.outs[1], given.x)
        result = terms.evaluate(bool(want & GRADIENT), call.options["progress"], self.bias)
        return result, s.gradients if want & GRADIENT else ()
