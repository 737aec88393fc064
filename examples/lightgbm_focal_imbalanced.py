"""Focal loss on imbalanced classes with LightGBM
=================================================

Three rows in a hundred are positive, and some labels are wrong. The cross-entropy and focal losses of several `gamma`
are compared on held-out data: how well they rank, what they find at the threshold 1/2, and whether their probabilities
can be taken at their word. Each model stops early on its own loss. The data are synthetic.
"""

# %%
# Data: 3 % positives, 1 % of the labels flipped.

import lightgbm
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import average_precision_score, precision_score, recall_score
from sklearn.model_selection import train_test_split

import fastloss as fl
from fastloss.adapters.lightgbm import LossClassifier

X, y = make_classification(
    n_samples=12_000,
    n_features=12,
    n_informative=6,
    n_clusters_per_class=3,
    weights=[0.97],
    flip_y=0.01,
    class_sep=1.2,
    random_state=0,
)
print(f"{len(y)} rows, {y.mean():.1%} positive")

# %%
# Losses. `alpha` weighs the positive class; the last two rows are the cross-entropy with LightGBM's class weights.

LOSSES = {
    "cross-entropy": (fl.BinaryCrossEntropy(), None),
    "focal, gamma 0.5": (fl.BinaryFocal(gamma=0.5), None),
    "focal, gamma 2": (fl.BinaryFocal(gamma=2.0), None),
    "focal, gamma 5": (fl.BinaryFocal(gamma=5.0), None),
    "focal, gamma 2, alpha 0.75": (fl.BinaryFocal(gamma=2.0, alpha=0.75), None),
    "cross-entropy, positives x 5": (fl.BinaryCrossEntropy(), {1: 5.0}),
    "cross-entropy, balanced": (fl.BinaryCrossEntropy(), "balanced"),
}

# %%
# Three splits into training, early stopping and test; figures are means over them.

figures = {name: [] for name in LOSSES}
for seed in range(3):
    rest, test, y_rest, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
    train, stop, y_train, y_stop = train_test_split(rest, y_rest, test_size=0.25, stratify=y_rest, random_state=seed)
    for name, (loss, class_weight) in LOSSES.items():
        model = LossClassifier(
            loss=loss,
            class_weight=class_weight,
            n_estimators=300,
            num_leaves=15,
            learning_rate=0.1,
            n_jobs=1,
            verbose=-1,
        )
        model.fit(
            train,
            y_train,
            eval_X=stop,  # before LightGBM 4.7: eval_set=[(stop, y_stop)]
            eval_y=y_stop,
            callbacks=[lightgbm.early_stopping(15, verbose=False)],
        )
        p = model.predict_proba(test)[:, 1]
        found = p > 0.5
        figures[name].append(
            [
                model.best_iteration_,
                average_precision_score(y_test, p),
                precision_score(y_test, found, zero_division=0),
                recall_score(y_test, found),
                fl.BinaryCrossEntropy()(y_test, p),
                p.mean() / y_test.mean(),
            ]
        )

print(f"\n{'':30}{'trees':>7}{'avg. precision':>16}{'precision':>11}{'recall':>8}{'log loss':>10}{'mean p / rate':>15}")
means = {name: np.mean(rows, axis=0) for name, rows in figures.items()}
for name, (trees, ap, precision, recall, log_loss, ratio) in means.items():
    print(f"{name:30}{trees:7.0f}{ap:16.3f}{precision:11.3f}{recall:8.3f}{log_loss:10.4f}{ratio:15.2f}")

# %%
# What the figures say.

spread = np.mean([np.std([row[1] for row in rows]) for rows in figures.values()])
ranked = max(means, key=lambda name: means[name][1])
recalled = max(means, key=lambda name: means[name][3])
likely = min(means, key=lambda name: means[name][4])
honest = min(means, key=lambda name: abs(np.log(means[name][5])))
gain = means[ranked][1] - means["cross-entropy"][1]
print(f"\nBest ranking: {ranked}, {gain:+.3f} average precision against the cross-entropy")
print(f"Average precision varies by {spread:.3f} between splits")
print(f"Most positives found at the threshold 1/2: {recalled}")
print(f"Best log loss: {likely}; mean probability closest to the rate: {honest}")
off = {name: row[5] for name, row in means.items() if not 0.8 < row[5] < 1.25}
print("Probabilities off by more than a quarter, to be calibrated before use:")
for name, ratio in off.items():
    print(f"  {name}: {ratio:.1f} times the rate")
