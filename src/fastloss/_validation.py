"""Every check of arguments and every message.

Messages name the argument, what was expected, what came, and the first bad index. Nothing here computes a loss.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._core.pointwise import CURVATURES, REDUCTIONS, Violation
from ._domains import BINARY, CLASSES, UNIT, ClassLabels, Domain, Interval, Labels

if TYPE_CHECKING:
    from ._base import Loss
    from ._regions import RegionLoss
    from ._rows import RowLoss

Array = np.ndarray[Any, Any]
Call = tuple[Array, Array, Array | None, str, Any, int | None]

MOST_CLASSES = 2**24  # a class index is exact in float32

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
    where: str = "",
) -> float:
    """A float within bounds; `where` ends the messages."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number, got {value!r} of type {type(value).__name__}{where}")
    x = float(value)
    bounds = [f"> {gt:g}" if gt > -math.inf else f">= {ge:g}" if ge > -math.inf else ""]
    bounds += [f"< {lt:g}" if lt < math.inf else f"<= {le:g}" if le < math.inf else "", "!= 0" if nonzero else ""]
    wanted = " and ".join(filter(None, bounds))
    inside = (x > gt or gt == -math.inf) and (x < lt or lt == math.inf) and ge <= x <= le and not (nonzero and x == 0)
    if math.isnan(x) or (math.isinf(x) and not infinite) or not inside:
        raise ValueError(f"{name} must be {wanted or 'finite'}, got {value!r}{where}")
    return x


def real_numbers(name: str, value: Any, **bounds: Any) -> tuple[float, ...]:
    """A tuple of floats within bounds, of at least one entry, from an ordered collection."""
    try:
        if isinstance(value, (str, bytes, Mapping, Set)):
            raise TypeError
        entries = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of numbers, got {value!r}") from None
    if not entries:
        raise ValueError(f"{name} must have at least one entry, got {value!r}")
    return tuple(real_number(name, x, where=f" at index {k}", **bounds) for k, x in enumerate(entries))


