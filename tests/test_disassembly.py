"""The kernels in the built extension are vectorised: packed arithmetic of their instruction set, and no calls."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from support import losses

from fastloss._core import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from vector_report import phase_addresses

pytestmark = [
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="knows the registers of x86-64 only"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump"),
]

REGISTER = {"baseline": "xmm", "avx2": "ymm", "avx512": "zmm"}
PACKED = {"f32": "ps", "f64": "pd"}
SCALAR = {"f32": "ss", "f64": "sd"}
ARITHMETIC = r"v?(add|sub|mul|div|sqrt|min|max|cmp\w*|fn?m(add|sub)(132|213|231))"
CURVATURES = {"exact": "gh_hessian", "majorizer": "gh_majorizer", "fisher": "gh_fisher"}


HELPERS = ("softmax_limits",)  # for rows with infinite predictions


def objdump(*options: str) -> list[str]:
    command = ["objdump", *options, machine.__file__]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@cache
def addresses() -> dict[str, int]:
    """Where each function starts: the compiler gives equal functions several names."""
    fields = [line.split() for line in objdump("--syms")]
    return {f[-1]: int(f[0], 16) for f in fields if len(f) > 4 and ".text" in f and "F" in f}


@cache
def bodies() -> dict[int, list[tuple[int, str]]]:
    """Instructions, each with its address, from each address that has a name up to the next one."""
    found: dict[int, list[tuple[int, str]]] = {}
    body: list[tuple[int, str]] = []
    for line in objdump("--disassemble", "--no-show-raw-insn"):
        if header := re.match(r"([0-9a-f]+) <.+>:$", line):
            body = found.setdefault(int(header[1], 16), [])
        elif "\t" in line:
            address, instruction = line.split(":", 1)
            body.append((int(address, 16), instruction.strip()))
    return found


def loop_of(body: list[tuple[int, str]]) -> list[str]:
    """Instructions that a jump backwards repeats."""
    spans = [
        (int(jump[1], 16), address)
        for address, instruction in body
        if (jump := re.match(r"j\w+\s+([0-9a-f]+) <", instruction)) and body[0][0] <= int(jump[1], 16) <= address
    ]
    return [instruction for address, instruction in body if any(start <= address <= end for start, end in spans)]


@cache
def kernel_names() -> list[str]:
    """What every formula is stamped into."""
    names = dict.fromkeys(
        f"{loss._formula()[0]}_{terms}"
        for loss in losses()
        for terms in ("v", "g", "vg", *(CURVATURES[p] for p in loss.hessian_policies if p in CURVATURES))
    )
    return list(names)


def faults(symbol: str, element: str, isa: str) -> list[str]:
    """What is wrong with one compiled kernel."""
    body = bodies()[addresses()[symbol]]
    if (twin := re.match(r"jmp\s+[0-9a-f]+ <([\w.]+)>", body[0][1])) and twin[1] in addresses():
        return faults(twin[1], element, isa)  # folded into an equal kernel
    calls = [x for _, x in body if re.match(r"call|jmp.*<(?!\w+\+0x)", x)]
    loop = loop_of(body)
    packed = [x for x in loop if re.match(rf"{ARITHMETIC}{PACKED[element]}\s.*%{REGISTER[isa]}", x)]
    scalar = [x for x in loop if re.match(rf"{ARITHMETIC}{SCALAR[element]}\s", x)]
    found = [f"{symbol}: {x}" for x in calls]
    if scalar or not packed:
        found.append(f"{symbol}: {len(packed)} packed and {len(scalar)} scalar operations in the loop")
    return found


@pytest.mark.parametrize("isa", REGISTER)
@pytest.mark.parametrize("element", PACKED)
def test_kernels_are_vectorised(element: str, isa: str) -> None:
    if not addresses():
        pytest.skip("the extension was stripped of its symbols")
    found = [fault for name in kernel_names() for fault in faults(f"{name}_{element}_{isa}", element, isa)]
    assert not found, "\n".join(found)


@cache
def phases(element: str, isa: str) -> dict[int, str]:
    """Addresses of the phases of the row losses, and of which kind they are."""
    return {int(at, 16): kind for at, kind in phase_addresses(machine.__file__).get((element, isa), {}).items()}


@cache
def names() -> dict[int, str]:
    """A name for each address: static functions of several objects share them."""
    headers = (re.match(r"([0-9a-f]+) <(.+)>:$", line) for line in objdump("--disassemble", "--no-show-raw-insn"))
    return {int(header[1], 16): header[2] for header in headers if header}


def faults_of_phase(start: int, kind: str, element: str, isa: str) -> list[str]:
    """What is wrong with one phase of the row losses, and with the parts that the compiler split it into.

    What passes over the steps of a row computes nothing by scalars there. What closes a phase has a few of them, for
    parameters and the entry of a label.
    """
    name, parts, found = names()[start], [bodies()[start]], []
    for _, instruction in parts[0]:
        if leaves := re.match(r"(?:call|jmp)\s+([0-9a-f]+) <([\w.@]+)>", instruction):
            if leaves[2].startswith(f"{name}."):
                parts.append(bodies()[int(leaves[1], 16)])
            elif leaves[2] not in HELPERS:
                found.append(f"{name}: {instruction}")
    found += [f"{name}: {x}" for part in parts[1:] for _, x in part if x.startswith("call")]
    code = [x for part in parts for x in (loop_of(part) if kind == "pass" else [x for _, x in part])]
    packed = [x for x in code if re.match(rf"{ARITHMETIC}{PACKED[element]}\s.*%{REGISTER[isa]}", x)]
    scalar = [x for x in code if re.match(rf"{ARITHMETIC}{SCALAR[element]}\s", x)]
    if scalar and (kind == "pass" or len(scalar) > len(packed)):
        found.append(f"{name}: {len(packed)} packed and {len(scalar)} scalar operations")
    return found


@pytest.mark.parametrize("isa", ["avx2", "avx512"])  # the baseline has neither blends nor comparisons of 64 bits
@pytest.mark.parametrize("element", PACKED)
def test_phases_of_rows_are_vectorised(element: str, isa: str) -> None:
    if not addresses():
        pytest.skip("the extension was stripped of its symbols")
    every = phases(element, isa)
    assert len([kind for kind in every.values() if kind == "pass"]) > 20
    found = [fault for start, kind in every.items() for fault in faults_of_phase(start, kind, element, isa)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("isa", REGISTER)
@pytest.mark.parametrize("element", PACKED)
def test_the_softmax_is_wide(element: str, isa: str) -> None:
    """The phases that most of the time goes to have full registers, and are found."""
    if not addresses():
        pytest.skip("the extension was stripped of its symbols")
    wide = {
        names()[start]
        for start, kind in phases(element, isa).items()
        if kind == "pass"
        for x in loop_of(bodies()[start])
        if re.match(rf"{ARITHMETIC}{PACKED[element]}\s.*%{REGISTER[isa]}", x)
    }
    assert wide >= {"softmax_top", "softmax_exponentials", "chain"}


@pytest.mark.parametrize("isa", REGISTER)
@pytest.mark.parametrize("element", PACKED)
def test_rows_are_compared_in_full_registers(element: str, isa: str) -> None:
    """Sums over two rows and gradients; nothing outside is called but what fills memory."""
    if not addresses():
        pytest.skip("the extension was stripped of its symbols")
    body = bodies()[addresses()[f"run_pair_block_{element}_{isa}"]]
    called = {name[1] for _, x in body if (name := re.search(r"<([\w.]+)@plt>", x))}
    assert called <= {"memset", "memcpy"}
    for operation in ("sub", "mul", "add" if isa == "baseline" else r"fmadd\d*"):
        pattern = rf"v?{operation}{PACKED[element]}\s.*%{REGISTER[isa]}"
        assert [x for x in loop_of(body) if re.match(pattern, x)]


@pytest.mark.parametrize("isa", REGISTER)
@pytest.mark.parametrize("element", PACKED)
@pytest.mark.parametrize("function", ["mine_block", "add_gradient"])
def test_differences_in_a_batch_are_taken_in_full_registers(function: str, element: str, isa: str) -> None:
    """Distances of all rows, and their gradient; nothing outside is called but what fills memory."""
    if not addresses():
        pytest.skip("the extension was stripped of its symbols")
    body = bodies()[addresses()[f"{function}_{element}_{isa}"]]
    called = {name[1] for _, x in body if (name := re.search(r"<([\w.]+)@plt>", x))}
    assert called <= {"memset", "memcpy"}
    for operation in ("sub", "mul", "add") if isa == "baseline" else ("sub", r"fmadd\d*"):
        pattern = rf"v?{operation}{PACKED[element]}\s.*%{REGISTER[isa]}"
        assert len([x for x in loop_of(body) if re.match(pattern, x)]) >= 4, "four rows share what is loaded"


@pytest.mark.parametrize("isa", REGISTER)
@pytest.mark.parametrize("element", PACKED)
def test_passes_over_similarities_are_wide(element: str, isa: str) -> None:
    """Each of them, for each type and instruction set."""
    if not addresses():
        pytest.skip("the extension was stripped of its symbols")
    pattern = rf"v?mul{PACKED[element]}\s.*%{REGISTER[isa]}"
    wide = {names()[at] for at, body in bodies().items() if any(re.match(pattern, x) for x in loop_of(body))}
    assert wide >= {"some_columns", "slopes", "sigmoids"}
    assert wide & {"sum_of_exponentials", "sum_rows"}, "into which it may be inlined"


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
@pytest.mark.parametrize("element", PACKED)
def test_regions_are_summed_in_full_registers(element: str, isa: str) -> None:
    """Exponentials, sums, gradients and errors of pixels: each function has such loops in one of the objects."""
    if not addresses():
        pytest.skip("the extension was stripped of its symbols")
    pattern = rf"{ARITHMETIC}{PACKED[element]}\s.*%{REGISTER[isa]}"
    wide = {
        name
        for start, name in names().items()
        if name in ("softmax_planes", "softmax_gradient", "sum_block", "gradient_block", "error_block")
        and [x for x in loop_of(bodies()[start]) if re.match(pattern, x)]
    }
    assert len(wide) == 5


@pytest.mark.parametrize(
    "name", ["logistic_slopes", "logistic_values", "lambda_slopes", "lambda_values_spread", "hinge_steep"]
)
def test_pairs_of_a_group_take_full_registers(name: str) -> None:
    """Once for each instruction set: no scalars but in the sums of lanes at the end, no gathering, no calls."""
    if not addresses():
        pytest.skip("the extension was stripped of its symbols")
    loops = [loop_of(bodies()[start]) for start, function in names().items() if function == name]
    arithmetic = [[x for x in loop if re.match(rf"{ARITHMETIC}[ps]d\s", x)] for loop in loops]
    assert {register for loop in arithmetic for x in loop for register in re.findall("[xyz]mm", x)} >= {
        *REGISTER.values()
    }
    for loop, operations in zip(loops, arithmetic, strict=True):
        assert len(operations) > 10
        assert not [x for x in loop if re.match("call|v?gather|v?(mul|div|sub)sd", x)]


def test_a_scalar_loop_would_be_found() -> None:
    """The pattern tells packed from scalar instructions."""
    assert re.match(rf"{ARITHMETIC}{PACKED['f64']}\s.*%zmm", "vfnmadd231pd 0x40(%rax),%zmm1,%zmm2")
    assert not re.match(rf"{ARITHMETIC}{PACKED['f64']}\s", "vmulsd %xmm0,%xmm1,%xmm2")
    assert re.match(rf"{ARITHMETIC}{SCALAR['f64']}\s", "vmulsd %xmm0,%xmm1,%xmm2")
