"""Focal loss on imbalanced classes with XGBoost
================================================

The focal loss gives less weight to rows that are classified well already, the more so the larger `gamma` is; with 0 it
is the cross-entropy. Four values are compared on held-out data: how well they rank, what they find at the threshold
1/2, and how good their probabilities are, for the focal loss is not a proper scoring rule. Its second derivative is
negative in places, where a booster would stand still: the estimator takes an upper bound instead. Each model stops
early on its own loss. The data are the digits of scikit-learn, the eights against the others.

Source of the loss: Lin, Goyal, Girshick, He and Dollar (2017), Focal loss for dense object detection.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score, brier_score_loss
from sklearn.model_selection import train_test_split

import fastloss as fl
from fastloss.adapters.xgboost import LossClassifier

# %%
# Pixels, a label that says "eight" or "other", and a third of the rows held out.
X, digit = load_digits(return_X_y=True)
y = np.where(digit == 8, "eight", "other")
X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)
print(f"{len(y)} rows, {np.mean(y == 'eight'):.1%} positive; {len(y_test)} held out")

# %%
# Labels stay text; a fifth of the training rows stops each model early, on the loss that it is trained with.
X_fit, X_stop, y_fit, y_stop = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
truth = y_test == "eight"
print(f"{'loss':24}{'trees':>6}{'avg. precision':>16}{'recall':>8}{'Brier score':>13}{'mean p':>8}")
figures = {}
for gamma in (0.0, 0.5, 2.0, 5.0):
    model = LossClassifier(
        loss=fl.BinaryFocal(gamma=gamma),
        n_estimators=500,
        learning_rate=0.1,
        max_depth=3,
        min_child_weight=0.0,  # the unit of the hessian differs between losses
        early_stopping_rounds=20,
        n_jobs=1,
    ).fit(X_fit, y_fit, eval_set=[(X_stop, y_stop)], verbose=False)
    p = model.predict_proba(X_test)[:, list(model.classes_).index("eight")]
    recall = np.mean(model.predict(X_test)[truth] == "eight")
    figures[gamma] = average_precision_score(truth, p), recall, brier_score_loss(truth, p)
    name = "cross-entropy" if gamma == 0 else f"focal, gamma {gamma:g}"
    precision, _, brier = figures[gamma]
    print(f"{name:24}{model.best_iteration + 1:6}{precision:16.4f}{recall:8.3f}{brier:13.4f}{p.mean():8.3f}")

# %%
# Conclusions, from the figures above.
ranking = max(figures, key=lambda gamma: figures[gamma][0])
calibrated = min(figures, key=lambda gamma: figures[gamma][2])
print(f"\nHighest average precision: gamma {ranking:g}. Best probabilities (Brier score): gamma {calibrated:g}.")
