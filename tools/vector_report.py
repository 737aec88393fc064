"""Print the vectorisation table: the widest registers that each compiled kernel computes in, and what it calls.

    python tools/vector_report.py [--every] [--markdown] [EXTENSION]

A line stands for the kernels of one formula and element type, a cell for the narrowest of them; ``--every`` prints each
kernel. One that the compiler folded into an equal one counts as that one; scalar arithmetic alone counts as none.
Exit status 1 if a kernel computes in narrower registers than its instruction set has, or calls anything.
Needs objdump and an extension with its local symbols.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass

KERNEL = re.compile(r"(?P<formula>\w+?)_(?P<outputs>v|g|vg|gh_\w+?)_(?P<type>f32|f64)_(?P<isa>[a-z0-9]+)(\.\w+)*")
FUNCTION = re.compile(r"[0-9a-f]+ <(?P<name>[^>]+)>:")
INSTRUCTION = re.compile(
    r"\s+[0-9a-f]+:\s+(?:cs |data16 |bnd )*(?P<name>\S+)\s*(?P<operands>[^#<]*)(?:<(?P<target>[^>+]+))?"
)
ARITHMETIC = re.compile(r"v?(add|sub|mul|div|sqrt|max|min|and|andn|or|xor|cmp\w*|fn?m(add|sub)\w*)p[sd]$|f\w+$")
REGISTER = re.compile(r"%([xyz]mm)\d|\b(v)\d+\.(?:2d|4s|16b)")
BRANCH = re.compile(r"call|j|blr?$|br?$|b\.")
WIDTHS = ("none", "xmm", "v", "ymm", "zmm")
EXPECTED = {"baseline": "xmm", "avx2": "ymm", "avx512": "zmm", "neon": "v"}


@dataclass
class Kernel:
    """What one function of the extension does."""

    formula: str
    outputs: str
    type: str
    isa: str
    width: int = 0
    calls: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not self.calls and WIDTHS[self.width] == EXPECTED.get(self.isa, "none")

    @property
    def cell(self) -> str:
        return " ".join((WIDTHS[self.width], *(f"calls {name}" for name in self.calls)))


def kernels(extension: str) -> list[Kernel]:
    """Every kernel of an extension module."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", extension]
    found: dict[str, Kernel] = {}
    twins: dict[str, str] = {}
    symbol = ""
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        if function := FUNCTION.match(line):
            symbol = function["name"]
            if name := KERNEL.fullmatch(symbol):
                found[symbol] = Kernel(name["formula"], name["outputs"], name["type"], name["isa"])
                first = True
        elif symbol in found and (instruction := INSTRUCTION.match(line)):
            kernel, target = found[symbol], instruction["target"] or instruction["operands"].strip()
            if ARITHMETIC.match(instruction["name"]):
                registers = ("".join(pair) for pair in REGISTER.findall(instruction["operands"]))
                kernel.width = max([kernel.width, *map(WIDTHS.index, registers)])
            elif first and instruction["name"] == "jmp" and KERNEL.fullmatch(target):
                twins[symbol] = target
            elif BRANCH.match(instruction["name"]) and target != symbol:
                kernel.calls = tuple(dict.fromkeys((*kernel.calls, target)))
            first = False
    for symbol, twin in twins.items():
        found[symbol].width, found[symbol].calls = found[twin].width, found[twin].calls
    return list(found.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("extension", nargs="?", help="default: that of the installed package")
    parser.add_argument("--every", action="store_true", help="a line for each kernel")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    if arguments.extension is None:
        from fastloss._core import machine

        arguments.extension = machine.__file__

    found = kernels(arguments.extension)
    if not found:
        parser.error(f"{arguments.extension} has no symbols of kernels: was it stripped?")
    columns = sorted({kernel.isa for kernel in found}, key=lambda isa: WIDTHS.index(EXPECTED.get(isa, "none")))
    lines: dict[str, dict[str, list[Kernel]]] = defaultdict(lambda: defaultdict(list))
    for kernel in sorted(found, key=lambda kernel: (kernel.formula, kernel.type, kernel.outputs)):
        label = f"{kernel.formula} {kernel.type}" + (f" {kernel.outputs}" if arguments.every else "")
        lines[label][kernel.isa].append(kernel)

    rows = [["kernels" if arguments.every else "formula", *columns]]
    for label, cells in lines.items():
        worst = [min(cells[isa], key=lambda kernel: (kernel.good, kernel.width), default=None) for isa in columns]
        rows.append([label, *("-" if kernel is None else kernel.cell for kernel in worst)])
    print(table(rows, arguments.markdown))

    bad = [kernel for kernel in found if not kernel.good]
    print(f"\n{len(found)} kernels, {len(bad)} of them narrower than their instruction set or with calls")
    for kernel in bad:
        print(f"  {kernel.formula}_{kernel.outputs}_{kernel.type}_{kernel.isa}: {kernel.cell}")
    return 1 if bad else 0


def table(rows: list[list[str]], markdown: bool) -> str:
    if markdown:
        rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join(f"| {' | '.join(line)} |" if markdown else "  ".join(line).rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main())
