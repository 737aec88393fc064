"""Products of panels of rows with a large matrix of weights, and the gradient of the weights as a sum over panels.

Design. The BLAS is called seldom and with much work: threads lose their time in the barriers of many small products
where the processors are shared. The only thing that NumPy's product cannot do is add to what is there: for one panel
there is nothing to add to; for several, SciPy does it, if it is installed and takes the weights as they are; else the
sum is made in tiles of rows of the weights, which also convert weights of a foreign type or layout. Never is there a
second matrix of the size of the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from ._base import Array


class Products(ABC):
    """Products with a matrix of weights, for panels of rows."""

    def __init__(self, weights: Array) -> None:
        self.weights = weights

    @abstractmethod
    def forward(self, x: Array, out: Array) -> None:
        """Set `out` to x W^T."""

    @abstractmethod
    def backward(self, g: Array, x: Array, dx: Array, dw: Array, add: bool) -> None:
        """Set `dx` to g W, and `dw` to g^T x or add that to it."""


class Whole(Products):
    """Products with all weights at once, by NumPy, or by a `gemm` of SciPy, which can add."""

    def __init__(self, weights: Array, gemm: Any = None) -> None:
        super().__init__(weights)
        self.gemm = gemm

    def forward(self, x: Array, out: Array) -> None:
        """Set `out` to x W^T."""
        self._multiply(x, self.weights.T, out)

    def backward(self, g: Array, x: Array, dx: Array, dw: Array, add: bool) -> None:
        """Set `dx` to g W, and `dw` to g^T x or add that to it."""
        self._multiply(g, self.weights, dx)
        self._multiply(g.T, x, dw, add)

    def _multiply(self, a: Array, b: Array, out: Array, add: bool = False) -> None:
        if self.gemm is None:
            if add:
                raise ValueError("NumPy cannot add a product")
            np.matmul(a, b, out=out)
        else:  # out^T = b^T a^T, as Fortran sees it
            (first, first_turned), (second, second_turned) = _for_fortran(b.T), _for_fortran(a.T)
            self.gemm(1.0, first, second, float(add), out.T, first_turned, second_turned, overwrite_c=1)


class Tiled(Products):
    """Products with some rows of the weights at a time."""

    def __init__(self, weights: Array, real: Any, tile: int) -> None:
        super().__init__(weights)
        self.tiles = [slice(k, min(k + tile, len(weights))) for k in range(0, len(weights), tile)]
        self.plain = is_plain(weights, real)
        self.spans = [slice(0, len(weights))] if self.plain else self.tiles
        self.block = np.empty((tile, weights.shape[1]), real)

    def forward(self, x: Array, out: Array) -> None:
        """Set `out` to x W^T."""
        for span in self.spans:
            np.matmul(x, self._rows(span).T, out=out[:, span])

    def backward(self, g: Array, x: Array, dx: Array, dw: Array, add: bool) -> None:
        """Set `dx` to g W, and `dw` to g^T x or add that to it."""
        dx[...] = 0
        for span in self.spans:
            dx += g[:, span] @ self._rows(span)
        for tile in self.tiles:
            product = np.matmul(g[:, tile].T, x, out=self.block[: tile.stop - tile.start])
            if add:
                dw[tile] += product
            else:
                dw[tile] = product

    def _rows(self, span: slice) -> Array:
        """Some of the weights as the product takes them, in `block` where they are not so themselves."""
        rows = self.weights[span]
        if self.plain:
            return rows
        block = self.block[: len(rows)]
        block[...] = rows
        return block


def is_plain(a: Array, real: Any) -> bool:
    """Whether NumPy's product takes a matrix as it is: one axis contiguous, the other apart."""
    size, (across, along) = a.itemsize, a.strides
    by_rows = along == size and across >= size * a.shape[1] and across % size == 0
    by_columns = across == size and along >= size * a.shape[0] and along % size == 0
    return a.dtype == real and a.flags.aligned and (by_rows or by_columns)


def is_contiguous(a: Array, real: Any) -> bool:
    """Whether SciPy's product takes a matrix without a copy."""
    return a.dtype == real and a.flags.aligned and a.flags.forc and a.size > 0


@cache
def scipy_gemm(real: Any) -> Callable[..., Any] | None:
    """The product of SciPy's BLAS, if there is one."""
    try:
        blas = import_module("scipy.linalg.blas")
    except ImportError:
        return None
    return blas.sgemm if real == np.float32 else blas.dgemm  # type: ignore[no-any-return]


def _for_fortran(a: Array) -> tuple[Array, bool]:
    """A contiguous matrix in the order of Fortran, and whether that is its transpose."""
    return (a, False) if a.flags.f_contiguous else (a.T, True)
