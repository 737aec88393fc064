"""An embedding of digits by the triplet loss
===========================================

A small network learns to place images of digits so that those of a kind are near each other. It never sees a class,
only triplets: an image, another of its kind, and one of another kind. The measure is how often the nearest neighbour of
a test image among the training images is of its kind, before and after, and also for kinds that were never trained on.
Needs scikit-learn and matplotlib.
"""

# %%
# Half of the images to train, half to test.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastloss as fl

X, y = load_digits(return_X_y=True)
X = ((X - X.mean(axis=0)) / 16).astype(np.float32)
SEEDS, STEPS, BATCH = 4, 300, 100
triplet = fl.Triplet(margin=0.5)


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each row of a to each row of b."""
    return np.maximum(np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T, 0)


def neighbour_accuracy(train: np.ndarray, y_train: np.ndarray, test: np.ndarray, y_test: np.ndarray) -> float:
    """How often the nearest training row has the same label."""
    return float(np.mean(y_train[squared_distances(test, train).argmin(axis=1)] == y_test))


# %%
# Triplets are mined in each batch: every pair of a kind is anchor and positive, and the negative is the nearest one
# that is farther from the anchor than the positive is, or the farthest of all if none is. With the hardest negatives
# instead, embeddings may collapse to a point (Schroff, Kalenichenko and Philbin 2015, FaceNet, section 3.2).


def mine(f: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of anchors, positives and negatives."""
    d = squared_distances(f, f)
    same = labels[:, None] == labels
    anchor, positive = np.nonzero(same & ~np.eye(len(f), dtype=bool))
    other = np.where(same[anchor], np.nan, d[anchor])
    beyond = np.where(other > d[anchor, positive][:, None], other, np.inf)
    farthest = np.where(same[anchor], -np.inf, d[anchor]).argmax(axis=1)
    return anchor, positive, np.where(np.isfinite(beyond.min(axis=1)), beyond.argmin(axis=1), farthest)


def embed(X: np.ndarray, labels: np.ndarray, size: int, seed: int) -> tuple[fl.nn.Network, fl.nn.Network, list[float]]:
    """The network as it was drawn, the network trained, and the losses."""
    rng = np.random.default_rng(seed)

    def draw(seed: int) -> fl.nn.Network:
        first = fl.nn.Dense(64, 64, random_state=seed, dtype=np.float32)
        last = fl.nn.Dense(64, size, random_state=seed + 100, dtype=np.float32)
        return fl.nn.Network([first, fl.nn.Activation("relu"), last])

    network, optimizer, losses = draw(seed), fl.nn.Adam(3e-3), []
    for _ in range(STEPS):
        rows = rng.choice(len(X), BATCH, replace=False)
        f = network.forward(X[rows], training=True)
        a, p, n = mine(f, labels[rows])
        value, slopes = triplet.value_and_gradient(f[a], f[p], f[n])
        gradient = np.zeros_like(f)
        for indices, slope in zip((a, p, n), slopes, strict=True):
            np.add.at(gradient, indices, slope)  # a row is in many triplets
        network.backward(gradient)
        optimizer.step(network.parameters, network.gradients)
        losses.append(value)
    return draw(seed), network, losses


# %%
# Embeddings in 2 and in 8 dimensions, beside the 64 pixels themselves and their principal components.
def principal(train: np.ndarray, size: int) -> np.ndarray:
    """The directions of the largest variance."""
    return np.linalg.svd(train - train.mean(axis=0), full_matrices=False)[2][:size].T


def accuracies(size: int, seed: int, classes: np.ndarray) -> list[float]:
    """Pixels, components, network before and after; trained on the classes, tested on the others if there are any."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
    seen = np.isin(y_train, classes)
    kinds = classes if len(classes) == 10 else np.setdiff1d(y, classes)
    before, after, _ = embed(X_train[seen], y_train[seen], size, seed)
    rows, rows_test = np.isin(y_train, kinds), np.isin(y_test, kinds)
    axes = principal(X_train[seen], size)
    maps = (lambda x: x, lambda x: x @ axes, before.forward, after.forward)
    return [neighbour_accuracy(f(X_train[rows]), y_train[rows], f(X_test[rows_test]), y_test[rows_test]) for f in maps]


columns = ("64 pixels", "components", "untrained", "trained")
cases = {
    "all kinds, 2 dimensions": (2, np.arange(10)),
    "all kinds, 8 dimensions": (8, np.arange(10)),
    "unseen 7 to 9, 2 dimensions": (2, np.arange(7)),
    "unseen 7 to 9, 8 dimensions": (8, np.arange(7)),
}
print(f"nearest neighbour of the same kind, %, means and standard deviations of {SEEDS} seeds")
print(f"{'':28}" + "".join(f"{column:>16}" for column in columns))
for case, (size, classes) in cases.items():
    found = 100 * np.array([accuracies(size, seed, classes) for seed in range(SEEDS)])
    figures = zip(found.mean(axis=0), found.std(axis=0, ddof=1), strict=True)
    print(f"{case:28}" + "".join(f"{f'{mean:.1f} +- {spread:.1f}':>16}" for mean, spread in figures))

# %%
# The test images in two dimensions, before and after, each drawn as its digit.
plt.style.use("tableau-colorblind10")
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
before, after, losses = embed(X_train, y_train, 2, 0)
first, last = np.mean(losses[:10]), np.mean(losses[-10:])
print(f"\nmean loss of the mined triplets in 2 dimensions: first ten steps {first:.3f}, last ten {last:.3f}")
figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
for ax, network, title in zip(axes, (before, after), ("Untrained", f"After {STEPS} steps"), strict=True):
    place = network.forward(X_test)
    for digit in range(10):
        one = place[y_test == digit]
        color = ("C0", "C1", "black", "C5", "C4")[digit % 5]
        ax.scatter(*one.T, marker=f"${digit}$", color=color, s=36, lw=0.3)
    ax.set(title=title, xticks=[], yticks=[])
plt.show()
