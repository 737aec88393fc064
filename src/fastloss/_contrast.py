"""Losses that contrast similar rows with all others, from tiles of similarities: softmax and sigmoid."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from . import _validation as check
from ._base import Array, Methods
from ._core.similarity import Tiles
from ._inputs import Call, InputsLoss, delivered
from ._similarities import Plan, Similarities
from ._validation import GRADIENT, VALUE

Progress = Callable[[int, int], Any]


class Prepared(NamedTuple):
    """The arguments of a call, checked.

    The matrices; for each row its label as an index, the number of its positives, its weight, and the weight of its
    value in the sum or mean; what the mean divides by; the arrays of `out`; the type of computation.
    """

    x: tuple[Array, ...]
    label: Array | None
    positives: Array | None
    w: Array
    weight: Array
    total: float
    outs: Any
    real: Any


class Result(NamedTuple):
    """The value of each row without its weight, and the slopes of the weighted sum in temperature and bias."""

    values: Array
    temperature: float = 0.0
    bias: float = 0.0


class Contrast:
    """What is made of the similarities of n rows with m; a row of weight 0 has no term of its own."""

    def __init__(self, s: Similarities, weight: Array, positive: Array, temperature: float) -> None:
        self.s, self.weight, self.positive = s, weight, positive
        self.temperature, self.factor = temperature, min(1 / temperature, float(np.finfo(float).max))

    def tiles(self, bias: float = 0.0, **arrays: Array) -> Tiles:
        """The compiled passes over tiles, with the arrays that they read and write."""
        s = self.s
        return Tiles(s.real, self.factor, bias, s.z is None, s.n_threads, {"positive": self.positive, **arrays})

    @np.errstate(all="ignore")
    def real(self, x: Array) -> Array:
        """Factors of slopes, within the range of the type of computation."""
        most = np.finfo(self.s.real).max
        return np.clip(x, -most, most).astype(self.s.real)

    @np.errstate(all="ignore")
    def weighted(self, x: Array, span: slice = slice(None)) -> Array:
        """Entries times the weights of their rows: 0 without weight, whatever the entry is."""
        weight = self.weight[span]
        return np.where(weight == 0, 0.0, weight * x)

    def by_temperature(self, products: float) -> float:
        """The slope in the temperature, from the sum of similarities times slopes."""
        return -products / self.temperature


class Softmax(Contrast):
    """-log of the share of the positives of a row among all columns; `two_sided`: the same of columns among rows.

    With labels, positives are all other rows of the same label, and `count` has their number.
    """

    def __init__(
        self,
        *arguments: Any,
        two_sided: bool = False,
        label: Array | None = None,
        count: Array | None = None,
    ) -> None:
        super().__init__(*arguments)
        (n, m), real, same = self.s.shape, self.s.real, self.s.z is None
        self.two_sided, self.count = two_sided, count
        self.top, self.own = np.full(n, -np.inf, real), np.zeros(n, real)
        self.rest, self.near = np.zeros(n), np.zeros(n)
        self.row_factor, self.at_positive = np.zeros(n, real), np.zeros(n, real)
        arrays = {name: getattr(self, name) for name in ("top", "own", "rest", "near", "row_factor", "at_positive")}
        if two_sided:
            self.column_top, self.column_rest = np.full(m, -np.inf, real), np.zeros(m)
            self.column_factor = np.zeros(m, real)
            names = "column_top", "column_rest", "column_factor"
            arrays |= {name: getattr(self, name) for name in names}
        elif same:
            arrays |= {"column_top": self.top, "column_factor": self.row_factor}
        if label is not None and count is not None:
            arrays["label"] = label.astype(np.int32 if real is np.float32 else np.int64)
            arrays["label_factor"] = self.real(self.factor * self.weight / np.maximum(count, 1))
        self.pass_over = self.tiles(**arrays)

    def evaluate(self, gradient: bool, progress: Progress | None) -> Result:
        s = self.s
        n, values = s.shape[0], np.zeros(s.shape[0])
        alone = s.z is not None and not self.two_sided
        done, total = 0, n * (1 + (gradient and not alone))
        for group in [[rows] for rows in s.rows] if alone else [s.rows] if n else []:
            for rows in group:
                for columns in s.columns:
                    self._sum(rows, columns, gradient)
                if progress is not None and not (alone and gradient):
                    done += rows.stop - rows.start
                    progress(done, total)
            span = slice(group[0].start, group[-1].stop)
            values[span] = self._close(span)
            for rows in group if gradient else ():
                for columns in s.columns:
                    tile = s.tile(rows, columns)
                    self.pass_over.run("slopes", tile, rows.start, columns.start)
                    s.add_slopes(rows, columns, tile)
                    s.release(rows, columns)
                s.end_rows(rows)
                if progress is not None:
                    done += rows.stop - rows.start
                    progress(done, total)
        if not gradient:
            return Result(values)
        return Result(values, self.by_temperature(s.end() / (2 if s.z is None else 1)))

    def _sum(self, rows: slice, columns: slice, keep: bool) -> None:
        tile = self.s.tile(rows, columns)
        self.pass_over.run("rows", tile, rows.start, columns.start)
        if self.two_sided:
            self.pass_over.run("columns", tile, rows.start, columns.start)
        if not keep:
            self.s.release(rows, columns)

    @np.errstate(all="ignore")
    def _close(self, span: slice) -> Array:
        """The values of rows whose sums are complete, and the factors of their slopes."""
        own = self.own[span].astype(float)
        if self.count is not None:
            own = np.where(self.positive >= 0, own, self.near / np.maximum(self.count, 1))
        value, share, self.row_factor[span] = self._closed(self.top[span], self.rest[span], own, span)
        pull = self.weighted(share, span)
        if self.two_sided:
            by_column, share, self.column_factor[span] = self._closed(self.column_top, self.column_rest, own, span)
            value, pull = value / 2 + by_column / 2, pull + self.weighted(share, span)
        elif self.s.z is None:
            pull = pull + np.where(self.positive >= 0, pull[self.positive], 0)
        self.at_positive[span] = self.real(-self.factor * pull)
        return value if self.count is None else np.where(self.count == 0, 0, value)

    def _closed(self, top: Array, rest: Array, own: Array, span: slice) -> tuple[Array, Array, Array]:
        """Values, the share of all but an only positive, factors of slopes; `top` becomes the maximum of all.

        With h = max(top, own): -log p = (h - own) / T + log(e + rest), e = exp((own - h) / T) being 1 in the rows whose
        loss may be small: there it is log1p(rest).
        """
        single = self.positive[span] >= 0
        high = np.where(single, np.maximum(top, own), top)
        rest = rest * np.exp(np.where(high == top, 0.0, (top - high) * self.factor))
        gap = (high - own) * self.factor
        e = np.where(single, np.exp(-gap), 0.0)
        total = e + rest
        value = gap + np.where(single & (gap == 0), np.log1p(rest), np.log(total))
        top[...] = high
        return value, rest / total, self.real(self.weighted(self.factor / total, span))


class Sigmoid(Contrast):
    """The sum of log(1 + exp(-y u)), u = s / T + bias, y = 1 for the positive of a row and -1 else."""

    def evaluate(self, gradient: bool, progress: Progress | None, bias: float) -> Result:
        s, n = self.s, self.s.shape[0]
        values, slopes = np.zeros(n), np.zeros(n)
        factors = {"row_factor": self.real(self.factor * self.weight)} if gradient else {}
        tiles = self.tiles(bias, value=values, slope=slopes, **factors)
        for rows in s.rows:
            for columns in s.columns:
                tile = s.tile(rows, columns)
                tiles.run("sigmoids", tile, rows.start, columns.start)
                if gradient:
                    s.add_slopes(rows, columns, tile)
                s.release(rows, columns)
            if gradient:
                s.end_rows(rows)
            if progress is not None:
                progress(rows.stop, n)
        if not gradient:
            return Result(values)
        return Result(values, self.by_temperature(s.end()), float(np.sum(self.weighted(slopes))))


class SimilarityLoss(InputsLoss):
    """A loss of the similarities of all rows of one or two matrices."""

    temperature: float
    normalize: bool
    parameter_gradients: bool

    inputs: ClassVar[tuple[str, ...]] = ("queries", "keys")
    """The names of the matrices."""

    parameters: ClassVar[tuple[str, ...]] = ("temperature",)
    """The names of the parameters that there are gradients in."""

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that this one is tested against."""
        from .reference.similarity import SimilarityReference

        reference: Methods = SimilarityReference(self)
        return reference

    @property
    def _square(self) -> bool:
        """Whether there are as many keys as queries."""
        return False

    def _prepared(self, want: int, call: Call) -> Prepared:
        """The arguments of a call, checked."""
        named = dict(zip(self.inputs, call.inputs, strict=False))
        labels = call.inputs[len(named) :]
        x, y, w, outs = check.prepare_similarities(want, named, labels, self._square, *call[1:5], **call.options)
        label = None if y is None else np.unique(y, return_inverse=True)[1].reshape(-1)
        count = None if label is None else (np.bincount(label)[label] - 1 if len(label) else label)
        weight = w if count is None else np.where(count > 0, w, 0.0)
        total = float(np.sum(weight)) if call.reduction == "mean" else 1.0
        return Prepared(x, label, count, w, weight / (total or 1.0), total or 1.0, outs, check.linear_type(*x))

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        given = self._prepared(want, call)
        if given.weight.any() or not len(given.weight):
            result, gradients = self._contrast(want, call, given)
        else:
            result, gradients = Result(np.zeros(len(given.w))), tuple(np.zeros(x.shape, given.real) for x in given.x)
        with np.errstate(all="ignore"):
            value: Any = np.where(given.weight == 0, 0.0, given.w * result.values)
            value = value.astype(given.real) if call.reduction == "none" else float(np.sum(value)) / given.total
            return self._delivered(want, value, gradients, result, given.outs)

    def _delivered(self, want: int, value: Any, gradients: Any, result: Result, outs: Any) -> Any:
        """The results in their places: one gradient alone, parameters after those in the inputs."""
        placed = delivered(want, value, gradients, outs)
        if not want & GRADIENT:
            return placed
        slopes = placed[1] if want & VALUE else placed
        if self.parameter_gradients:
            slopes = (*slopes, *(getattr(result, name) for name in self.parameters))
        elif len(slopes) == 1:
            (slopes,) = slopes
        return (placed[0], slopes) if want & VALUE else slopes

    def _similarities(self, given: Prepared, call: Call, one_sided: bool = False) -> Similarities:
        """The similarities of queries and keys, or of all rows with each other if there is one kind."""
        n, d = sum(map(len, given.x)), given.x[0].shape[1]
        x, z = ([given.x[0]], given.x[1]) if self.inputs == SimilarityLoss.inputs else (list(given.x), None)
        rows, columns = (len(x[0]), len(z)) if z is not None else (n, n)
        plan = Plan.make(rows, columns, d, np.dtype(given.real).itemsize, call.options["memory_budget"], one_sided)
        s = Similarities(x, z, given.real, self.normalize, plan, call.n_threads)
        if one_sided and not given.weight.all():
            s.unused = given.weight == 0
        return s

    @abstractmethod
    def _contrast(self, want: int, call: Call, given: Prepared) -> tuple[Result, tuple[Array, ...]]:
        """Values, slopes in parameters, and the gradients if they are wanted."""
