"""The logarithm of zero: binary cross-entropy without clipping
===============================================================

The formula of the cross-entropy has log p and log(1 - p). In NumPy it gives NaN for probabilities of 0 and 1 that are
right, and infinities for large logits. The usual remedy clips p, which bounds the loss and switches off the gradient
just where it is needed. Needs matplotlib.
"""

# %%
# Three ways: the formula as it stands, with p clipped to [1e-7, 1 - 1e-7], and fastloss. The derivatives are those of
# what each computes: that of a clipped p is 0.
import decimal

import matplotlib.pyplot as plt
import numpy as np

import fastloss as fl

EPS = 1e-7


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Probability of a logit."""
    return 1 / (1 + np.exp(-z))


def plain(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and derivative in p, as in a textbook."""
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)), (p - y) / (p * (1 - p))


def clipped(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of a clipped p."""
    value, slope = plain(y, np.clip(p, EPS, 1 - EPS))
    return value, np.where((p < EPS) | (p > 1 - EPS), 0.0, slope)


def ours(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and derivative in p by fastloss."""
    return fl.BinaryCrossEntropy().value_and_gradient(y, p, reduction="none")


p = np.array([0.0, 1.0, 0.0, 1.0, 1e-12, 1 - 1e-12, 0.3])
y = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0])
ways = {"plain": plain, "clipped": clipped, "fastloss": ours}
with np.errstate(all="ignore"):
    found = {name: way(y, p) for name, way in ways.items()}
print("probabilities" + " " * 22 + "value" + " " * 30 + "derivative in p")
print(f"{'y':>3}{'p':>12}  " + "".join(f"{name:>12}" for name in (*ways, *ways)))
for i in range(len(p)):
    figures = [found[name][part][i] for part in (0, 1) for name in ways]
    shown = "1 - 1e-12" if 0.5 < p[i] < 1 else f"{p[i]:g}"
    print(f"{y[i]:3.0f}{shown:>12}  " + "".join(f"{x + 0.0:12.4g}" for x in figures))

# %%
# With logits: p = sigmoid(z) rounds to 1 from z = 37 on, and what is left of 1 - p before is mostly rounding. The exact
# values are computed with 1000 digits. A loss that takes the logit itself has no logarithm that could see a 0.


def exact(z: float) -> tuple[decimal.Decimal, decimal.Decimal]:
    """Value and derivative in the logit for y = 0: log(1 + e^z) and e^z / (1 + e^z)."""
    with decimal.localcontext(prec=1000):
        e = decimal.Decimal(z).exp()
        return (1 + e).ln(), e / (1 + e)


def in_logits(name: str, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and derivative in the logit."""
    if name == "fastloss":
        return fl.BinaryCrossEntropy(from_logits=True).value_and_gradient(y, z, reduction="none")
    p = sigmoid(z)
    value, slope = ways[name](y, p)
    return value, slope * p * (1 - p)


z = np.array([-800.0, -100.0, -30.0, 5.0, 17.0, 30.0, 40.0, 800.0])
y = np.zeros(len(z))
with np.errstate(all="ignore"):
    found = {name: in_logits(name, y, z) for name in ways}
print("\nlogits, y = 0" + " " * 24 + "value" + " " * 33 + "derivative in z")
print(f"{'z':>6}" + "".join(f"{name:>11}" for name in (*ways, "exact", *ways, "exact")))
for i in range(len(z)):
    figures = [x for part in (0, 1) for x in (*(found[name][part][i] for name in ways), exact(z[i])[part])]
    print(f"{z[i]:6.0f}" + "".join(f"{x:11.3g}" for x in figures))

# %%
# What it means for training: one weight, 20 rows with x = 1 and y = 0 that start at a logit of 50, sure and wrong.
# Gradient descent with steps of 1.
print("\nlogit after gradient descent from 50, where it should be far below 0")
print(f"{'iterations':>11}" + "".join(f"{name:>11}" for name in ways))
logits = dict.fromkeys(ways, 50.0)
for iteration in range(101):
    if iteration in (0, 10, 50, 100):
        print(f"{iteration:11}" + "".join(f"{logits[name]:11.2f}" for name in ways))
    for name in ways:
        with np.errstate(all="ignore"):
            _, slope = in_logits(name, np.zeros(20), np.full(20, logits[name]))
        logits[name] -= np.mean(slope)

# %%
# Value and derivative of a negative sample, y = 0. The plain formula ends where 1 - p rounds to 0.
plt.style.use("tableau-colorblind10")
z = np.linspace(-10, 60, 1401)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
styles = {"fastloss": ("C0", "-", 5), "plain": ("black", "--", 1.5), "clipped": ("C1", "-", 1.5)}
for name, (color, line, width) in styles.items():
    with np.errstate(all="ignore"):
        value, slope = in_logits(name, np.zeros(len(z)), z)
    left.plot(z, np.where(np.isfinite(value), value, np.nan), line, color=color, lw=width, label=name)
    right.plot(z, slope, line, color=color, lw=width, label=name)
left.set(xlabel="logit z", title="Value, y = 0")
right.set(xlabel="logit z", title="Derivative in z, y = 0")
left.legend()
plt.show()
