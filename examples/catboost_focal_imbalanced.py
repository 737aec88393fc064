"""Focal loss on imbalanced classes with CatBoost
=================================================

A few payments in a hundred are fraud, and most of what tells them is in categories: which merchant, which country.
CatBoost takes those as they are, and `LossClassifier` trains it with the cross-entropy and with focal losses, which
give less weight to rows that are classified well already. Each model stops early on its own loss, and is compared on
held-out payments: how well it ranks, what it finds at the threshold 1/2, and how good its probabilities are. The data
are synthetic.

Source of the loss: Lin, Goyal, Girshick, He and Dollar (2017), Focal loss for dense object detection.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from catboost import CatBoost, Pool
from sklearn.metrics import average_precision_score, brier_score_loss, precision_score, recall_score

import fastloss as fl
from fastloss.adapters.catboost import LossClassifier

# %%
# Payments: the odds of fraud depend on merchant and country, and on large amounts at night.
rng = np.random.default_rng(0)
n = 12_000
merchants, countries = rng.normal(0, 3, 80), rng.normal(0, 1, 20)
merchant, country = rng.integers(0, 80, n), rng.integers(0, 20, n)
amount, hour = rng.lognormal(3, 1, n), rng.uniform(0, 24, n)
logit = -7.5 + merchants[merchant] + countries[country] + 3 * (hour < 6) * np.log1p(amount / 20)
y = np.where(rng.random(n) < 1 / (1 + np.exp(-logit)), "fraud", "fine")
X = pd.DataFrame({"merchant": merchant, "country": country, "amount": amount, "hour": hour})
X[["merchant", "country"]] = X[["merchant", "country"]].astype(str)
print(f"{n} payments, {np.mean(y == 'fraud'):.1%} fraud")

# %%
# Pools know which columns are categories; two thirds to train, a part of the rest to stop early.
CATEGORIES = ["merchant", "country"]
parts = np.split(rng.permutation(n), [n // 2, 2 * n // 3])
train, stop, test = (Pool(X.iloc[rows], y[rows], cat_features=CATEGORIES) for rows in parts)
truth = y[parts[2]] == "fraud"

LOSSES = {
    "cross-entropy": fl.BinaryCrossEntropy(),
    "focal, gamma 0.5": fl.BinaryFocal(gamma=0.5),
    "focal, gamma 2": fl.BinaryFocal(gamma=2.0),
    "focal, gamma 5": fl.BinaryFocal(gamma=5.0),
    "focal, gamma 2, alpha 0.75": fl.BinaryFocal(gamma=2.0, alpha=0.75),
}

# %%
# Training. The last column but one is the loss of the model over that of the constant it starts from.
models, figures = {}, {}
print(
    f"\n{'loss':28}{'trees':>6}{'avg. precision':>16}{'precision':>11}{'recall':>8}{'own loss':>10}{'Brier score':>13}"
)
for name, loss in LOSSES.items():
    model = LossClassifier(
        loss=loss,
        iterations=400,
        learning_rate=0.15,
        depth=4,
        random_seed=0,
        thread_count=1,
        verbose=False,
        allow_writing_files=False,
    ).fit(train, eval_set=stop, early_stopping_rounds=30)
    p = model.predict_proba(test)[:, list(model.classes_).index("fraud")]
    found = model.predict(test) == "fraud"
    raw = model.predict(test, "RawFormulaVal")
    own = model.loss_(truth, raw) / model.loss_(truth, np.full_like(raw, model.init_score_))
    models[name] = model
    figures[name] = average_precision_score(truth, p), recall_score(truth, found), brier_score_loss(truth, p)
    precision = precision_score(truth, found, zero_division=0.0)
    ranking, recall, brier = figures[name]
    print(f"{name:28}{model.tree_count_:6}{ranking:16.4f}{precision:11.3f}{recall:8.3f}{own:10.3f}{brier:13.4f}")

# %%
# Conclusions, from the figures above.
ranking, finding = (max(figures, key=lambda name, k=k: figures[name][k]) for k in (0, 1))
calibrated = min(figures, key=lambda name: figures[name][2])
print(f"\nHighest average precision: {ranking}. Highest recall: {finding}. Best probabilities: {calibrated}.")

# %%
# A saved model has its labels, its start and its loss: CatBoost alone reads the first two, `LossClassifier` all.
with tempfile.TemporaryDirectory() as folder:
    path = str(Path(folder) / "fraud.cbm")
    models[ranking].save_model(path)
    alone, again = CatBoost().load_model(path), LossClassifier().load_model(path)
same = np.array_equal(alone.predict(test, "Class"), models[ranking].predict(test))
print(f"Loaded again: {again.loss!r}; CatBoost alone predicts the same labels: {same}.")
