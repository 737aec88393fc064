"""Why does my custom objective learn nothing? Ask `fastloss.audit` before you blame the booster
================================================================================================

Six versions of the focal loss (gamma = 2) as people write it for XGBoost, most with a classic mistake, on the breast
cancer data of scikit-learn. For each the audit says in a sentence what will happen; then XGBoost trains with it, and
the held-out loss of the trees stands beside that of the constant. Needs XGBoost and scikit-learn.
"""

# %%
import numpy as np
import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import fastloss as fl
from fastloss.adapters.xgboost import objective

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y.astype(float), test_size=0.4, random_state=0)
focal = fl.BinaryFocal(gamma=2.0, from_logits=True)


# %%
# The objectives. `t` is 1 or -1, `p` the probability of the true class.


def gradient(y: np.ndarray, f: np.ndarray) -> np.ndarray:
    """The right gradient."""
    t = 2 * y - 1
    p = 1 / (1 + np.exp(-t * f))
    return -t * (1 - p) ** 2 * (1 - p - 2 * p * np.log(p))


def label_in_hessian(y, f):
    """The hessian with the label in the place of the probability: 0 for every label."""
    return gradient(y, f), y * (1 - y)


def exact_hessian(y, f):
    """The second derivative: right, and negative where the model is sure and wrong."""
    return gradient(y, f), focal.hessian(y, f, reduction="sum")


def wrong_sign(y, f):
    """As a library that maximises would have it."""
    g, h = focal.gradient_and_hessian(y, f, reduction="sum", hessian="majorizer")
    return -g, h


def probability_scale(y, f):
    """Derivatives of the loss of probabilities, given raw scores."""
    p = np.where(y == 1, f, 1 - f)
    with np.errstate(all="ignore"):
        return np.where(y == 1, 1, -1) * (2 * (1 - p) * np.log(p) - (1 - p) ** 2 / p), np.ones_like(p)


def overflows(y, f):
    """The right formula in float32, where log(0) appears for sure and wrong predictions."""
    t = (2 * y - 1).astype(np.float32)
    with np.errstate(all="ignore"):
        p = np.exp(t * 40 * np.float32(f)) / (1 + np.exp(t * 40 * np.float32(f)))
        return -t * (1 - p) ** 2 * (1 - p - 2 * p * np.log(p)), np.ones_like(p)


OBJECTIVES = {
    "label in the hessian": label_in_hessian,
    "exact hessian": exact_hessian,
    "wrong sign": wrong_sign,
    "probability scale": probability_scale,
    "overflow": overflows,
    "fastloss": objective(focal),
}

# %%
# The scores to audit at: training starts from a careless constant, as it does when the base score is left at its
# default and the classes are not balanced, and then spreads.
START = -3.0
rng = np.random.default_rng(0)
scores = START + rng.normal(scale=1.5, size=len(y_train))


def trained(call) -> float:
    """Held-out loss after 50 trees, over that of the constant."""
    train = xgboost.DMatrix(X_train, y_train, base_margin=np.full(len(y_train), START))
    parameters = {"max_depth": 3, "eta": 0.1, "nthread": 1, "verbosity": 0}
    booster = xgboost.train(parameters, train, 50, obj=lambda f, data: call(data.get_label(), f))
    test = xgboost.DMatrix(X_test, base_margin=np.full(len(y_test), START))
    raw = booster.predict(test, output_margin=True).astype(float)
    return focal(y_test, raw) / focal(y_test, np.full(len(y_test), START))


# %%
# The verdicts, and what happened.
agreed = 0
for name, call in OBJECTIVES.items():
    audit = fl.audit(call, y_train, scores)
    ratio = trained(call)
    learnt = ratio < 0.8
    agreed += audit.trains == learnt
    print(f"{name}: {audit.sentence}")
    print(f"    XGBoost: held-out loss {ratio:.3f} times that of the constant, {'it learns' if learnt else 'it fails'}")
print(f"the audit foretold {agreed} of {len(OBJECTIVES)}")

# %%
# All figures of one of them.
print(fl.audit(exact_hessian, y_train, scores, value=lambda y, f: focal(y, f, reduction="none")))
