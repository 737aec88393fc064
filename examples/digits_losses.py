"""Cross-entropy, focal, hinge and negative log-likelihood on images of digits
============================================================================

The same small network learns scikit-learn's digits with different losses, over several seeds, each with its own
learning rate. Compared are the best accuracy on validation images, and, since the best of many is flattering, the
accuracy on test images at that epoch. Needs scikit-learn and matplotlib.
"""

# %%
# The data are split anew for each seed: 60 % to train, 20 % to validate, 20 % to test.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastloss as fl

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
SEEDS, RATES, EPOCHS, BATCH = 6, (1e-3, 3e-3, 1e-2, 3e-2, 1e-1), 25, 64


class LogSoftmax(fl.nn.Layer):
    """Log-probabilities of logits."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Subtract the logarithm of the sum of exponentials."""
        self._kept = fl.NegativeLogLikelihood().link.inverse(x)
        return self._kept

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        """Multiply by the Jacobian."""
        return gradient - np.exp(self._kept) * gradient.sum(axis=1, keepdims=True)


# %%
# The negative log-likelihood takes log-probabilities, so its network ends in a log-softmax; together they are the
# cross-entropy of logits, and should differ from it by rounding only. The hinge of Crammer and Singer looks at the best
# wrong class, that of Weston and Watkins at all of them.
LOSSES = {
    "cross-entropy": fl.SparseCategoricalCrossEntropy(from_logits=True),
    "log-likelihood": fl.NegativeLogLikelihood(),
    "focal, gamma = 2": fl.CategoricalFocal(gamma=2.0, from_logits=True),
    "hinge, best class": fl.CategoricalHinge(),
    "hinge, all classes": fl.MultiMargin(),
}


def train(loss: fl.Loss, rate: float, seed: int) -> np.ndarray:
    """Validation and test accuracy after each epoch."""
    options = {"test_size": 0.2, "random_state": seed}
    rest, test = train_test_split(np.arange(len(y)), stratify=y, **options)
    training, validation = train_test_split(rest, stratify=y[rest], test_size=0.25, random_state=seed)
    rng = np.random.default_rng(seed)
    layers = [
        fl.nn.Dense(64, 32, random_state=rng, dtype=np.float32),
        fl.nn.Activation("relu"),
        fl.nn.Dense(32, 10, random_state=rng, dtype=np.float32),
    ]
    network = fl.nn.Network([*layers, LogSoftmax()] if isinstance(loss, fl.NegativeLogLikelihood) else layers)
    optimizer, record = fl.nn.Adam(rate), []
    for _ in range(EPOCHS):
        order = rng.permutation(training)
        for rows in np.array_split(order, len(order) // BATCH):
            network.backward(loss.gradient(y[rows], network.forward(X[rows], training=True)))
            optimizer.step(network.parameters, network.gradients)
        record.append([np.mean(network.forward(X[part]).argmax(axis=1) == y[part]) for part in (validation, test)])
    return np.array(record)


# %%
# The rate of a loss is the one with the best mean of the best validation accuracies.
runs = {
    name: {rate: np.array([train(loss, rate, s) for s in range(SEEDS)]) for rate in RATES}
    for name, loss in LOSSES.items()
}
best, chosen = {}, {}
print(f"accuracy in %, means and standard deviations of {SEEDS} seeds, {len(X)} images, at most {EPOCHS} epochs")
print(f"{'loss':20}{'rate':>7}{'best validation':>18}{'at epoch':>10}{'test then':>16}{'test at the end':>18}")
for name, by_rate in runs.items():
    rate = max(RATES, key=lambda rate: by_rate[rate][:, :, 0].max(axis=1).mean())
    run = chosen[name] = by_rate[rate]
    epoch = run[:, :, 0].argmax(axis=1)
    validation, then = np.moveaxis(run[np.arange(SEEDS), epoch], 1, 0)
    best[name] = {"best validation": validation, "test then": then}
    figures = [f"{100 * x.mean():.2f} +- {100 * x.std(ddof=1):.2f}" for x in (validation, then, run[:, -1, 1])]
    print(f"{name:20}{rate:7}{figures[0]:>18}{1 + epoch.mean():10.1f}{figures[1]:>16}{figures[2]:>18}")

# %%
# Differences to the cross-entropy seed by seed, on the same splits and from the same start. What is below two standard
# errors counts as chance.
print()
for measure in ("best validation", "test then"):
    print(f"{measure}, against the cross-entropy, percentage points:")
    for name in list(LOSSES)[1:]:
        difference = 100 * (best[name][measure] - best["cross-entropy"][measure])
        error = difference.std(ddof=1) / np.sqrt(SEEDS)
        clear = abs(difference.mean()) > 2 * error
        verdict = ("better" if difference.mean() > 0 else "worse") if clear else "no clear difference"
        print(f"  {name:20}{difference.mean():+.2f} (standard error {error:.2f}), {verdict}")

# %%
# Left, validation accuracy over the epochs, means over the seeds; right, the best of each seed, and their mean.
plt.style.use("tableau-colorblind10")
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
styles = (("C0", "-", "o"), ("black", ":", "x"), ("C1", "--", "s"), ("C3", "-.", "^"), ("C4", "-", "D"))
for place, (name, (color, line, marker)) in enumerate(zip(LOSSES, styles, strict=True)):
    left.plot(range(1, EPOCHS + 1), 100 * chosen[name][:, :, 0].mean(axis=0), line, color=color, label=name)
    values = 100 * best[name]["best validation"]
    right.plot(values, np.full(SEEDS, -place), marker, color=color, alpha=0.7)
    right.plot(2 * [values.mean()], [-place - 0.3, -place + 0.3], color="black", lw=2)
left.set(xlabel="epoch", ylabel="validation accuracy, %", ylim=(90, 99.5), title="Means over the seeds")
left.legend(loc="lower right")
right.set(xlabel="best validation accuracy, %", title="Each seed, and the mean")
right.set_yticks(-np.arange(len(LOSSES)), LOSSES)
plt.show()
