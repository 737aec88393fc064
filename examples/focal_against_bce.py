"""Focal loss against cross-entropy on data with 95 % negatives
==============================================================

A small network is trained on simulated data with 5 % positives by the cross-entropy, by focal losses and by the
cross-entropy with a weight for the positives. A model that always says no has a high accuracy and finds nothing: recall
matters. How much of it is owed to a better model, and how much to another threshold? Needs scikit-learn and matplotlib.
"""

# %%
# 95 % negatives and 2 % of the labels wrong; a new data set for each seed.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import average_precision_score, precision_recall_curve, precision_score, recall_score
from sklearn.model_selection import train_test_split

import fastloss as fl

SEEDS = 8
LOSSES = {
    "cross-entropy": fl.BinaryCrossEntropy(),
    "focal, gamma = 2": fl.BinaryFocal(gamma=2.0),
    "focal, alpha = 0.9": fl.BinaryFocal(gamma=2.0, alpha=0.9),
    "weight 19": fl.BinaryCrossEntropy(pos_weight=19.0),
}


def split(seed: int) -> list[np.ndarray]:
    """Training rows, threshold rows and test rows, then their labels."""
    options = {"n_features": 10, "n_informative": 5, "n_clusters_per_class": 3, "weights": [0.95], "flip_y": 0.02}
    X, y = make_classification(8000, class_sep=1.0, random_state=seed, **options)
    X_train, X, y_train, y = train_test_split(X / X.std(axis=0), y, train_size=2000, stratify=y, random_state=seed)
    X_choose, X_test, y_choose, y_test = train_test_split(X, y, test_size=0.67, stratify=y, random_state=seed)
    return [X_train, X_choose, X_test, y_train, y_choose, y_test]


def best_threshold(y: np.ndarray, p: np.ndarray) -> float:
    """The probability above which the F1 score is largest."""
    precision, recall, thresholds = precision_recall_curve(y, p)
    return float(thresholds[np.argmax((precision * recall / np.maximum(precision + recall, 1e-9))[:-1])])


# %%
# For each loss: the class whose probability is above 1/2, and for comparison the class above the threshold that has the
# best F1 score on rows that were neither trained nor tested on. The log-loss says whether the probabilities are right;
# average precision does not depend on any threshold.
measures = ("accuracy", "recall", "precision", "average precision", "log-loss")
found: dict[str, list[list[float]]] = {name: [] for name in LOSSES}
moved: dict[str, list[list[float]]] = {name: [] for name in LOSSES}
curves = {}
for seed in range(SEEDS):
    X_train, X_choose, X_test, y_train, y_choose, y_test = split(seed)
    for name, loss in LOSSES.items():
        model = fl.nn.NeuralClassifier(
            loss, hidden=16, learning_rate=3e-3, batch_size=100, epochs=30, random_state=seed
        )
        model.fit(X_train, y_train)
        p = model.predict_proba(X_test)[:, 1]
        for record, limit in ((found, 0.5), (moved, best_threshold(y_choose, model.predict_proba(X_choose)[:, 1]))):
            positive = p > limit
            row = [np.mean(positive == y_test), recall_score(y_test, positive)]
            row += [precision_score(y_test, positive, zero_division=0), average_precision_score(y_test, p)]
            record[name].append([*row, fl.BinaryCrossEntropy()(y_test, p)])
        if seed == 0:
            curves[name] = precision_recall_curve(y_test, p)

negative = np.mean(y_test == 0)
for title, record in (("threshold 1/2", found), ("threshold of the best F1 score", moved)):
    print(f"{title}: means and standard deviations of {SEEDS} data sets")
    print(f"{'':20}" + "".join(f"{measure:>19}" for measure in measures))
    for name, rows in record.items():
        figures = zip(np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1), strict=True)
        print(f"{name:20}" + "".join(f"{f'{mean:.3f} +- {spread:.3f}':>19}" for mean, spread in figures))
    print()
print(f"always negative: accuracy {negative:.3f}, recall 0")


# %%
# Differences to the cross-entropy, data set by data set; what is below two standard errors counts as chance.
def against_cross_entropy(record: dict[str, list[list[float]]], measure: str) -> None:
    """Print mean differences and what they are worth."""
    place = measures.index(measure)
    for name in list(LOSSES)[1:]:
        difference = np.array(record[name])[:, place] - np.array(record["cross-entropy"])[:, place]
        error = difference.std(ddof=1) / np.sqrt(SEEDS)
        clear = abs(difference.mean()) > 2 * error
        verdict = ("higher" if difference.mean() > 0 else "lower") if clear else "no clear change"
        print(f"  {name:20}{difference.mean():+.3f} (standard error {error:.3f}), {verdict}")


print("recall at 1/2, against that of the cross-entropy:")
against_cross_entropy(found, "recall")
print("recall at the chosen threshold:")
against_cross_entropy(moved, "recall")
print("average precision, at no threshold:")
against_cross_entropy(found, "average precision")

# %%
# Precision and recall of the first data set as the threshold moves; the marks are where it is 1/2.
plt.style.use("tableau-colorblind10")
figure, axes = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
styles = (("C0", "-", "o"), ("C1", "--", "s"), ("C3", ":", "^"), ("C4", "-.", "D"))
for (name, (precision, recall, thresholds)), (color, line, marker) in zip(curves.items(), styles, strict=True):
    half = np.searchsorted(thresholds, 0.5)
    axes.plot(recall, precision, line, color=color, lw=1.5, label=name)
    axes.plot(recall[half], precision[half], marker, color=color, ms=11, mec="black")
axes.set(xlabel="recall", ylabel="precision", title="Each threshold, and 1/2 (marks)", xlim=(0, 1), ylim=(0, 1.02))
axes.legend(loc="lower left")
plt.show()
