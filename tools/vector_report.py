"""Print the vectorisation table: the widest registers that each compiled kernel computes in, and what it calls.

    python tools/vector_report.py [--every] [--markdown] [EXTENSION]

A line stands for the kernels of one formula and element type, or for one phase of the row losses; a cell for the
narrowest of them; ``--every`` prints each kernel. One that the compiler folded into an equal one counts as that one;
scalar arithmetic alone counts as none, and a phase may be mostly scalar. It counts with the functions that it calls.
Exit status 1 if a kernel computes in narrower registers than its instruction set has, if a phase is mostly scalar, or
if anything is called: by a phase, anything outside the extension. Phases of the x86 baseline, which has neither blends
nor comparisons of 64-bit integers, may be scalar. Needs objdump and an extension with local symbols.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

KERNEL = re.compile(r"(?P<formula>\w+?)_(?P<outputs>v|g|vg|gh_\w+?)_(?P<type>f32|f64)_(?P<isa>[a-z0-9]+)(\.\w+)*")
TABLE = re.compile(r"(?P<address>[0-9a-f]+)\s.*\s(?P<size>[0-9a-f]+)\s+row_table_(?P<type>f32|f64)_(?P<isa>[a-z0-9]+)")
POINTER = re.compile(r"(?P<place>[0-9a-f]+) R_\w+_RELATIVE\s+\*ABS\*\+0x(?P<address>[0-9a-f]+)")
FUNCTION = re.compile(r"(?P<address>[0-9a-f]+) <(?P<name>[^>]+)>:")
INSTRUCTION = re.compile(
    r"\s+[0-9a-f]+:\s+(?:cs |data16 |bnd )*(?P<name>\S+)\s*(?P<operands>[^#<]*)(?:<(?P<target>[^>+]+))?"
)
OPERATIONS = r"add|sub|mul|div|sqrt|max|min|cmp\w*|fn?m(?:add|sub)\w*"
ARITHMETIC = re.compile(rf"v?({OPERATIONS}|(?P<bits>and|andn|or|xor))p[sd]$|f\w+$")
SCALAR = re.compile(rf"v?({OPERATIONS})s[sd]$")
REGISTER = re.compile(r"%([xyz]mm)\d|\b(v)\d+\.(?:2d|4s|16b)")
BRANCH = re.compile(r"call|j|blr?$|br?$|b\.")
WIDTHS = ("none", "xmm", "v", "ymm", "zmm")
EXPECTED = {"baseline": "xmm", "avx2": "ymm", "avx512": "zmm", "neon": "v"}


@dataclass
class Function:
    """The instructions of one function: how many in registers of each width, and its branches to other functions."""

    name: str
    packed: Counter[str] = field(default_factory=Counter)
    scalar: int = 0
    computes: bool = False  # more than operations on bits
    targets: dict[str, str] = field(default_factory=dict)  # name by address, or by itself where that is not known
    twin: str = ""


@dataclass
class Kernel:
    """What one kernel does, or one phase."""

    formula: str
    outputs: str
    type: str
    isa: str
    width: int = 0
    calls: tuple[str, ...] = ()
    is_scalar: bool = False

    @property
    def good(self) -> bool:
        if self.outputs in ("pass", "close") and self.isa == "baseline":
            return not self.calls
        return not self.calls and not self.is_scalar and WIDTHS[self.width] == EXPECTED.get(self.isa, "none")

    @property
    def cell(self) -> str:
        scalar = ["mostly scalar"] if self.is_scalar and self.width else []
        return " ".join((WIDTHS[self.width], *scalar, *(f"calls {name}" for name in self.calls)))


def objdump(extension: str, *options: str) -> list[str]:
    return subprocess.run(
        ["objdump", *options, extension], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def functions(extension: str) -> dict[str, Function]:
    """Every function, by address: several may have one name."""
    found: dict[str, Function] = {}
    for line in objdump(extension, "--disassemble", "--no-show-raw-insn"):
        if heading := FUNCTION.match(line):
            function = found[heading["address"].lstrip("0")] = Function(heading["name"])
            first = True
        elif found and (instruction := INSTRUCTION.match(line)):
            operands, name = instruction["operands"], instruction["name"]
            if arithmetic := ARITHMETIC.match(name):
                function.computes |= not arithmetic["bits"]
                widths = ["".join(pair) for pair in REGISTER.findall(operands)]
                function.packed[max(widths, key=WIDTHS.index, default="none")] += 1
            elif SCALAR.match(name):
                function.scalar += 1
                function.computes = True
            elif BRANCH.match(name):
                target = instruction["target"] or operands.strip()
                address = operands.split()[-1] if instruction["target"] else target
                if first and name == "jmp" and KERNEL.fullmatch(target):
                    function.twin = address
                elif target != function.name:
                    function.targets[address] = target
            first = False
    return found


def kernels(code: dict[str, Function]) -> Iterator[Kernel]:
    """Every pointwise kernel."""
    for function in code.values():
        if name := KERNEL.fullmatch(function.name):
            body = code.get(function.twin, function)
            width = max(map(WIDTHS.index, body.packed), default=0)
            calls = tuple(dict.fromkeys(body.targets.values()))
            yield Kernel(name["formula"], name["outputs"], name["type"], name["isa"], width, calls)


def phase_addresses(extension: str) -> dict[tuple[str, str], dict[str, str]]:
    """Where the phases of the row losses start, and of which kind they are, for each type and instruction set.

    They are static functions of one name in several object files, but their tables have names of their own: a table
    holds pairs of pointers, to what passes over the steps of a row and to what closes the phase, and an integer.
    """
    pointers = {int(p["place"], 16): p["address"] for p in matches(POINTER, objdump(extension, "--dynamic-reloc"))}
    found: dict[tuple[str, str], dict[str, str]] = {}
    for table in matches(TABLE, objdump(extension, "--syms")):
        start, size, kinds = int(table["address"], 16), int(table["size"], 16), ("pass", "close", "")
        places = ((start + offset, kinds[offset // 8 % 3]) for offset in range(0, size, 8))
        phases = {pointers[place].lstrip("0"): kind for place, kind in places if place in pointers}
        found[table["type"], table["isa"]] = phases
    return found


def matches(pattern: re.Pattern[str], lines: list[str]) -> Iterator[re.Match[str]]:
    return filter(None, map(pattern.match, lines))


def phases(extension: str, code: dict[str, Function]) -> Iterator[Kernel]:
    """Every phase of the row losses that computes anything, with the functions that it calls."""
    for (type_, isa), addresses in phase_addresses(extension).items():
        for address, kind in addresses.items():
            parts = reached(code, address)
            packed = sum((part.packed for part in parts), Counter[str]())
            outside = {name for part in parts for at, name in part.targets.items() if not is_own(code, at, name)}
            if outside or any(part.computes for part in parts):
                width = max(map(WIDTHS.index, packed), default=0)
                is_scalar = sum(part.scalar for part in parts) > packed[EXPECTED.get(isa, "none")]
                yield Kernel(code[address].name, kind, type_, isa, width, tuple(sorted(outside)), is_scalar)


def is_own(code: dict[str, Function], address: str, name: str) -> bool:
    """Whether a branch leads to another function of the extension, or into a part of one."""
    return not name.endswith("@plt") and (address in code or any(name == function.name for function in code.values()))


def reached(code: dict[str, Function], address: str) -> list[Function]:
    """A function and the others that it calls."""
    seen, waiting = [], [address]
    while waiting:
        at = waiting.pop()
        if at in code and at not in seen and not code[at].name.endswith("@plt"):
            seen.append(at)
            waiting += code[at].targets
    return [code[at] for at in seen]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("extension", nargs="?", help="default: that of the installed package")
    parser.add_argument("--every", action="store_true", help="a line for each kernel")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    if arguments.extension is None:
        from fastloss._core import machine

        arguments.extension = machine.__file__

    code = functions(arguments.extension)
    found = [*kernels(code), *phases(arguments.extension, code)]
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
