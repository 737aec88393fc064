"""Progress of long work on stderr: a bar on a terminal, a line every two seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

INTERVAL = 2.0  # seconds before the first report, and between lines
REDRAW = 0.1
WIDTH = 30


class Progress:
    """Counts the steps of some work and shows them once it takes longer than two seconds.

    Parameters
    ----------
    title : str
        What is being done.
    steps : int
        How many steps there will be.
    stream : file, optional
        Where to write, stderr by default.

    Examples
    --------
    >>> from fastloss._progress import Progress
    >>> with Progress("counting", 3) as progress:
    ...     for k in range(3):
    ...         progress.step(str(k))
    """

    def __init__(self, title: str, steps: int, stream: TextIO | None = None) -> None:
        self.title, self.steps, self.done = title, steps, 0
        self.stream = sys.stderr if stream is None else stream
        self.terminal = self.stream.isatty()
        self.start = time.monotonic()
        self.due = self.start + INTERVAL
        self.shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shown and self.terminal:
            self._write("\r\x1b[K")

    def step(self, note: str = "") -> None:
        """Report that one more step is done; `note` says which."""
        self.done += 1
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + (REDRAW if self.terminal else INTERVAL)
        self.shown = True
        seconds = now - self.start
        rest = seconds / self.done * (self.steps - self.done)
        state = f"{self.done}/{self.steps}, {seconds:.0f} s, {rest:.0f} s to go"
        if self.terminal:
            full = WIDTH * self.done // self.steps
            self._write(f"\r{self.title} [{'#' * full}{'.' * (WIDTH - full)}] {state}  {note}\x1b[K")
        else:
            self._write(f"{self.title}: {state}  {note}".rstrip() + "\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
