"""Squared error against cross-entropy behind a softmax
=======================================================

Both losses are smallest where the predicted probabilities are right. They differ in how hard they pull where these are
wrong: the softmax is flat there, and only the logarithm makes up for it. Measured are the gradient in the logits, and
how fast gradient descent gets from good and from bad starts on scikit-learn's images of digits, with the best step of
each loss. Needs scikit-learn and matplotlib.
"""

# %%
# The squared error of probabilities p = softmax(z) has the gradient J' g in the logits, J = diag(p) - p p', which a
# layer computes; that of the cross-entropy is p - t.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import fastloss as fl


class Softmax(fl.nn.Layer):
    """Probabilities of logits."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Turn logits into probabilities."""
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self._kept = e / e.sum(axis=1, keepdims=True)
        return self._kept

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        """Multiply by the Jacobian."""
        p = self._kept
        return p * (gradient - np.sum(gradient * p, axis=1, keepdims=True))


softmax = Softmax()
cross_entropy = fl.SparseCategoricalCrossEntropy(from_logits=True)
squared = fl.MeanSquaredError()


def gradient_of_cross_entropy(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Gradient of the mean over rows."""
    return cross_entropy.gradient(labels, logits)


def gradient_of_squared_error(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Gradient of the mean over rows of the sum over classes."""
    one_hot = np.eye(logits.shape[1])[labels]
    slope = squared.gradient(one_hot, softmax.forward(logits), reduction="sum")
    return softmax.backward(slope / len(labels))


GRADIENTS = {"cross-entropy": gradient_of_cross_entropy, "squared error": gradient_of_squared_error}

# %%
# One image of ten classes; a wrong class leads the true one by a growing distance, the other classes are at 0.
leads = np.array([-10.0, -5.0, 0.0, 2.0, 5.0, 10.0, 20.0, 40.0])
print("norm of the gradient in the logits of one image, by the lead of a wrong class over the true one")
print(f"{'lead':>6}{'p of true class':>18}" + "".join(f"{name:>16}" for name in GRADIENTS))


def norms(leads: np.ndarray) -> dict[str, np.ndarray]:
    """Norms of both gradients."""
    logits = np.zeros((len(leads), 10))
    logits[:, 0], logits[:, 1] = -leads / 2, leads / 2
    labels = np.zeros(len(leads), dtype=int)
    return {name: len(leads) * np.linalg.norm(slope(labels, logits), axis=1) for name, slope in GRADIENTS.items()}


of_true = np.exp(-leads / 2) / (np.exp(-leads / 2) + np.exp(leads / 2) + 8)
for lead, p, *pulls in zip(leads, of_true, *norms(leads).values(), strict=True):
    print(f"{lead:6.0f}{p:18.1e}" + "".join(f"{pull:16.1e}" for pull in pulls))

# %%
# Softmax regression on every other of the digits by gradient descent, all images in each step. The good start is 0,
# where all classes have probability 1/10. The bad starts are random weights: the larger, the surer the wrong classes.
# For each loss and start the step is taken, from a wide grid, that has the best accuracy on these images at the end.
X, y = load_digits(return_X_y=True)
X, y = (X[::2] - X.mean(axis=0)) / 16, y[::2]
STARTS, STEPS, ITERATIONS, SEEDS = (0.0, 2.0, 8.0), (2.0, 8.0, 32.0, 128.0, 512.0, 2048.0, 8192.0), 150, 3


def train(name: str, size: float, step: float, seed: int) -> np.ndarray:
    """Accuracy on the training images before the first and after each iteration."""
    network = fl.nn.Dense(X.shape[1], 10)
    network.weights[:] = size * np.random.default_rng(seed).normal(size=network.weights.shape)
    optimizer, accuracy = fl.nn.SGD(step, momentum=0.0), []
    for _ in range(ITERATIONS + 1):
        logits = network.forward(X, training=True)
        accuracy.append(np.mean(logits.argmax(axis=1) == y))
        network.backward(GRADIENTS[name](y, logits))
        optimizer.step(network.parameters, network.gradients)
    return np.array(accuracy)


print(f"\naccuracy on the {len(X)} training images in {ITERATIONS} iterations, means over {SEEDS} starts")
print(f"{'start':>6}  {'loss':16}{'best step':>10}{'at first':>10}{'after 10':>10}{'at the end':>11}{'90 % at':>9}")
curves = {}
for size in STARTS:
    for name in GRADIENTS:
        seeds = range(SEEDS if size else 1)
        found = {step: np.mean([train(name, size, step, seed) for seed in seeds], axis=0) for step in STEPS}
        step = max(STEPS, key=lambda step: found[step][-1])
        curve = curves[name, size] = found[step]
        reached = str(np.argmax(curve >= 0.9)) if curve.max() >= 0.9 else "never"
        figures = f"{curve[0]:10.3f}{curve[10]:10.3f}{curve[-1]:11.3f}{reached:>9}"
        print(f"{size:6.0f}  {name:16}{step:10.0f}{figures}")

# %%
# Left, the gradient where a wrong class leads; right, the accuracy from the good and from the worst start.
plt.style.use("tableau-colorblind10")
colors = {"cross-entropy": "C0", "squared error": "C1"}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
grid = np.linspace(-15, 30, 200)
for name, pull in norms(grid).items():
    left.plot(grid, pull, color=colors[name], ls="-" if name == "cross-entropy" else "--", label=name)
left.set(xlabel="lead of a wrong class (logits)", ylabel="norm of the gradient", yscale="log", ylim=(1e-8, 10))
left.set_title("Gradient of one image")
left.legend()
for (name, size), curve in curves.items():
    if size in (STARTS[0], STARTS[-1]):
        label = f"{name}, {'good' if size == 0 else 'bad'} start"
        right.plot(curve, color=colors[name], ls="-" if size == 0 else "--", label=label)
right.set(xlabel="iteration", ylabel="accuracy", ylim=(0, 1), title="Training images, best step of each")
right.legend(loc="lower right")
plt.show()
