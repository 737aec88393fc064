"""Pages that are written from the registry: one for each loss, a table for each family, the migration tables.

A Sphinx extension: it writes reStructuredText and figures to docs/generated before the sources are read.
"""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import re
import tomllib
from pathlib import Path
from typing import Any

import fastloss as fl
from fastloss import _registry, reference

HERE = Path(__file__).parent
GENERATED = HERE / "generated"
SMOOTHNESS = {
    "C0": "continuous, with kinks",
    "C1": "once continuously differentiable",
    "C2": "twice continuously differentiable",
    "C-inf": "smooth",
}
OUTLIERS = {"low": "bounded influence", "high": "unbounded influence", "redescending": "influence fades to 0"}


def generate(app: Any = None) -> None:
    """Write all of them."""
    GENERATED.mkdir(exist_ok=True)
    migration, accuracy, sources = read_migration(), read_accuracy(), reference_sources()
    families: dict[str, list[Any]] = {}
    for name in fl.list_losses():
        loss = fl.get(name)
        families.setdefault(type(loss).__module__.rsplit(".", 1)[-1], []).append(loss)
        page = loss_page(loss, migration, accuracy, sources, figure(loss))
        write(f"{type(loss).__name__}.rst", page)
    for module, losses in families.items():
        write(f"{module}.inc", family_table(losses))
    write("migration.inc", migration_tables(migration))