def integer(name: str, value: Any) -> int:
    """An integer of 64 bits."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}")
    i = int(value)
    if not -(2**63) <= i < 2**63:
        raise ValueError(f"{name} must be an integer of 64 bits, got {i}")
    return i


def indices(name: str, value: Any) -> tuple[int, ...]:
    """A tuple of distinct integers >= 0, of at least one, from an ordered collection."""
    if isinstance(value, (str, bytes, Mapping, Set)) or not np.iterable(value):
        raise TypeError(f"{name} must be a sequence of integers, got {value!r}")
    entries = tuple(integer(name, x) for x in value)
    if not entries or min(entries) < 0 or len(set(entries)) != len(entries):
        raise ValueError(f"{name} must be distinct integers >= 0, at least one, got {value!r}")
    return entries


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
    if not policies:
        raise ValueError(f"{loss!r} has no hessian")
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


def working_type(f: Array) -> type[np.floating[Any]]:
    """The type that a loss of these predictions computes in."""
    return np.float32 if f.dtype.kind == "f" and f.dtype.itemsize < 8 else np.float64


def prepare(
    loss: Loss, want: int, y_true: Any, y_pred: Any, sample_weight: Any, reduction: Any, out: Any, n_threads: Any
) -> Call:
    """Convert the arguments of a call to what kernels take, or raise."""
    n_threads = check_options(reduction, n_threads)
    y, f = as_array("y_true", y_true), as_array("y_pred", y_pred)
    expected = y.shape + (2,) * (loss.n_predictions - 1)
    if f.shape != expected:
        last = f" (the last axis holds the {loss.n_predictions} parameters)" if loss.n_predictions > 1 else ""
        raise ValueError(f"y_pred must have the shape {expected}{last} to match y_true, got {f.shape}")
    w, out = check_outer(want, y.shape, f.shape, sample_weight, reduction, out)
    return y, f, w, reduction, out, n_threads


def prepare_rows(
    loss: RowLoss, want: int, y_true: Any, y_pred: Any, sample_weight: Any, reduction: Any, out: Any, n_threads: Any
) -> Call:
    """Convert the arguments of a call to what the kernels of rows take, or raise; one-hot rows become labels."""
    n_threads = check_options(reduction, n_threads)
    y, f = as_array("y_true", y_true), as_array("y_pred", y_pred)
    check_row_shapes(loss, y.shape, f.shape)
    w, out = check_outer(want, f.shape[:-1], f.shape, sample_weight, reduction, out)
    if loss.one_hot and y.ndim == f.ndim:
        y = labels_of_one_hot("y_true", y)
    return y, f, w, reduction, out, n_threads


def check_options(reduction: Any, n_threads: Any) -> int | None:
    """The number of threads; raise for it or a bad reduction."""
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(map(repr, REDUCTIONS))}, got {reduction!r}")
    return None if n_threads is None else positive_integer("n_threads", n_threads)


def check_long_call(memory_budget: Any, progress: Any) -> None:
    """Raise unless these are what a long call takes."""
    if memory_budget is not None:
        positive_integer("memory_budget", memory_budget)
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable or None, got {progress!r} of type {type(progress).__name__}")


def check_weights(w: Array, real: Any) -> Array:
    """Weights in the type of a computation; raise for those that are no weights there."""
    with np.errstate(over="ignore"):
        converted = w.astype(real)
    if not (ok := Interval(0.0).contains(converted)).all():
        raise outside("sample_weight", ">= 0 and finite", w, ok)
    return converted


def check_outer(
    want: int, shape: tuple[int, ...], f_shape: tuple[int, ...], sample_weight: Any, reduction: str, out: Any
) -> tuple[Array | None, Any]:
    """Weights and `out` for samples of the given shape; raise where the mean is over nothing."""
    w = None
    if sample_weight is not None:
        w = as_array("sample_weight", sample_weight)
        if w.shape not in ((), shape):
            raise ValueError(f"sample_weight must be a scalar or have the shape {shape} of y_true, got {w.shape}")
    if out is not None:
        out = check_out(want, reduction, out, shape, f_shape)
    if reduction == "mean":
        if math.prod(shape) == 0:
            raise ValueError("y_true must not be empty for reduction='mean': the mean over nothing is undefined")
        if w is not None and (w >= 0).all() and not w.any():
            raise ValueError("sample_weight must not sum to zero for reduction='mean'")
    return w, out


def check_row_shapes(loss: RowLoss, y: tuple[int, ...], f: tuple[int, ...]) -> None:
    """Raise unless the shapes of y_true, y_pred and the parameters of the loss go together."""
    if not f or not 1 <= f[-1] <= MOST_CLASSES:
        raise ValueError(f"y_pred must have a last axis of 1 to {MOST_CLASSES} entries, got the shape {f}")
    dense = loss.targets in ("dense", "vectors") or (loss.targets == "both" and len(y) == len(f))
    if dense and len(y) != len(f):
        raise ValueError(f"y_true must have the shape {f} of y_pred, got {y}")
    if dense and y != f:
        raise ValueError(f"y_pred must have the shape {y} to match y_true, got {f}")
    if not dense and y != f[:-1]:
        expected = f"({', '.join([*map(str, y), 'K'])}{'' if y else ','})"
        holds = "" if loss.targets == "values" else ", which holds class indices"
        raise ValueError(f"y_pred must have the shape {expected} to match y_true {y}{holds}, got {f}")
    if dense and loss.ignored is not None:
        raise ValueError(f"ignore_index must be None for dense targets (y_true of shape {y}), got {loss.ignored}")
    check_class_vector(loss, f[-1])


def check_class_vector(loss: RowLoss, n_classes: int) -> None:
    """Raise unless a parameter with an entry for each class has that many."""
    entries = getattr(loss, loss.class_vector, None)
    if isinstance(entries, tuple) and len(entries) != n_classes:
        nouns = "quantiles" if loss.targets == "values" else "classes"
        raise ValueError(
            f"{loss.class_vector} must have one entry for each of the {n_classes} {nouns} of y_pred, got {len(entries)}"
        )


def labels_of_one_hot(name: str, y: Array) -> Array:
    """The class indices of one-hot rows."""
    ok = ((y == 0) | (y == 1)).all(axis=-1) & (np.count_nonzero(y, axis=-1) == 1)
    if not ok.all():
        raise outside(name, "one-hot (exactly one 1 on the last axis, else 0)", y, ok)
    return np.asarray(y.argmax(axis=-1))


def prepare_constant(loss: RowLoss, y_true: Any, sample_weight: Any, n_classes: Any) -> tuple[Array, Array, int]:
    """Targets, float64 and with one axis for all rows, positive weights, and K, for a constant row of predictions."""
    y = as_array("y_true", y_true)
    dense = loss.targets in ("dense", "vectors") or (loss.targets == "both" and y.ndim > 1)
    if y.size == 0:
        raise ValueError("y_true must not be empty: the minimiser over nothing is undefined")
    if dense and y.ndim == 0:
        raise ValueError("y_true must have a last axis with a number for each class, got a scalar")
    shape = y.shape[:-1] if dense else y.shape
    w = flat_weights(sample_weight, shape)

    entries = getattr(loss, loss.class_vector, None)
    known = y.shape[-1] if dense else len(entries) if isinstance(entries, tuple) else None
    k = known if n_classes is None else positive_integer("n_classes", n_classes)
    if known is not None and k != known:
        raise ValueError(f"n_classes must be {known} for {loss!r} and these targets, got {k}")
    counts = np.ones(shape, bool) if dense or loss.ignored is None else y != loss.ignored
    if k is None:
        ok = ~counts | CLASSES.contains(y)
        if not ok.all():
            raise outside("y_true", "an integer >= 0", y, ok)
        k = int(np.max(y, where=counts, initial=0)) + 1
    check_class_vector(loss, k)
    expected, ok = row_targets(loss, y, (*shape, k), np.float64)
    ok &= np.isfinite(y) | ((loss.targets == "dense") & (y == -math.inf))  # -inf: the logarithm of a share of 0
    if not ok.all():
        raise outside("y_true", "finite" if expected == "real" else expected, y, ok)

    keep = counts.ravel() & (w > 0)
    if not keep.any():
        raise ValueError("y_true must hold a row of positive weight: all are ignored or weigh 0")
    y = y.reshape(len(w), -1)[keep] if dense else y.ravel()[keep]
    if loss.one_hot and dense:
        y = labels_of_one_hot("y_true", y)
    return y.astype(np.float64), w[keep], k


def flat_weights(sample_weight: Any, shape: tuple[int, ...]) -> Array:
    """One float64 weight for each sample of the given shape; not all 0."""
    w = np.ones(shape)
    if sample_weight is not None:
        w = as_array("sample_weight", sample_weight).astype(np.float64)
        if w.shape not in ((), shape):
            raise ValueError(f"sample_weight must be a scalar or have the shape {shape}, got {w.shape}")
        check_labels("sample_weight", w, Interval(0.0))
        w = np.broadcast_to(w, shape)
    if not w.any():
        raise ValueError("sample_weight must not sum to zero")
    return w.ravel()


def check_out(want: int, reduction: str, out: Any, y_shape: tuple[int, ...], f_shape: tuple[int, ...]) -> Any:
    """The arrays of `out`, one for each output that is an array."""
    needed = [
        (name, y_shape if bit == VALUE else f_shape)
        for name, bit in OUTPUTS.items()
        if want & bit and not (bit == VALUE and reduction != "none")
    ]
    if not needed:
        raise ValueError(f"out must be None: with reduction={reduction!r} the value is a float")
    plain = check_arrays(needed, out if isinstance(out, tuple) else (out,))
    return plain if isinstance(out, tuple) else plain[0]


def check_arrays(needed: list[tuple[str, tuple[int, ...]]], given: tuple[Any, ...]) -> tuple[Array | None, ...]:
    """The arrays of `out` for results of the given names and shapes; None where the call is to make one."""
    if len(given) != len(needed):
        names = ", ".join(name for name, _ in needed)
        raise ValueError(f"out must hold {len(needed)} array(s) ({names}), got {len(given)}")
    for (name, shape), array in zip(needed, given, strict=True):
        if array is None:
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
    return tuple(array if array is None else np.asarray(array) for array in given)


# ---- several differentiable inputs ----------------------------------------------------------------------------------


def check_outs(
    want: int, reduction: str, out: Any, shape: tuple[int, ...], gradients: dict[str, tuple[int, ...]]
) -> tuple[Array | None, tuple[Array | None, ...]]:
    """The arrays of `out` for the values and for the gradient in each input; None where the call is to make one."""
    values = {"value": shape} if want & VALUE and reduction == "none" else {}
    slopes = {f"gradient in {name}": shape for name, shape in gradients.items()} if want & GRADIENT else {}
    if out is None:
        return None, (None,) * len(slopes)
    if not slopes:
        plain = check_out(want, reduction, out, shape, shape)
        return (plain[0] if isinstance(plain, tuple) else plain), ()
    form = f"({', '.join(gradients)})"
    given = out
    if values:
        form = f"(value, {form})"
        given = (out[0], *out[1]) if isinstance(out, tuple) and len(out) == 2 and isinstance(out[1], tuple) else None
    if not isinstance(given, tuple):
        raise TypeError(f"out must be a tuple {form} of arrays or None, got {type(out).__name__}")
    plain = check_arrays([*values.items(), *slopes.items()], given)
    return (plain[0], plain[1:]) if values else (None, plain)


def prepare_linear(
    rows: RowLoss,
    want: int,
    inputs: tuple[Any, ...],
    sample_weight: Any,
    reduction: Any,
    out: Any,
    n_threads: Any,
    memory_budget: Any,
    progress: Any,
) -> tuple[Array, Array, Array, Array | None, Array | None, tuple[Array | None, tuple[Array | None, ...]]]:
    """Labels, features, weights, bias, sample weights and `out` of a linear layer under a loss of rows, or raise."""
    check_options(reduction, n_threads)
    check_long_call(memory_budget, progress)
    y, x, w = map(as_array, ("y_true", "features", "weights"), inputs)
    b = None if inputs[3] is None else as_array("bias", inputs[3])
    if x.ndim != 2:
        raise ValueError(f"features must have the shape (N, D), got {x.shape}")
    if w.ndim != 2 or w.shape[1] != x.shape[1] or not 1 <= len(w) <= MOST_CLASSES:
        expected = f"(V, {x.shape[1]}), V from 1 to {MOST_CLASSES},"
        raise ValueError(f"weights must have the shape {expected} to match features {x.shape}, got {w.shape}")
    if y.shape != x.shape[:1]:
        raise ValueError(f"y_true must have the shape {x.shape[:1]} to match features {x.shape}, got {y.shape}")
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"bias must have the shape {w.shape[:1]} to match weights {w.shape}, got {b.shape}")
    entries = getattr(rows, rows.class_vector)
    if entries is not None and len(entries) != len(w):
        raise ValueError(
            f"{rows.class_vector} must have one entry for each of the {len(w)} rows of weights, got {len(entries)}"
        )
    u, _ = check_outer(want, y.shape, x.shape, sample_weight, reduction, None)
    if u is not None:
        check_weights(u, linear_type(x, w, b))
    expected, ok = row_targets(rows, y, (*y.shape, len(w)), np.float64)
    if not ok.all():
        raise outside("y_true", expected, y, ok)
    named = {"features": x, "weights": w} | ({} if b is None else {"bias": b})
    return y, x, w, b, u, check_outs(want, reduction, out, y.shape, {name: a.shape for name, a in named.items()})


def prepare_pairs(
    want: int,
    inputs: dict[str, Any],
    labels: tuple[Any, ...],
    sample_weight: Any,
    reduction: Any,
    out: Any,
    n_threads: Any,
    rows: bool,
) -> tuple[tuple[Array, ...], Array | None, Array | None, tuple[Array | None, tuple[Array | None, ...]]]:
    """Inputs of one shape, labels if there are any, weights and `out` of a loss that compares inputs, or raise.

    The inputs are matrices, of which each row has a label and a weight, if they are compared by `rows`.
    """
    check_options(reduction, n_threads)
    arrays = {name: as_array(name, x) for name, x in inputs.items()}
    first, x = next(iter(arrays.items()))
    if rows and (x.ndim != 2 or x.shape[1] < 1):
        raise ValueError(f"{first} must have the shape (N, D) with D >= 1, got {x.shape}")
    for name, array in arrays.items():
        if array.shape != x.shape:
            raise ValueError(f"{name} must have the shape {x.shape} of {first}, got {array.shape}")
    shape = x.shape[:1] if rows else x.shape
    y = as_array("labels", labels[0]) if labels else None
    if y is not None and y.shape != shape:
        raise ValueError(f"labels must have the shape {shape} to match {first}, got {y.shape}")
    w = None if sample_weight is None else as_array("sample_weight", sample_weight)
    if w is not None:
        if w.shape not in ((), shape):
            raise ValueError(
                f"sample_weight must be a scalar or have the shape {shape} to match {first}, got {w.shape}"
            )
        w = check_weights(w, linear_type(*arrays.values()))
    if reduction == "mean" and math.prod(shape) == 0:
        raise ValueError(f"{first} must not be empty for reduction='mean': the mean over nothing is undefined")
    if reduction == "mean" and w is not None and not w.any():
        raise ValueError("sample_weight must not sum to zero for reduction='mean'")
    outs = check_outs(want, reduction, out, shape, {name: x.shape for name in arrays})
    return tuple(arrays.values()), y, w, outs


def prepare_similarities(
    want: int,
    inputs: dict[str, Any],
    labels: tuple[Any, ...],
    square: bool,
    sample_weight: Any,
    reduction: Any,
    out: Any,
    n_threads: Any,
    memory_budget: Any,
    progress: Any,
) -> tuple[tuple[Array, ...], Array | None, Array, tuple[Array | None, tuple[Array | None, ...]]]:
    """One or two matrices, labels if there are any, the weight of each row, and `out`, or raise.

    A second matrix may have more rows than the first, unless it is to be `square`.
    """
    check_long_call(memory_budget, progress)
    (first, given), *others = inputs.items()
    (x,), y, _, _ = prepare_pairs(want, {first: given}, labels, sample_weight, reduction, None, n_threads, rows=True)
    matrices = {first: x}
    for name, given in others:
        z = matrices[name] = as_array(name, given)
        if z.ndim != 2 or z.shape[1] != x.shape[1] or (len(z) != len(x) if square else len(z) < len(x)):
            expected = f"({len(x)}, {x.shape[1]})" if square else f"(M, {x.shape[1]}) with M >= {len(x)}"
            raise ValueError(f"{name} must have the shape {expected} to match {first} {x.shape}, got {z.shape}")
    if y is not None and y.dtype.kind not in "biu":
        raise TypeError(f"labels must hold integers, got dtype {y.dtype}")
    w = np.ones(()) if sample_weight is None else as_array("sample_weight", sample_weight).astype(np.float64)
    gradients = {name: a.shape for name, a in matrices.items()}
    if out is not None and want & GRADIENT and len(gradients) == 1:
        values = bool(want & VALUE) and reduction == "none"
        out = (out,) if not values else (out[0], out[1:]) if isinstance(out, tuple) else out
    outs = check_outs(want, reduction, out, x.shape[:1], gradients)
    return tuple(matrices.values()), y, np.broadcast_to(w, x.shape[:1]), outs


def check_pair_labels(y: Array, other: int) -> Array:
    """Whether each label is 1; raise for one that is neither that nor the other."""
    same = np.equal(y, 1)
    if not (same | (y == other)).all():
        raise pair_label_error(y, other)
    return np.asarray(same, order="C")


def pair_label_error(y: Array, other: int) -> ValueError:
    """The error for a label that is neither 1 nor the other."""
    return outside("labels", f"1 or {other}", y, (y == 1) | (y == other))


def linear_type(*arrays: Array | None) -> type[np.floating[Any]]:
    """The type that a loss of several inputs computes in: float64 unless all are float32 or shorter."""
    return np.result_type(*(working_type(a) for a in arrays if a is not None)).type


def prepare_batch(
    want: int,
    inputs: tuple[Any, ...],
    sample_weight: Any,
    reduction: Any,
    out: Any,
    n_threads: Any,
    memory_budget: Any,
    progress: Any,
) -> tuple[Array, Array, Array | None, Any]:
    """Embeddings, integer labels, weights of the type of computation, and `out`, for labelled rows, or raise."""
    check_options(reduction, n_threads)
    check_long_call(memory_budget, progress)
    x, y = map(as_array, ("embeddings", "labels"), inputs)
    if x.ndim != 2 or x.shape[1] < 1:
        raise ValueError(f"embeddings must have the shape (B, D) with D >= 1, got {x.shape}")
    if y.shape != x.shape[:1]:
        raise ValueError(f"labels must have the shape {x.shape[:1]} to match embeddings {x.shape}, got {y.shape}")
    if y.dtype.kind not in "biu":
        raise TypeError(f"labels must hold integers, got dtype {y.dtype}")
    w = None
    if sample_weight is not None:
        given = as_array("sample_weight", sample_weight)
        if given.shape not in ((), y.shape):
            raise ValueError(f"sample_weight must be a scalar or have the shape {y.shape} of labels, got {given.shape}")
        w = check_weights(given, linear_type(x))
    if reduction == "mean" and not y.size:
        raise ValueError("embeddings must not be empty for reduction='mean': the mean over nothing is undefined")
    if reduction == "mean" and w is not None and not w.any():
        raise ValueError("sample_weight must not sum to zero for reduction='mean'")
    return x, y, w, None if out is None else check_out(want, reduction, out, y.shape, x.shape)


# ---- groups of rows --------------------------------------------------------------------------------------------------


def prepare_groups(
    loss: Loss,
    want: int,
    y_true: Any,
    y_pred: Any,
    sample_weight: Any,
    group: Any,
    qid: Any,
    reduction: Any,
    out: Any,
    n_threads: Any,
) -> tuple[Array, Array, Array, Array | None, Any]:
    """Relevances, scores, the bounds of the groups, their weights and `out`, contiguous and checked."""
    check_options(reduction, n_threads)
    y, s = as_array("y_true", y_true), as_array("y_pred", y_pred)
    if s.ndim != 1:
        raise ValueError(f"y_pred must have one score for each row, shape (n,), got {s.shape}")
    if y.shape != s.shape:
        raise ValueError(f"y_true must have the shape {s.shape} of y_pred, got {y.shape}")
    start = group_bounds(group, qid, len(s))
    shape = (len(start) - 1,)
    w = None
    if sample_weight is not None:
        w = as_array("sample_weight", sample_weight)
        if w.shape not in ((), shape):
            raise ValueError(
                f"sample_weight must be a scalar or have one entry for each of {shape[0]} groups, got {w.shape}"
            )
        w = check_weights(w.astype(np.float64), np.float64)
        if reduction == "mean" and w.size and not w.any():
            raise ValueError("sample_weight must not sum to zero for reduction='mean'")
    if out is not None:
        out = check_out(want, reduction, out, shape, s.shape)
    relevance = np.ascontiguousarray(y, np.float32 if y.dtype == np.float32 else np.float64)
    domain = loss.info.y_domain
    ends = np.array([relevance.min(initial=np.inf), relevance.max(initial=-np.inf)])  # NaN if one of them is
    if len(y) and not (np.isfinite(ends) & domain.contains(ends)).all():
        ok = np.isfinite(relevance) & domain.contains(relevance)
        raise outside("y_true", f"{domain} and finite", y, ok)
    return relevance, np.ascontiguousarray(s, working_type(s)), start, w, out


def group_bounds(group: Any, qid: Any, n: int) -> Array:
    """Where groups of n rows begin, and n."""
    if group is not None and qid is not None:
        raise ValueError("group must be None where qid is given: one of them says which rows belong together")
    if qid is not None:
        q = as_array("qid", qid)
        if q.shape != (n,):
            raise ValueError(f"qid must have the shape ({n},) of y_pred, got {q.shape}")
        if q.dtype.kind not in "biu":
            raise TypeError(f"qid must hold integers, got dtype {q.dtype}")
        bounds = np.flatnonzero(np.concatenate([[True], q[1:] != q[:-1]])) if n else np.zeros(0, np.intp)
        first, counts = np.unique(q[bounds], return_counts=True)
        if (counts > 1).any():
            again = first[int(np.argmax(counts > 1))]
            at = int(bounds[q[bounds] == again][1])
            raise ValueError(f"qid must hold each group in one run of rows, got {again} again at index {at}")
        return np.append(bounds, n).astype(np.intp)
    if group is None:
        return np.array([0, n], np.intp)
    sizes = as_array("group", group)
    if sizes.ndim != 1:
        raise ValueError(f"group must be one-dimensional, got the shape {sizes.shape}")
    if sizes.dtype.kind not in "biu" and sizes.size:
        raise TypeError(f"group must hold integers, got dtype {sizes.dtype}")
    if not (ok := (sizes >= 0) & (sizes <= n)).all():
        raise outside("group", f"in [0, {n}], the number of rows", sizes, ok)
    total = int(sizes.sum(dtype=np.int64)) if len(sizes) <= 2**31 else -1
    if total != n:
        raise ValueError(f"group must add up to the {n} rows of y_pred, got {total}")
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.intp)]).astype(np.intp)


# ---- regions of images ----------------------------------------------------------------------------------------------


def prepare_regions(
    loss: RegionLoss, want: int, y_true: Any, y_pred: Any, sample_weight: Any, reduction: Any, out: Any, n_threads: Any
) -> tuple[Array, Array, Array | None, tuple[Array | None, Array | None], int | None]:
    """Targets and predictions with classes on axis 1, float64 weights, `out` for values and gradient; or raise."""
    n_threads = check_options(reduction, n_threads)
    y, f = as_array("y_true", y_true), as_array("y_pred", y_pred)
    shape = check_region_shapes(loss, y, f)
    w, _ = check_outer(want, f.shape[:1], f.shape, sample_weight, reduction, None)
    outs: tuple[Any, ...] = ()
    if out is not None:
        out = check_out(want, reduction, out, shape, f.shape)
        outs = out if isinstance(out, tuple) else (out,)
    value = outs[0] if outs and want & VALUE and reduction == "none" else None
    gradient = outs[-1] if outs and want & GRADIENT else None
    if w is not None:
        w = np.ascontiguousarray(np.broadcast_to(check_weights(w.astype(np.float64), np.float64), f.shape[:1]))
    return loss._by_class(y, f.ndim), loss._by_class(f, f.ndim), w, (value, gradient), n_threads


def check_region_shapes(loss: RegionLoss, y: Array, f: Array) -> tuple[int, ...]:
    """The shape of the values; raise unless arrays and the parameters of the loss go together."""
    binary, axes = loss.mode == "binary", "*pixels, C" if loss.channels_last else "C, *pixels"
    if f.ndim < (2 if binary else 3):
        raise ValueError(f"y_pred must have the shape (N, {'*pixels' if binary else axes}), got {f.shape}")
    labels = loss.mode == "multiclass" and y.ndim < f.ndim
    axis = f.ndim - 1 if loss.channels_last else 1
    expected = f.shape[:axis] + f.shape[axis + 1 :] if labels else f.shape
    if y.shape != expected:
        or_dense = f" of labels, or {f.shape}" if loss.mode == "multiclass" else ""
        pixels = f.shape[:axis] + f.shape[axis + 1 :] if or_dense else f.shape
        raise ValueError(f"y_true must have the shape {pixels}{or_dense} to match y_pred, got {y.shape}")
    if loss.mode == "multiclass" and not labels and loss.ignore_index is not None:
        raise ValueError(
            f"ignore_index must be None for dense targets (y_true of shape {y.shape}), got {loss.ignore_index}"
        )
    n = 1 if binary else f.shape[axis]
    if not 1 <= n <= MOST_CLASSES:
        raise ValueError(f"y_pred must have 1 to {MOST_CLASSES} classes on axis {axis}, got the shape {f.shape}")
    if loss.class_weight is not None and len(loss.class_weight) != n:
        raise ValueError(
            f"class_weight must have one entry for each of the {n} classes of y_pred, got {len(loss.class_weight)}"
        )
    if loss.classes is not None and max(loss.classes) >= n:
        raise ValueError(f"classes must be below {n}, the number of classes of y_pred, got {max(loss.classes)}")
    samples = f.shape[0] if loss.per_sample else 1
    return (samples,) if loss.average != "none" else (samples, n if loss.classes is None else len(loss.classes))


def region_error(loss: RegionLoss, y: Array, f: Array) -> ValueError | None:
    """The error for targets or predictions outside their domains, with its index in the arrays of the caller."""
    ignored = loss.ignore_index
    counts = np.ones(y.shape, bool) if ignored is None else y != ignored
    hint = "" if ignored is None else f", or the ignore_index {ignored}"
    with np.errstate(over="ignore"):
        if labels := y.ndim < f.ndim:
            expected, ok = f"an integer in [0, {f.shape[1]})", CLASSES.contains(y, f.shape[1]) | ~counts
        else:
            domain: Domain = BINARY if loss.hard else UNIT
            expected, ok = str(domain), domain.contains(y.astype(working_type(f))) | ~counts
        if not ok.all():
            given = (y, ok) if labels else (loss._by_caller(y), loss._by_caller(ok))
            return outside("y_true", expected + hint, *given)
        if not loss.from_logits:
            used = counts[:, None] if labels else counts
            ok = UNIT.contains(f.astype(working_type(f))) | ~np.isfinite(f) | ~used
            if not ok.all():
                return outside("y_pred", str(UNIT), loss._by_caller(f), loss._by_caller(ok))
    return None


# ---- sequences -------------------------------------------------------------------------------------------------------


def lengths_of(name: str, lengths: Any, n: int, least: int, most: int) -> Array:
    """How many entries of each of n sequences count; all of them by default."""
    if lengths is None:
        if n and most < least:
            raise ValueError(f"{name} must be >= {least}, got sequences of {most}")
        return np.full(n, most, np.intp)
    given = as_array(name, lengths)
    if given.shape != (n,):
        raise ValueError(f"{name} must have the shape ({n},), a length for each sequence, got {given.shape}")
    if given.dtype.kind not in "iu" and given.size:
        raise TypeError(f"{name} must hold integers, got dtype {given.dtype}")
    if not (ok := (given >= least) & (given <= most)).all():
        raise outside(name, f"in [{least}, {most}]", given, ok)
    return np.array(given, np.intp)


def label_sequences(y_true: Any, lengths: Any, n: int) -> tuple[Array, Array]:
    """The labels of n sequences, one after the other, and how many each has; padding is not looked at."""
    if isinstance(y_true, (list, tuple)) and len({np.shape(row) for row in y_true}) != 1:
        if lengths is not None:
            raise ValueError("label_lengths must be None where y_true is a list of sequences, which have their lengths")
        rows = [as_array(f"y_true[{k}]", row) for k, row in enumerate(y_true)]
        for k, row in enumerate(rows):
            if row.ndim != 1:
                raise ValueError(f"y_true[{k}] must be one-dimensional, got the shape {row.shape}")
        if len(rows) != n:
            raise ValueError(f"y_true must have {n} sequences to match y_pred, got {len(rows)}")
        flat = np.concatenate([row if row.size else np.zeros(0, np.intp) for row in rows] or [np.zeros(0, np.intp)])
        return flat, np.array([len(row) for row in rows], np.intp)
    y = as_array("y_true", y_true)
    if y.ndim != 2 or len(y) != n:
        raise ValueError(
            f"y_true must have the shape (N, S) with N = {n} to match y_pred, or be a list of sequences, got {y.shape}"
        )
    counts = lengths_of("label_lengths", lengths, n, 0, y.shape[1])
    return (y.ravel() if lengths is None else y[np.arange(y.shape[1]) < counts[:, None]]), counts


def class_of_blank(blank: int, n_classes: int) -> int:
    """The index of the blank, which may be counted from the end."""
    if not -n_classes <= blank < n_classes:
        raise ValueError(f"blank must be in [-{n_classes}, {n_classes}) for {n_classes} classes, got {blank}")
    return blank % n_classes


def frames_of_classes(y_pred: Any, lengths: Any) -> tuple[Array, Array]:
    """Predictions of shape (N, T, C), and how many frames of each sequence count."""
    f = as_array("y_pred", y_pred)
    if f.ndim != 3 or not 1 <= f.shape[2] <= MOST_CLASSES:
        raise ValueError(f"y_pred must have the shape (N, T, C) with C from 1 to {MOST_CLASSES}, got {f.shape}")
    return f, lengths_of("logit_lengths", lengths, len(f), 0, f.shape[1])


class Transcripts(NamedTuple):
    """Frames of predictions, and the labels that they are to be aligned with."""

    f: Array
    frames: Array
    """How many of each sequence count."""
    labels: Array
    """Those of all sequences, one after the other."""
    first: Array
    """Where those of a sequence begin, and where the last ones end."""
    needed: Array
    """How many frames each needs: one for each label, and one between equal neighbours."""
    blank: int

    @property
    def counts(self) -> Array:
        """How many labels each has."""
        return np.diff(self.first)


def transcripts(y_true: Any, y_pred: Any, label_lengths: Any, logit_lengths: Any, blank: int) -> Transcripts:
    """Labels and frames of CTC, or raise."""
    f, frames = frames_of_classes(y_pred, logit_lengths)
    labels, counts = label_sequences(y_true, label_lengths, len(f))
    blank = class_of_blank(blank, f.shape[2])
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    ok = CLASSES.contains(labels, f.shape[2]) & (labels != blank)
    if not ok.all():
        at = int(np.argmin(ok))
        k = int(np.searchsorted(first, at, side="right")) - 1
        raise ValueError(
            f"y_true must hold integers in [0, {f.shape[2]}) but for the blank {blank}, got {labels[at]!s} at index "
            f"({k}, {at - int(first[k])})"
        )
    labels = np.array(labels, np.intp)
    again = np.zeros(len(labels) + 1, np.intp)
    np.cumsum(np.concatenate([[False], labels[1:] == labels[:-1]])[: len(labels)], out=again[1:])
    starts = np.minimum(first[:-1] + 1, first[1:])  # the first label of a sequence follows none
    return Transcripts(f, frames, labels, first, counts + again[first[1:]] - again[starts], blank)


def infeasible(index: int, given: Transcripts) -> ValueError:
    """The error for a sequence that has no path."""
    frames, needed = int(given.frames[index]), int(given.needed[index])
    if frames < needed:
        wanted = f"sequence {index} needs {needed} frames for its labels, got {frames}"
        return ValueError(f"logit_lengths must leave room for a path: {wanted}")
    return ValueError(f"y_pred must give each sequence a path of positive probability: sequence {index} has none")


class Samples(NamedTuple):
    """Weights of sequences, and the arrays of `out`."""

    weight: Array
    total: float
    """What the mean is divided by."""
    value: Array | None
    gradient: Array | None


def prepare_samples(want: int, f: Array, sample_weight: Any, reduction: Any, out: Any, n_threads: Any) -> Samples:
    """Weights and `out` of a loss that has one value for each f[i] and a gradient in f, or raise."""
    check_options(reduction, n_threads)
    w, out = check_outer(want, f.shape[:1], f.shape, sample_weight, reduction, out)
    weight = np.ones(len(f)) if w is None else np.array(np.broadcast_to(check_weights(w, np.float64), f.shape[:1]))
    outs = [None, None] if out is None else list(out) if isinstance(out, tuple) else [out]
    value = outs.pop(0) if want & VALUE and reduction == "none" else None
    return Samples(weight, float(weight.sum()), value, outs[0] if want & GRADIENT else None)


def prepare_series(
    want: int,
    inputs: tuple[Any, ...],
    sample_weight: Any,
    reduction: Any,
    out: Any,
    n_threads: Any,
    true_lengths: Any,
    pred_lengths: Any,
) -> tuple[Array, Array, Array, Array, Samples]:
    """Two batches of series, their lengths, weights and `out`, or raise."""
    y, f = map(as_array, ("y_true", "y_pred"), inputs)
    if f.ndim != 3 or f.shape[2] < 1:
        raise ValueError(f"y_pred must have the shape (N, T2, D) with D >= 1, got {f.shape}")
    if y.ndim != 3 or len(y) != len(f) or y.shape[2] != f.shape[2]:
        expected = f"({len(f)}, T1, {f.shape[2]})"
        raise ValueError(f"y_true must have the shape {expected} to match y_pred {f.shape}, got {y.shape}")
    samples = prepare_samples(want, f, sample_weight, reduction, out, n_threads)
    true = lengths_of("true_lengths", true_lengths, len(f), 1, y.shape[1])
    return y, f, true, lengths_of("pred_lengths", pred_lengths, len(f), 1, f.shape[1]), samples


# ---- values outside their domains -----------------------------------------------------------------------------------


def domain_error(loss: Loss, violation: Violation, y: Any, f: Any, w: Any) -> ValueError:
    """The error for what a kernel found, with the first bad index."""
    y, f = as_array("y_true", y), as_array("y_pred", f)
    real = working_type(f)
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


def check_rows(loss: RowLoss, y: Array, f: Array, w: Array | None) -> None:
    """Raise unless every element of matching arguments lies in its domain."""
    for error in row_errors(loss, y, f, w):
        raise error


def row_error(loss: RowLoss, y: Any, f: Any, w: Any) -> ValueError:
    """The error for what a kernel of rows found."""
    w = None if w is None else as_array("sample_weight", w)
    return next(row_errors(loss, as_array("y_true", y), as_array("y_pred", f), w), nothing_counts(loss, w))


def nothing_counts(loss: RowLoss, w: Array | None) -> ValueError:
    """The error for a mean over rows that are all ignored or weigh 0."""
    if w is not None and not w.any():
        return ValueError("sample_weight must not sum to zero for reduction='mean'")
    ignored = "" if loss.ignored is None else f"all have the ignore_index {loss.ignored} or "
    return ValueError(f"y_true must hold a row that counts for reduction='mean': {ignored or 'all '}weigh 0")


def row_errors(loss: RowLoss, y: Array, f: Array, w: Array | None) -> Iterator[ValueError]:
    """An error for each argument with an element outside its domain."""
    real = working_type(f)
    (domain,) = loss.f_domains
    with np.errstate(over="ignore"):
        checks = [("y_true", y, *row_targets(loss, y, f.shape, real))]
        checks += [("y_pred", f, str(domain), domain.contains(f.astype(real)) | ~np.isfinite(f))]
        if w is not None:
            checks.insert(0, ("sample_weight", w, ">= 0 and finite", Interval(0.0).contains(w.astype(real))))
    for name, x, expected, ok in checks:
        if not ok.all():
            yield outside(name, expected, x, ok)


def row_targets(loss: RowLoss, y: Array, f_shape: tuple[int, ...], real: Any) -> tuple[str, Array]:
    """What targets of the given predictions must be, and which are."""
    domain = loss.info.y_domain
    if isinstance(domain, ClassLabels) and y.ndim < len(f_shape):
        k = f_shape[-1]
        expected, ok = f"an integer in [0, {k})", domain.contains(y, k)
        if loss.ignored is None:
            return expected, ok
        return f"{expected}, or the ignore_index {loss.ignored}", ok | (y == loss.ignored)
    dense = UNIT if isinstance(domain, ClassLabels) else domain
    return str(dense), dense.contains(y.astype(real))


def check_labels(name: str, y: Array, domain: Domain) -> None:
    """Raise unless every element lies in the domain."""
    ok = domain.contains(y)
    if not ok.all():
        raise outside(name, str(domain), y, ok)
    if isinstance(domain, Labels) and domain.signed and (y == 0).any() and (y == -1).any():
        raise ValueError(f"{name} must hold one kind of negative label, got both 0 and -1")


def outside(name: str, expected: str, x: Array, ok: Array) -> ValueError:
    """The error for the first element (or row, where `ok` has one axis less) that is not `ok`."""
    if ok.ndim == 0:
        return ValueError(f"{name} must be {expected}, got {x[()]!s}")
    index = tuple(int(k) for k in np.unravel_index(int(np.argmin(ok)), ok.shape))
    where = index[0] if len(index) == 1 else index
    return ValueError(f"{name} must be {expected}, got {x[index]!s} at index {where}")
