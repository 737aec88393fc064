"""Dropout on and off
==================

A network with far more weights than it has training images, with and without dropout, on scikit-learn's digits: once
with the right labels, once with one label in five replaced by a random one, which such a network can learn by heart.
Shown are the loss and the accuracy on images that it was and was not trained on, over several seeds. Needs scikit-learn
and matplotlib.
"""

# %%
# 300 images to train, the other 1497 to test, always with the right labels. Two hidden layers of 128 units have 25 000
# weights. In training a unit is dropped with the probability `rate`, and the others are scaled up; predictions use all.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastloss as fl

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
RATES, SEEDS, EPOCHS, EVERY = (0.0, 0.25, 0.5), 5, 80, 4
cross_entropy = fl.SparseCategoricalCrossEntropy(from_logits=True)


def train(rate: float, wrong: float, seed: int) -> np.ndarray:
    """Training and test loss, training and test accuracy, every few epochs."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=300, stratify=y, random_state=seed)
    rng = np.random.default_rng(seed)
    y_train = np.where(rng.random(len(y_train)) < wrong, rng.integers(10, size=len(y_train)), y_train)
    record = []

    def measure(model: fl.nn.NeuralClassifier) -> None:
        if model.n_iter_ % EVERY == 0:
            scores = [model.decision_function(rows) for rows in (X_train, X_test)]
            pairs = list(zip((y_train, y_test), scores, strict=True))
            losses = [cross_entropy(labels, logits) for labels, logits in pairs]
            record.append([*losses, *(np.mean(logits.argmax(axis=1) == labels) for labels, logits in pairs)])

    options = {"hidden": (128, 128), "batch_size": 50, "epochs": EPOCHS, "random_state": seed}
    fl.nn.NeuralClassifier(cross_entropy, dropout=rate, callback=measure, **options).fit(X_train, y_train)
    return np.array(record)


# %%
# At the end of training, and the test loss at its lowest: means and standard deviations over the seeds. The same seeds
# are compared with and without dropout, pair by pair; what is below two standard errors counts as chance.
CASES = {"right labels": 0.0, "one label in five random": 0.2}
columns = ("training loss", "test loss", "training accuracy", "test accuracy")
runs = {}
for case, wrong in CASES.items():
    print(f"{case}: after {EPOCHS} epochs, means and standard deviations of {SEEDS} seeds")
    print(f"{'dropout':8}" + "".join(f"{column:>19}" for column in columns) + f"{'lowest test loss':>18}")
    for rate in RATES:
        run = runs[case, rate] = np.array([train(rate, wrong, seed) for seed in range(SEEDS)])
        figures = zip(run[:, -1].mean(axis=0), run[:, -1].std(axis=0, ddof=1), strict=True)
        line = "".join(f"{f'{mean:.3f} +- {spread:.3f}':>19}" for mean, spread in figures)
        print(f"{rate:<8}{line}{run[:, :, 1].mean(axis=0).min():18.3f}")
    for rate in RATES[1:]:
        for column in (1, 3):
            change = runs[case, rate][:, -1, column] - runs[case, 0.0][:, -1, column]
            error = change.std(ddof=1) / np.sqrt(SEEDS)
            clear = "clear" if abs(change.mean()) > 2 * error else "may be chance"
            figures = f"{change.mean():+.4f} (standard error {error:.4f}), {clear}"
            print(f"  {columns[column]} with dropout {rate} against none: {figures}")
    print()

# %%
# The loss on the test images over the epochs: means over the seeds, bands of a standard deviation.
plt.style.use("tableau-colorblind10")
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
epochs = np.arange(EVERY, EPOCHS + 1, EVERY)
for case, ax in zip(CASES, axes, strict=True):
    for rate, color, line in zip(RATES, ("C1", "C3", "C0"), ("--", ":", "-"), strict=True):
        losses = runs[case, rate][:, :, 1]
        mean, spread = losses.mean(axis=0), losses.std(axis=0, ddof=1)
        ax.plot(epochs, mean, line, color=color, lw=2, label=f"dropout {rate:g}" if rate else "no dropout")
        ax.fill_between(epochs, mean - spread, mean + spread, color=color, alpha=0.2, lw=0)
    ax.set(xlabel="epoch", title=f"Test images, trained with {case}", ylim=(0, 1))
axes[0].set_ylabel("cross-entropy")
axes[0].legend()
plt.show()
