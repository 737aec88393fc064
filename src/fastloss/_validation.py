"""Every check of arguments and every message.

Messages name the argument, what was expected, what came, and the first bad index. Nothing here computes a loss.
"""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from ._core.pointwise import CURVATURES, REDUCTIONS, Violation
from ._domains import Domain, Interval, Labels

if TYPE_CHECKING:
    from ._base import Loss

Array = np.ndarray[Any, Any]

VALUE, GRADIENT, HESSIAN = 1, 2, 4
OUTPUTS = {"value": VALUE, "gradient": GRADIENT, "hessian": HESSIAN}

# ---- scalars --------------------------------------------------------------------------------------------------------


def real_number(
    name: str,
    value: Any,
    *,
    gt: float = -math.inf,
    ge: float = -math.inf,
    lt: float = math.inf,
    le: float = math.inf,
    nonzero: bool = False,
    infinite: bool = False,
) -> float:
    """A float within bounds."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number, got {value!r} of type {type(value).__name__}")
    x = float(value)
    bounds = [f"> {gt:g}" if gt > -math.inf else f">= {ge:g}" if ge > -math.inf else ""]
    bounds += [f"< {lt:g}" if lt < math.inf else f"<= {le:g}" if le < math.inf else "", "!= 0" if nonzero else ""]
    wanted = " and ".join(filter(None, bounds))
    inside = (x > gt or gt == -math.inf) and (x < lt or lt == math.inf) and ge <= x <= le and not (nonzero and x == 0)
    if math.isnan(x) or (math.isinf(x) and not infinite) or not inside:
        raise ValueError(f"{name} must be {wanted or 'finite'}, got {value!r}")
    return x


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def one_of(name: str, value: Any, options: tuple[Any, ...]) -> Any:
    """One of some values, compared with their types: 1 is not True."""
    for option in options:
        if type(value) is type(option) and value == option:
            return option
    raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}")


def positive_integer(name: str, value: Any) -> int:
    """An integer of at least 1."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a positive integer, got {value!r} of type {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {value}")
    return int(value)


def curvature(loss: Loss, policy: Any) -> int:
    """Number of a hessian policy, which the loss must have."""
    policies = loss.hessian_policies
    if policy not in policies:
        raise ValueError(f"hessian must be one of {', '.join(map(repr, policies))} for {loss!r}, got {policy!r}")
    return CURVATURES.index(policy)


def floor(min_hessian: Any) -> float:
    """The floor of the hessian; NaN for none."""
    return math.nan if min_hessian is None else real_number("min_hessian", min_hessian, ge=0)


def wanted_outputs(outputs: Any) -> int:
    """Bits of a sequence of output names."""
    names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    for name in names:
        if name not in OUTPUTS:
            raise ValueError(f"outputs must be among {', '.join(map(repr, OUTPUTS))}, got {name!r}")
    if not names or len(set(names)) != len(names):
        raise ValueError(f"outputs must name at least one output, each once, got {names!r}")
    return sum(OUTPUTS[name] for name in names)


# ---- arrays ---------------------------------------------------------------------------------------------------------


