"""Similarities of all rows of one matrix with all rows of another, tile by tile, and gradients from their slopes.

Design. A tile comes from NumPy's product, is turned into its slopes in place by one compiled pass, and goes into two
more products; it is as large as the last-level cache likes it. A softmax needs all tiles of its row (or column) before
the first slope: tiles are kept for that as far as the memory budget goes, and the others are computed again. What
NumPy's products cannot do, to add to what is there, costs a pass over a few rows. The plan follows from shapes and
budget alone, and all sums are taken in the order of the tiles: the number of threads changes no bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ._base import Array
from ._core.similarity import Units
from ._inputs import workspace
from ._threads import get_num_threads

MOST = 72 * 2**20  # bytes of tiles and buffers where no budget is given
TILE = 16 * 2**20  # bytes of a tile
HEIGHT = 1024  # rows of it
LEAST = 64  # rows and columns below which products are slow
PANEL = 256  # rows from which a panel that can be kept is better than a higher one that is computed twice
FEATURES_FOR_A_THREAD = 8  # for each thread, from which threads of the passes would only wait for those of the products
PAD = 16  # entries between the rows of a tile: at a distance of a power of two they would share few lines of a cache


class Plan(NamedTuple):
    """Rows and columns of a tile, and how many tiles are held at a time."""

    height: int
    width: int
    kept: int

    @classmethod
    def make(cls, n: int, m: int, d: int, itemsize: int, budget: int | None, one_sided: bool = False) -> Plan:
        """The plan for n x m similarities of rows of d entries; `one_sided`: only rows are normalised."""
        budget = MOST if budget is None else budget

        def size(height: int, width: int) -> int:
            return height * (width + PAD) * itemsize

        def beside(height: int, width: int) -> int:
            return (2 * height + width) * d * itemsize  # unit rows, and parts of both gradients

        height = _even(n, HEIGHT)
        width = _even(m, TILE // (itemsize * height))
        while max(height, width) > LEAST and size(height, width) + beside(height, width) > budget:
            height, width = (_even(n, height // 2), width) if height >= width else (height, _even(m, width // 2))
        left = budget - beside(height, width)
        n_across = max(1, -(-m // width))
        if one_sided and n_across * size(height, width) > left >= n_across * size(PANEL, width):
            height = _even(n, left // (n_across * size(1, width)))
        of_interest = n_across * (1 if one_sided else max(1, -(-n // height)))
        return cls(height, width, max(1, min(of_interest, left // size(height, width))))


def _even(n: int, most: int) -> int:
    """The height of panels of n rows that are equally high, of at most so many."""
    most = max(1, most)
    return max(1, -(-n // max(1, -(-n // most))))


def _spans(n: int, height: int) -> list[slice]:
    return [slice(k, min(k + height, n)) for k in range(0, n, height)]


class Similarities:
    """The tiles of ``unit(x) @ unit(z).T``, and the gradients in x and z from slopes in it.

    Where there are no keys z, the rows of all x are compared with each other, and slopes are symmetric.
    """

    def __init__(
        self, x: Sequence[Array], z: Array | None, real: Any, normalize: bool, plan: Plan, n_threads: int | None
    ) -> None:
        self.x, self.z, self.real = x[0], z, real
        n, d = sum(map(len, x)), x[0].shape[1]
        if n_threads is None and FEATURES_FOR_A_THREAD * get_num_threads() <= d:
            n_threads = 1
        self.n_threads = n_threads
        m = n if z is None else len(z)
        self.shape, self.rows, self.columns = (n, m), _spans(n, plan.height), _spans(m, plan.width)
        self.keys = Units(m, d, real, normalize, n_threads)
        at = 0
        for part in x if z is None else [z]:
            self.keys.take(part, at)
            at += len(part)
        self.panel = None if z is None else Units(plan.height, d, real, normalize, n_threads)
        self.taken: slice | None = None
        self.unused: Array | None = None  # queries that are not to be looked at
        self.free = [np.empty((plan.height, plan.width + PAD), real) for _ in range(plan.kept)]
        self.held: dict[tuple[int, int], Array] = {}
        self.buffer = np.empty((max(plan.height, plan.width), d), real)

    def queries(self, rows: slice) -> Array:
        """The unit rows of some rows."""
        if self.panel is None:
            return self.keys.unit[rows]
        if self.taken != rows:
            unit = self.panel.take(self.x[rows])
            if self.unused is not None:
                unit[self.unused[rows]] = 0
            self.taken = rows
        return self.panel.unit[: rows.stop - rows.start]

    @np.errstate(all="ignore")
    def tile(self, rows: slice, columns: slice) -> Array:
        """Similarities, computed or kept."""
        key = rows.start, columns.start
        shape = slice(rows.stop - rows.start), slice(columns.stop - columns.start)
        if key not in self.held:
            self.held[key] = self.free.pop() if self.free else self.held.popitem()[1]
            tile = self.held[key][shape]
            keys, parts = self.keys.unit[columns], [slice(0, len(self.keys.unit))]
            if self.z is None and len(keys) > 1:  # of a matrix and its own transpose NumPy copies one half, slowly
                parts = [slice(0, len(keys) // 2), slice(len(keys) // 2, len(keys))]
            for part in parts:
                np.matmul(self.queries(rows), keys[part].T, out=tile[:, part])
        return self.held[key][shape]

    def release(self, rows: slice, columns: slice) -> None:
        """Forget a tile."""
        self.free.append(self.held.pop((rows.start, columns.start)))

    def start_gradients(self, outs: Sequence[Array | None], inputs: tuple[Array | None, ...]) -> None:
        """Prepare the gradients, which are to be kept apart from the inputs."""
        (n, m), d = self.shape, self.keys.unit.shape[1]
        self.dx = workspace(outs[0] if n == len(self.x) else None, (n, d), self.real, inputs)
        self.dz = None if self.z is None else workspace(outs[1], (m, d), self.real, inputs)
        if n == 0 and self.dz is not None:
            self.dz[...] = 0
        self.dots = np.zeros(n)

    @np.errstate(all="ignore")
    def add_slopes(self, rows: slice, columns: slice, slopes: Array) -> None:
        """Add what the slopes of a tile contribute to the gradients; tiles come row by row."""
        self._add(self.dx[rows], slopes, self.keys.unit[columns], columns.start == 0)
        if self.dz is not None:
            self._add(self.dz[columns], slopes.T, self.queries(rows), rows.start == 0)

    def _add(self, to: Array, a: Array, b: Array, first: bool) -> None:
        if first:
            np.matmul(a, b, out=to)
        else:
            to += np.matmul(a, b, out=self.buffer[: len(to)])

    @property
    def gradients(self) -> tuple[Array, ...]:
        """In all x together, and in the keys."""
        return (self.dx,) if self.dz is None else (self.dx, self.dz)

    def end_rows(self, rows: slice) -> None:
        """All slopes of some rows have been added: their gradients are those in the rows themselves."""
        if self.panel is None:
            return
        self.queries(rows)
        self.dots[rows] = self.panel.project(self.dx[rows])
        if self.unused is not None:
            unused = self.unused[rows]
            self.dx[rows][unused] = 0
            self.dots[rows][unused] = 0

    @np.errstate(all="ignore")
    def end(self) -> float:
        """All slopes have been added; returns the sum of the products of similarities and slopes."""
        if self.dz is not None:
            self.keys.project(self.dz)
            return float(np.sum(self.dots))
        return float(np.sum(self.keys.project(self.dx)))