def write(name: str, text: str) -> None:
    """Only what has changed: Sphinx reads the rest from its cache."""
    path = GENERATED / name
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def table(rows: list[list[str]], header: bool = True, widths: str = "auto") -> str:
    """A list-table."""
    lines = [".. list-table::", f"   :header-rows: {int(header)}", f"   :widths: {widths}", ""]
    for row in rows:
        lines += [f"   {'* -' if k == 0 else '  -'} {cell}" for k, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def loss_page(loss: Any, migration: Any, accuracy: Any, sources: Any, picture: str | None) -> str:
    """Title, documentation, figure, properties, formula in NumPy, names elsewhere."""
    name = type(loss).__name__
    parts = [f"{name}\n{'=' * len(name)}\n"]
    if picture:
        parts.append(f".. image:: {picture}\n   :alt: {name}: value, gradient and hessian\n   :width: 720px\n")
    special = "" if isinstance(loss, (fl.PointwiseLoss, _rows())) else "   :special-members: __call__\n"
    parts.append(f".. autoclass:: fastloss.{name}\n{special}")
    parts.append(".. rubric:: Properties\n\n" + properties(loss, accuracy.get(name)))
    if source := sources.get(loss.info.name):
        intro = "The specification, from ``fastloss.reference``; the kernels are tested against it."
        parts.append(f".. rubric:: In NumPy\n\n{intro}\n\n.. code-block:: python\n\n{indented(source)}\n")
    rows = [
        [library, f"``{row['theirs']}``", f"``{row['ours']}``"]
        for library, found in migration.items()
        for row in found
        if re.search(rf"fl\.{name}\(", row["ours"])
    ]
    if rows:
        link = ":doc:`Names of the data </migration>`."
        parts.append(".. rubric:: Elsewhere\n\n" + table([["package", "there", "here"], *rows]) + f"\n{link}\n")
    return "\n".join(parts)


def _rows() -> Any:
    from fastloss._rows import RowLoss

    return RowLoss


def properties(loss: Any, accuracy: dict[str, str] | None) -> str:
    """What the registry knows, with the default parameters."""
    info = loss.info
    predictions = info.f_domain if isinstance(info.f_domain, tuple) else (info.f_domain,)
    rows = [
        ["family", info.family],
        ["names for ``fl.get``", ", ".join(f"``{name}``" for name in (info.name, *info.aliases))],
        ["value", literal(info.formula)],
        ["best prediction", prose(info.elicits)],
        ["convex", "yes" if info.convex else "no"],
        ["smoothness", SMOOTHNESS[info.differentiability]],
        ["largest slope", "unbounded" if math.isinf(info.lipschitz) else f"{info.lipschitz:.6g}"],
        ["outliers", OUTLIERS[info.outliers]],
        ["targets", str(info.y_domain)],
        ["predictions", ", ".join(str(domain) for domain in predictions)],
        ["link", info.link.name],
    ]
    if info.proper is not None:
        rows.insert(5, ["proper scoring rule", "yes" if info.proper else "no"])
    rows.append(["curvature for boosters", f"``{info.default_hessian}``" if info.default_hessian else "no hessian"])
    if accuracy:
        worst = "; ".join(f"{what} {eps}" for what, eps in accuracy.items() if eps.strip("- "))
        rows.append(["largest measured error, in eps of its scale", worst])
    return table(rows, header=False, widths="30 70")


def literal(text: str) -> str:
    """As code; a role, because literals in double backquotes may not follow a bar."""
    return f":code:`{text}`"


def prose(text: str) -> str:
    """As text, in which bars do not open a substitution."""
    return text.replace("|", r"\|")


def indented(text: str) -> str:
    """A block of reStructuredText."""
    return "\n".join(f"   {line}" if line else "" for line in text.splitlines())


def reference_sources() -> dict[str, str]:
    """The source of each formula by the name of its loss."""
    found = {}
    for module in pkgutil.iter_modules(reference.__path__):
        if module.name.startswith("_"):
            continue
        for name, member in vars(importlib.import_module(f"fastloss.reference.{module.name}")).items():
            function = inspect.unwrap(member) if callable(member) else None
            if inspect.isfunction(function) and name in _registry._CLASSES:
                found[name] = inspect.getsource(function).rstrip()
    return found


def family_table(losses: list[Any]) -> str:
    """Losses with what they are for, and their pages."""
    rows = [["loss", "value", "best prediction"]]
    rows += [[f":doc:`/generated/{type(x).__name__}`", literal(x.info.formula), prose(x.info.elicits)] for x in losses]
    pages = "\n".join(f"   /generated/{type(loss).__name__}" for loss in losses)
    return table(rows) + f"\n.. toctree::\n   :hidden:\n\n{pages}\n"


def read_migration() -> dict[str, list[dict[str, Any]]]:
    """The rows of migration.toml by package."""
    return tomllib.loads((HERE / "migration.toml").read_text(encoding="utf-8"))


def migration_tables(migration: dict[str, list[dict[str, Any]]]) -> str:
    """A table for each package."""
    titles = {"torch": "PyTorch", "keras": "Keras", "sklearn": "scikit-learn", "optax": "Optax", "scipy": "SciPy"}
    parts = []
    for library, found in migration.items():
        title = titles[library]
        rows = [[f"``{row['theirs']}``", f"``{row['ours']}``", row.get("note", "")] for row in found]
        parts.append(f"{title}\n{'-' * len(title)}\n\n{table([[title, 'fastloss', ''], *rows])}")
    return "\n".join(parts)


def read_accuracy() -> dict[str, dict[str, str]]:
    """The largest errors of each loss, from the tables of accuracy_table.rst that have one row for a loss."""
    found = {}
    for text in (HERE / "accuracy_table.rst").read_text(encoding="utf-8").split(".. list-table::")[1:]:
        header, *rows = [re.findall(r"- ?(.*)", block) for block in text.split("   * ")[1:]]
        if "package" not in header:
            found |= {row[0]: dict(zip(header[2:], row[2:], strict=True)) for row in rows}
    return found


def figure(loss: Any) -> str | None:
    """The file of a picture of value, gradient and hessian, if one can be drawn."""
    from fastloss._curves import can_slice

    if not can_slice(loss):
        return None
    import matplotlib
    from matplotlib import pyplot

    raw = loss.on_raw()
    shown = raw if type(raw) is type(loss) else loss  # the scale where slopes are finite
    terms = ("value", "gradient", "hessian") if "exact" in shown.hessian_policies else ("value", "gradient")
    name = f"{type(loss).__name__}.svg"
    with matplotlib.rc_context({"svg.hashsalt": name, "backend": "agg"}):
        display = fl.plotting.LossCurveDisplay.from_loss(shown, terms=terms)
        for ax in display.axes_:
            ax.set_xlabel(display.label if shown == loss else f"{display.label}, raw scale")
        display.figure_.savefig(GENERATED / name, metadata={"Date": None})
        pyplot.close(display.figure_)
    return f"/generated/{name}"


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True}