def as_array(name: str, x: Any) -> Array:
    """A plain real array of what came, without a copy where there is one to share."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array: give masked samples the weight 0, or select the others")
    if not isinstance(x, np.ndarray):
        if hasattr(x, "__dlpack_device__"):
            device = int(x.__dlpack_device__()[0])
            if device not in (1, 3):  # CPU, or pinned memory of the host
                raise TypeError(f"{name} must be on the CPU, got {type(x).__name__} on DLPack device type {device}")
        try:
            x = np.asarray(x) if hasattr(x, "__array__") or not hasattr(x, "__dlpack__") else np.from_dlpack(x)
        except Exception as error:
            raise TypeError(f"{name} must be convertible to an array, got {type(x).__name__}: {error}") from error
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return array


def prepare(
    loss: Loss, want: int, y_true: Any, y_pred: Any, sample_weight: Any, reduction: Any, out: Any, n_threads: Any
) -> tuple[Array, Array, Array | None, str, Any, int | None]:
    """Convert the arguments of a call to what kernels take, or raise."""
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(map(repr, REDUCTIONS))}, got {reduction!r}")
    if n_threads is not None:
        n_threads = positive_integer("n_threads", n_threads)
    y, f = as_array("y_true", y_true), as_array("y_pred", y_pred)
    expected = y.shape + (2,) * (loss.n_predictions - 1)
    if f.shape != expected:
        last = f" (the last axis holds the {loss.n_predictions} parameters)" if loss.n_predictions > 1 else ""
        raise ValueError(f"y_pred must have the shape {expected}{last} to match y_true, got {f.shape}")
    w = None
    if sample_weight is not None:
        w = as_array("sample_weight", sample_weight)
        if w.shape not in ((), y.shape):
            raise ValueError(f"sample_weight must be a scalar or have the shape {y.shape} of y_true, got {w.shape}")
    if out is not None:
        out = check_out(want, reduction, out, y.shape, f.shape)
    if reduction == "mean":
        if y.size == 0:
            raise ValueError("y_true must not be empty for reduction='mean': the mean over nothing is undefined")
        if w is not None and (w >= 0).all() and not w.any():
            raise ValueError("sample_weight must not sum to 0 for reduction='mean'")
    return y, f, w, reduction, out, n_threads


def check_out(want: int, reduction: str, out: Any, y_shape: tuple[int, ...], f_shape: tuple[int, ...]) -> Any:
    """The arrays of `out`, one for each output that is an array."""
    needed = [
        (name, y_shape if bit == VALUE else f_shape)
        for name, bit in OUTPUTS.items()
        if want & bit and not (bit == VALUE and reduction != "none")
    ]
    names = ", ".join(name for name, _ in needed) or "none: the value is a float"
    if not needed:
        raise ValueError(f"out must be None: with reduction={reduction!r} the value is a float")
    given = out if isinstance(out, tuple) else (out,)
    if len(given) != len(needed):
        raise ValueError(f"out must hold {len(needed)} array(s) ({names}), got {len(given)}")
    for (name, shape), array in zip(needed, given, strict=True):
        if array is None and isinstance(out, tuple):
            continue
        if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
            raise TypeError(f"out for the {name} must be a NumPy array, got {type(array).__name__}")
        if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
            raise TypeError(f"out for the {name} must be float32 or float64, got {array.dtype}")
        if array.shape != shape:
            raise ValueError(f"out for the {name} must have the shape {shape}, got {array.shape}")
        if not array.flags.writeable:
            raise ValueError(f"out for the {name} must be writeable, got a read-only array")
    arrays = [array for array in given if array is not None]
    if any(np.shares_memory(a, b) for k, a in enumerate(arrays) for b in arrays[:k]):
        raise ValueError("out must hold arrays that do not overlap")
    plain = tuple(array if array is None else np.asarray(array) for array in given)
    return plain if isinstance(out, tuple) else plain[0]


# ---- values outside their domains -----------------------------------------------------------------------------------


def domain_error(loss: Loss, violation: Violation, y: Any, f: Any, w: Any) -> ValueError:
    """The error for what a kernel found, with the first bad index."""
    y, f = as_array("y_true", y), as_array("y_pred", f)
    real = np.float32 if f.dtype in (np.float32, np.float16) else np.float64
    with np.errstate(over="ignore"):
        if violation.sample_weight:
            weights = as_array("sample_weight", w)
            return outside("sample_weight", ">= 0 and finite", weights, Interval(0.0).contains(weights.astype(real)))
        if violation.y_true:
            domain = loss.info.y_domain
            finite = " and finite" if isinstance(domain, Interval) and math.isinf(domain.high) else ""
            return outside("y_true", f"{domain}{finite}", y, domain.contains(y.astype(real)))
        if violation.y_pred:
            domains = loss.f_domains
            columns = [f[..., k] for k in range(len(domains))] if len(domains) > 1 else [f]
            for k, (domain, column) in enumerate(zip(domains, columns, strict=True)):
                ok = domain.contains(column.astype(real)) | ~np.isfinite(column)
                if not ok.all():
                    return outside(f"y_pred[..., {k}]" if len(domains) > 1 else "y_pred", str(domain), column, ok)
    return ValueError("y_true must hold one kind of negative label, got both 0 and -1")


def check_labels(name: str, y: Array, domain: Domain) -> None:
    """Raise unless every element lies in the domain."""
    ok = domain.contains(y)
    if not ok.all():
        raise outside(name, str(domain), y, ok)
    if isinstance(domain, Labels) and domain.signed and (y == 0).any() and (y == -1).any():
        raise ValueError(f"{name} must hold one kind of negative label, got both 0 and -1")


def outside(name: str, expected: str, x: Array, ok: Array) -> ValueError:
    """The error for the first element that is not `ok`."""
    if x.ndim == 0:
        return ValueError(f"{name} must be {expected}, got {x[()]!s}")
    index = tuple(int(k) for k in np.unravel_index(int(np.argmin(ok)), x.shape))
    where = index[0] if len(index) == 1 else index
    return ValueError(f"{name} must be {expected}, got {x[index]!s} at index {where}")
