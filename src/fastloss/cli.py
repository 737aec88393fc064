"""The command line, ``python -m fastloss``."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Sequence
from typing import Any

from ._base import Loss
from ._registry import get, list_losses
from ._text import aligned
from ._version import __version__, versions

HEADINGS = ("loss", "family", "convex", "smooth", "slope", "outliers", "hessian", "elicits")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        The exit status: 0, 1 if the command failed. Wrong arguments raise `SystemExit` with status 2.

    Examples
    --------
    >>> from fastloss.cli import main
    >>> main(["list", "--family", "binary", "--proper", "--names"])
    binary_cross_entropy
    exponential
    0
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:2] == ["bench", "boosters"]:
        from ._bench_boosters import main as bench_boosters

        return bench_boosters(argv[2:])
    if argv[:1] == ["bench"]:
        from ._bench import main as bench

        return bench(argv[1:])
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `head` for example, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    from .guide._questions import add_options
    from .guide._questions import run as ask_guide

    parser = argparse.ArgumentParser(
        prog="python -m fastloss", description="Loss functions with gradients and hessians for NumPy."
    )
    parser.add_argument("--version", action="version", version=f"fastloss {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    demo = commands.add_parser(
        "demo",
        help="train boosters with a loss of this package on real data, and check and time every loss",
        description="Train LightGBM and XGBoost with focal loss on real data, and compare every loss with NumPy.",
        epilog="Needs scikit-learn and at least one booster: pip install 'fastloss[demo]'",
    )
    demo.add_argument("--rounds", type=_positive, default=100, help="trees of each model (default: %(default)s)")
    demo.add_argument(
        "--rows", type=_positive, default=500_000, help="rows of the timing of objectives (default: %(default)s)"
    )
    demo.add_argument(
        "--elements", type=_positive, default=200_000, help="samples for the table of losses (default: %(default)s)"
    )
    demo.set_defaults(run=_demo)

    info = commands.add_parser(
        "info",
        help="versions, or what is known about a loss",
        description="Print versions, instruction set and threads, or what is known about a loss.",
    )
    info.add_argument("loss", nargs="?", metavar="LOSS", help="a name or an alias")
    info.set_defaults(run=_info, parser=info)

    table = commands.add_parser(
        "list",
        help="table of all losses",
        description="Print a table of the losses (with default parameters) that meet all conditions.",
    )
    families = sorted({get(name).info.family for name in list_losses()})
    table.add_argument("--family", choices=families)
    table.add_argument("--convex", action=argparse.BooleanOptionalAction, help="convex in the prediction")
    table.add_argument("--proper", action=argparse.BooleanOptionalAction, help="proper scoring rules")
    table.add_argument("--lipschitz", action=argparse.BooleanOptionalAction, help="bounded gradient")
    table.add_argument("--differentiability", choices=("C0", "C1", "C2", "C-inf"))
    table.add_argument("--outliers", choices=("low", "high", "redescending"), help="influence of a far target")
    table.add_argument("--names", action="store_true", help="print only the names")
    table.set_defaults(run=_list)

    guide = commands.add_parser(
        "guide",
        help="which loss for a task, and why",
        description="Name the losses for a task, with reasons. Without options it asks, on a terminal.",
    )
    add_options(guide)
    guide.set_defaults(run=ask_guide, parser=guide)

    commands.add_parser("bench", help="time the losses against NumPy and other packages", add_help=False)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_positive.__name__ = "positive integer"  # argparse puts it into its message


def _demo(arguments: argparse.Namespace) -> int:
    from ._demo import run

    return run(arguments.rounds, arguments.rows, arguments.elements)


def _info(arguments: argparse.Namespace) -> int:
    if arguments.loss is None:
        print(aligned(versions().items()))
        return 0
    try:
        loss = get(arguments.loss)
    except ValueError as error:
        arguments.parser.error(str(error))
    info, raw = loss.info, loss.on_raw()
    summary = (inspect.getdoc(type(loss)) or "").partition("\n\n")[0]
    rows: dict[str, Any] = {
        "name": ", ".join((info.name, *info.aliases)),
        "defaults": repr(loss),
        "family": info.family,
        "value": info.formula,
        "convex": _yes(info.convex),
        "differentiable": info.differentiability,
        "largest slope": f"{info.lipschitz:g}",
        "outliers": info.outliers,
        "proper": "a point prediction" if info.proper is None else _yes(info.proper),
        "elicits": info.elicits,
        "y_true": info.y_domain,
        "y_pred": ", ".join(map(str, loss.f_domains)),
        "link": info.link.name,
        "raw scale": "the same" if raw == loss else repr(raw),
        "hessians": _hessians(loss),
    }
    if raw != loss:
        rows["on raw scale"] = _hessians(raw)
    rows["reference"] = info.reference
    print(f"{type(loss).__name__}: {' '.join(summary.split())}\n")
    print(aligned(rows.items()))
    return 0


def _hessians(loss: Loss) -> str:
    policies = ", ".join(loss.hessian_policies)
    return f"{policies} (default: {loss.default_hessian})" if policies else "none"


def _list(arguments: argparse.Namespace) -> int:
    fields = ("family", "convex", "proper", "lipschitz", "differentiability", "outliers")
    criteria = {name: getattr(arguments, name) for name in fields if getattr(arguments, name) is not None}
    names = list_losses(**criteria)
    if arguments.names:
        for name in names:
            print(name)
        return 0
    rows = [HEADINGS]
    for name in names:
        info = get(name).info
        rows.append(
            (
                name,
                info.family,
                _yes(info.convex),
                info.differentiability,
                f"{info.lipschitz:.3g}",
                info.outliers,
                info.default_hessian,
                info.elicits,
            )
        )
    print(aligned(rows))
    print(f"\n{len(names)} of {len(list_losses())} losses; details: python -m fastloss info LOSS")
    return 0


def _yes(value: bool) -> str:
    return "yes" if value else "no"
