"""The audit: it blames no built-in loss, finds the classic mistakes, and foretells whether boosters train."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from rows import default_row_losses, draw_rows, has_hessian, n_classes
from support import default_losses, draw

import fastloss as fl
from fastloss.adapters import catboost as for_catboost
from fastloss.adapters import lightgbm as for_lightgbm
from fastloss.adapters import xgboost as for_xgboost

N = 400


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def logit_data(seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, N).astype(float), 2 * rng.normal(size=N) + shift


def cross_entropy(y, f):
    return np.logaddexp(0, f) - y * f


def right(y, f):
    p = sigmoid(f)
    return p - y, p * (1 - p)


# ---- losses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", default_losses(), ids=repr)
@pytest.mark.parametrize("grid", [False, True], ids=["smooth", "with kinks"])
def test_no_pointwise_loss_is_blamed(loss, grid, rng):
    y, f = draw(loss, N, rng, grid=grid)
    found = fl.audit(loss, y, f)
    assert found.gradient.wrong == found.hessian.wrong == 0
    assert found.gradient.error < 1e-5
    assert found.hessian.error is None or found.hessian.error < 1e-4
    assert found.descends
    assert found.respects_weights
    assert not found.writes_into_inputs
    if not grid:  # which meets the ends of domains
        assert found.trains == (loss.on_raw() == loss), found.sentence
    assert found.hessian_policy == loss.default_hessian


@pytest.mark.parametrize("loss", [loss for loss in default_row_losses() if has_hessian(loss)], ids=repr)
def test_no_row_loss_is_blamed(loss, rng):
    y, f = draw_rows(loss, 60, n_classes(loss), rng)
    found = fl.audit(loss, y, f)
    assert found.gradient.wrong == found.hessian.wrong == 0
    assert found.descends
    assert found.n_predictions == f.shape[1]
    assert found.gradient.shape == f.shape


def test_kinks_are_reported_and_not_blamed():
    y, f = np.zeros(4), np.array([0.0, 1.0, -1.0, 3.0])
    found = fl.audit(fl.Huber(), y, f, hessian="exact")
    assert (found.hessian.kinks, found.hessian.wrong) == (2, 0)
    found = fl.audit(lambda y, f: (np.where(f - y >= 0, 1.0, -1.0), np.ones(4)), y, f, value=lambda y, f: abs(f - y))
    assert (found.gradient.kinks, found.gradient.wrong) == (1, 0)


def test_domain_violations_are_counted_not_raised():
    y, p = np.array([0.0, 1.0, 2.0, np.nan, 1.0]), np.array([0.5, 0.5, 0.5, 0.5, 3.0])
    found = fl.audit(fl.BinaryCrossEntropy(), y, p)
    assert (found.n_rows, found.targets_outside, found.predictions_outside) == (5, 2, 1)
    assert found.gradient.size == 2
    assert any("40 % of the targets" in finding for finding in found.findings)
    nothing = fl.audit("poisson", [-1.0, 2.0], [1.0, -1.0])
    assert nothing.sentence == "cannot be judged: no row is inside the domain of the loss"
    assert not nothing.trains
    labels = fl.audit(fl.SparseCategoricalCrossEntropy(from_logits=True), [0, 3, 1], np.zeros((3, 3)))
    assert labels.targets_outside == 1


def test_exact_hessians_that_do_not_train():
    y, f = np.zeros(100), np.linspace(-10, 10, 100)
    for loss in (fl.MeanAbsoluteError(), fl.Quantile(quantile=0.9)):
        found = fl.audit(loss, y, f, hessian="exact")
        assert found.sentence == "will stand still: 100 % of the hessians are 0 or below where the gradient is not"
    tukey = fl.audit(fl.TukeyBiweight(), y, f, hessian="exact")
    assert not tukey.trains
    assert tukey.hessian.negative == np.sum(fl.TukeyBiweight().hessian(y, f) < 0) > 0
    y, f = logit_data(shift=-3)
    focal = fl.audit(fl.BinaryFocal(from_logits=True), y, f, hessian="exact")
    expected = np.mean(fl.BinaryFocal(from_logits=True).hessian(y, f) <= 0)
    assert focal.stuck == pytest.approx(expected)
    assert focal.sentence.startswith(f"will stand still or go astray: {100 * expected:.0f} % of the hessians")
    floored = fl.audit(fl.BinaryFocal(from_logits=True), y, f, hessian="exact", min_hessian=0.1)
    assert floored.trains


def test_scale_of_a_loss():
    y, f = logit_data()
    natural = fl.audit(fl.BinaryCrossEntropy(), y, sigmoid(f))
    assert not natural.trains
    assert "on_raw()" in natural.sentence
    mixed_up = fl.audit(fl.BinaryCrossEntropy(from_logits=True), y, sigmoid(f))
    assert "in [0, 1] like probabilities" in mixed_up.sentence
    raw_scores = fl.audit(fl.BinaryCrossEntropy(), y, f)
    assert raw_scores.predictions_outside > 0.3 * N


def test_infinite_predictions():
    found = fl.audit(fl.HalfSquaredError(), [0.0, 0.0, 1.0], [1.0, np.inf, np.nan])
    assert (found.gradient.non_finite, found.gradient.unchecked) == (2, 2)
    assert found.sentence.startswith("will learn nothing: 2 gradients")


def test_weights_enter_the_counts():
    y, f = np.zeros(4), np.array([0.5, 0.5, 9.0, 9.0])
    found = fl.audit(fl.Huber(), y, f, [1.0, 1.0, 0.0, 0.0], hessian="exact")
    assert (found.stuck, found.trains, found.hessian.zero) == (0.0, True, 2)
    assert not fl.audit(fl.Huber(), y, f, hessian="exact").trains


def test_weighted_sum():
    rng = np.random.default_rng(2)
    found = fl.audit(0.5 * fl.Huber() + 0.5 * fl.LogCosh(), rng.normal(size=50), rng.normal(size=50))
    assert found.trains
    assert found.gradient.wrong == found.hessian.wrong == 0


# ---- objectives -----------------------------------------------------------------------------------------------------


def test_a_right_objective():
    y, f = logit_data()
    for found in (fl.audit(right, y, f), fl.audit(right, y, f, value=cross_entropy)):
        assert found.sentence == "will train"
        assert found.findings == ()
        assert found.name == "right"
        assert found.hessian.ratio == pytest.approx(1, abs=1e-4)
        assert found.respects_weights is None
    assert found.gradient.ratio == pytest.approx(1, abs=1e-4)
    assert fl.audit(right, y, f).gradient.ratio is None


def focal(y, f, wrong=False):
    """With gamma = 2; the wrong hessian takes the label where the probability belongs."""
    t = 2 * y - 1
    p = sigmoid(t * f)
    g = -t * (1 - p) ** 2 * (1 - p - 2 * p * np.log(p))
    if wrong:
        return g, y * (1 - y) * (1 - p) ** 2
    loss = fl.BinaryFocal(gamma=2.0, from_logits=True)
    return g, loss.hessian(y, f, reduction="sum", hessian="majorizer")


def writes(y, f):
    p = sigmoid(f)
    f[:] = p - y
    return f, p * (1 - p)


def natural(y, p):
    """Derivatives in the probability, given a logit."""
    return (p - y) / (p * (1 - p)), y / p**2 + (1 - y) / (1 - p) ** 2


def forgets_sigmoid(y, f):
    return f - y, f * (1 - f)


def from_probability(y, f):
    """-y log p - (1 - y) log(1 - p) in float32, where p rounds to 0 and 1."""
    p = sigmoid(f.astype(np.float32) * 30)
    with np.errstate(all="ignore"):
        return p * (1 - p) * ((1 - y) / (1 - p) - y / p) * 30, 900 * p * (1 - p)


MISTAKES = {  # objective, whether boosters train, words of the sentence
    "focal, label in the hessian": (lambda y, f: focal(y, f, wrong=True), False, "stand still: 100 % of the hess"),
    "focal, majorizer": (lambda y, f: focal(y, f), True, "upper bound of the true one"),
    "wrong sign": (lambda y, f: (-right(y, f)[0], right(y, f)[1]), False, "the gradient has the wrong sign"),
    "maximised": (lambda y, f: tuple(-x for x in right(y, f)), False, "the gradient has the wrong sign"),
    "negative hessian": (lambda y, f: (right(y, f)[0], -right(y, f)[1]), False, "stand still: 100 % of the hess"),
    "hessian zero": (lambda y, f: (right(y, f)[0], np.zeros(N)), False, "stand still: 100 % of the hess"),
    "probability scale": (natural, False, "the gradient has the wrong sign"),
    "no sigmoid": (forgets_sigmoid, False, "of the hessians are 0 or below"),
    "NaN": (from_probability, False, "are NaN or infinite"),
    "hessian 4 times": (lambda y, f: (right(y, f)[0], 4 * right(y, f)[1]), True, "leaf values are 4 times too small"),
    "hessian 1/4": (lambda y, f: (right(y, f)[0], right(y, f)[1] / 4), True, "leaf values are 4 times too large"),
    "hessian 1/20": (lambda y, f: (right(y, f)[0], right(y, f)[1] / 20), False, "by a factor of 20 too small"),
    "constant hessian": (lambda y, f: (right(y, f)[0], np.ones(N)), True, "the hessian is constant"),
    "integer hessian": (lambda y, f: (right(y, f)[0], np.ones(N, int)), True, "is of dtype int64"),
    "scalar hessian": (lambda y, f: (right(y, f)[0], 1.0), False, r"the hessian has the shape \(\)"),
    "column": (lambda y, f: tuple(x[:, None] for x in right(y, f)), True, r"shape \(400, 1\), not \(400,\)"),
    "gradient zero": (lambda y, f: (np.zeros(N), np.ones(N)), False, "every gradient is 0"),
    "strided": (lambda y, f: tuple(np.stack([x, x], 1)[:, 0] for x in right(y, f)), True, "neither in C nor in F"),
    "writes": (writes, True, "writes into the arrays"),
}


@pytest.mark.filterwarnings("ignore:(overflow|divide by zero|invalid value):RuntimeWarning")  # the mistakes' own
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    objective, trains, words = MISTAKES[mistake]
    y, f = logit_data()
    found = fl.audit(objective, y, f)
    assert found.trains == trains, found.sentence
    with pytest.raises(AssertionError, match=words):  # `match` reads the message
        raise AssertionError(found.sentence)
    assert found.writes_into_inputs == (mistake == "writes")


def test_value_reveals_what_the_hessian_cannot():
    y, f = logit_data()
    twice = fl.audit(lambda y, f: tuple(2 * x for x in right(y, f)), y, f, value=cross_entropy)
    assert twice.sentence == "will train, but the gradient is 2 times the derivative of the value"
    other = fl.audit(lambda y, f: (f - y, np.ones(N)), y, f, value=cross_entropy)
    assert "100 % of the gradients are not the derivative of the value" in other.findings
    wrong = fl.audit(lambda y, f: (-right(y, f)[0], right(y, f)[1]), y, f, value=cross_entropy)
    assert wrong.descends is False
    still = fl.audit(lambda y, f: (np.zeros(N), np.ones(N)), y, f, value=cross_entropy)
    assert (still.descends, still.gradient.zero) == (None, N)
    assert "wrong sign" in wrong.sentence


@pytest.mark.filterwarnings("ignore:(overflow|divide by zero|invalid value):RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Converting column-vector to 1d array:UserWarning")
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("mistake", [m for m in MISTAKES if m not in ("NaN", "probability scale")])
def test_boosters_do_as_foretold(mistake, library):
    """Twenty trees bring the training loss clearly below that of the constant, if and only if the audit says so."""
    booster = pytest.importorskip(library)
    objective, trains, _ = MISTAKES[mistake]
    rng = np.random.default_rng(4)
    x = rng.normal(size=(N, 3))
    y = (2 * x[:, 0] + rng.logistic(size=N) > 0).astype(float)

    def native(scores, data):
        return objective(data.get_label(), scores)

    def run():
        start = np.full(N, 0.3)
        if library == "xgboost":
            data = booster.DMatrix(x, y, base_margin=start)
            parameters = {"max_depth": 3, "eta": 0.3, "nthread": 1, "verbosity": 0}
            return booster.train(parameters, data, 20, obj=native).predict(data, output_margin=True).astype(float)
        parameters = {"objective": native, "num_leaves": 8, "learning_rate": 0.3, "num_threads": 1, "verbose": -1}
        data = booster.Dataset(x, y, init_score=start)
        return booster.train(parameters, data, 20).predict(x, raw_score=True) + start

    if mistake == "scalar hessian":
        with pytest.raises(TypeError):
            run()
        return
    ratio = np.mean(cross_entropy(y, run())) / np.mean(cross_entropy(y, np.full(N, 0.3)))
    assert (ratio < 0.8) == trains, ratio


def test_weights():
    y, f = logit_data()
    w = np.random.default_rng(3).uniform(0, 2, N)

    def weighted(y, f, w):
        g, h = right(y, f)
        return (g, h) if w is None else (w * g, w * h)

    def forgets(y, f, sample_weight=None):
        return right(y, f)

    def only_gradient(y, f, w):
        return weighted(y, f, w)[0], right(y, f)[1]

    assert fl.audit(weighted, y, f).respects_weights is True
    assert fl.audit(weighted, y, f, w).sentence == "will train"
    for objective in (forgets, only_gradient):
        found = fl.audit(objective, y, f)
        assert found.respects_weights is False
        assert found.sentence == "will train, but weights do not multiply its results"
    assert fl.audit(right, y, f).respects_weights is None
    assert fl.audit(right, y, f, w).sentence == "will train, but it ignores sample weights"


def test_several_scores():
    rng = np.random.default_rng(5)
    y, f = rng.integers(0, 3, 60), rng.normal(size=(60, 3))

    def softmax(y, f, factor=1.0):
        p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
        return p - np.eye(3)[y.astype(int)], factor * p * (1 - p)

    assert fl.audit(lambda y, f: softmax(y, f), y, f).sentence == "will train"
    assert "hessian is 2 times the true one" in fl.audit(lambda y, f: softmax(y, f, 2.0), y, f).sentence
    turned = fl.audit(lambda y, f: tuple(-x for x in softmax(y, f)), y, f)
    assert turned.descends is False
    scaled = fl.audit(fl.SparseCategoricalCrossEntropy(from_logits=True), y, f, hessian="scaled")
    assert scaled.trains
    assert scaled.hessian.ratio == pytest.approx(1.5, rel=1e-3)
    assert "leaf values are 1.5 times too small" in scaled.sentence


@pytest.mark.parametrize("objective", [for_xgboost.objective, for_lightgbm.objective, for_catboost.objective])
def test_objectives_of_adapters(objective):
    y, f = logit_data()
    found = fl.audit(objective("binary_focal"), y, f)
    assert found.sentence == "will train"
    assert found.hessian_policy == "majorizer"
    assert found.gradient.error < 1e-4
    assert found.respects_weights
    assert fl.audit(getattr(objective("binary_focal"), "native", objective("binary_focal")), y, f) == found
    assert not fl.audit(objective("binary_focal", hessian="exact"), y, f - 3).trains
    rng = np.random.default_rng(6)
    several = fl.audit(objective("sparse_cce"), rng.integers(0, 3, 50), rng.normal(size=(50, 3)))
    assert several.trains
    assert several.descends


def test_own_objective_of_catboost():
    class Own:
        def calc_ders_range(self, approxes, targets, weights):
            w = np.ones(len(targets)) if weights is None else weights
            return [(w[k] * (y - f), -w[k]) for k, (y, f) in enumerate(zip(targets, approxes, strict=True))]

    rng = np.random.default_rng(7)
    found = fl.audit(Own(), rng.normal(size=30), rng.normal(size=30))
    assert found.sentence == "will train"
    assert (found.name, found.respects_weights) == ("Own", True)


def test_audit_is_a_value_and_prints_a_table():
    y, f = logit_data()
    found = fl.audit(fl.BinaryFocal(from_logits=True), y, f, hessian="exact")
    assert found == fl.audit(fl.BinaryFocal(from_logits=True), y, f, hessian="exact")
    assert dataclasses.is_dataclass(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.trains = True
    lines = str(found).splitlines()
    assert lines[0] == f"{found.name}, hessian 'exact': 400 rows of 1"
    assert lines[1].split()[:2] == ["zero", "negative"]
    assert [line.split()[0] for line in lines[2:4]] == ["gradient", "hessian"]
    assert lines[4] == f"Boosters {found.sentence}."
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (TypeError, "objective must be a loss, a callable", lambda y, f: fl.audit(3, y, f)),
        (TypeError, r"objective must return a tuple \(gradient, hessian\)", lambda y, f: fl.audit(cross_entropy, y, f)),
        (TypeError, "objective must return a tuple", lambda y, f: fl.audit(for_lightgbm.metric("huber"), y, f)),
        (ValueError, "unknown loss 'hubr'", lambda y, f: fl.audit("hubr", y, f)),
        (ValueError, "must be a loss with a hessian", lambda y, f: fl.audit(fl.LinearCrossEntropy(), y, f)),
        (ValueError, "hessian must be one of", lambda y, f: fl.audit("huber", y, f, hessian="fisher")),
        (ValueError, "min_hessian must be >= 0", lambda y, f: fl.audit("huber", y, f, min_hessian=-1)),
        (ValueError, "hessian must be None but for a loss", lambda y, f: fl.audit(right, y, f, hessian="exact")),
        (ValueError, "value must be None but for a call", lambda y, f: fl.audit("huber", y, f, value=cross_entropy)),
        (TypeError, "value must be callable", lambda y, f: fl.audit(right, y, f, value=3)),
        (
            ValueError,
            r"value must return the loss of every row, shape \(400,\), got \(\)",
            lambda y, f: fl.audit(right, y, f, value=lambda y, f: np.mean(cross_entropy(y, f))),
        ),
        (ValueError, "y_pred must have the shape", lambda y, f: fl.audit("huber", y, f[:-1])),
        (ValueError, "y_pred must have the shape", lambda y, f: fl.audit("huber", 0.0, 0.0)),
        (ValueError, "y_pred must have the shape", lambda y, f: fl.audit("huber", y[:0], f[:0])),
        (ValueError, "sample_weight must be a scalar or", lambda y, f: fl.audit("huber", y, f, np.ones(3))),
    ],
)
def test_bad_arguments_raise(error, message, call):
    with pytest.raises(error, match=message):
        call(*logit_data())
