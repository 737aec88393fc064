"""How a monitor shows where it is: a bar on a terminal, lines elsewhere, or that of tqdm."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TextIO

KINDS = ("auto", "bar", "lines", "tqdm", "none")
WIDTH = 24
REDRAW = 0.1  # seconds between frames of a bar
INTERVAL = 2.0  # seconds between lines
PLAIN, FULL = ".", "#"


class Bar:
    """Shows the number of iterations, their time, and a note.

    Parameters
    ----------
    kind : {"auto", "bar", "lines", "tqdm", "none"}
        ``"bar"`` is drawn again and again in one line, ``"lines"`` are written at most every two seconds, ``"tqdm"`` is
        that library's. ``"auto"``: on a terminal or in a notebook tqdm if it is installed, else a bar; lines elsewhere.
    title : str
        What is being done.
    total : int, optional
        How many iterations there will be.
    stream : file, optional
        Where to write, stderr by default.

    Examples
    --------
    >>> import sys
    >>> from fastloss.monitor._bar import Bar
    >>> bar = Bar("lines", "training", 2, sys.stdout)
    >>> bar.update(2, "validation huber 0.25")
    >>> bar.close()
    training: 2/2, 0 s  validation huber 0.25
    """

    def __init__(self, kind: str, title: str, total: int | None = None, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.kind, self.title, self.total = _resolved(kind, self.stream), title, total
        self.start = time.monotonic()
        self.shown = self.start if self.kind == "lines" else self.start - REDRAW
        self.done, self.note, self.pending = 0, "", False
        self.width = 0
        self._tqdm: Any = None

    def update(self, done: int, note: str = "") -> None:
        """Say how many iterations are done."""
        self.done, self.note, self.pending = done, note, True
        now = time.monotonic()
        if now - self.shown >= (INTERVAL if self.kind == "lines" else REDRAW):
            self._show(now)

    def close(self) -> None:
        """Show the last state, once and for all."""
        if self.pending:
            self._show(time.monotonic())
        if self._tqdm is not None:
            self._tqdm.close()
        elif self.kind == "bar" and self.width:
            self._write("\n")
        self._tqdm, self.width = None, 0

    def _show(self, now: float) -> None:
        self.shown, self.pending = now, False
        if self.kind == "tqdm":
            self._advance()
            return
        if self.kind == "none":
            return
        of = f"{self.done}" if self.total is None else f"{self.done}/{self.total}"
        state = f"{of}, {now - self.start:.0f} s"
        if self.kind == "lines":
            self._write(f"{self.title}: {state}  {self.note}".rstrip() + "\n")
            return
        frame = self.title
        if self.total:
            full = min(WIDTH, WIDTH * self.done // self.total)
            frame += f" [{FULL * full}{PLAIN * (WIDTH - full)}]"
        frame = f"{frame} {state}  {self.note}".rstrip()
        # The cursor waits at the start of the line, so that whatever is written next takes its place.
        self._write("\r" + frame.ljust(self.width) + "\r")
        self.width = len(frame)

    def _advance(self) -> None:
        if self._tqdm is None:
            make = import_module("tqdm.auto").tqdm
            self._tqdm = make(total=self.total, desc=self.title, file=self.stream, leave=True)
        self._tqdm.set_postfix_str(self.note, refresh=False)
        self._tqdm.update(self.done - self._tqdm.n)

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def _resolved(kind: str, stream: TextIO) -> str:
    if kind != "auto":
        return kind
    if not (stream.isatty() or "ipykernel" in sys.modules):
        return "lines"
    return "bar" if find_spec("tqdm") is None else "tqdm"
