"""Row losses against other libraries, where they are installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from rows import draw_rows, one_hot, softmax

import fastloss as fl

N, K = 200, 4
CLASS_WEIGHT = (0.5, 2.0, 1.25, 0.0)


def near(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(a, np.asarray(b), rtol=tolerance, atol=tolerance)


# ---- PyTorch --------------------------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    module = pytest.importorskip("torch")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


def differentiated(torch, function, f: np.ndarray, reduction: str) -> tuple[np.ndarray, np.ndarray]:
    """Value and gradient of a function of y_pred; of the sum, where it returns values per row."""
    z = torch.tensor(f, requires_grad=True)
    value = function(z, reduction)
    value.sum().backward()
    return value.detach().numpy(), z.grad.numpy()


def agree(torch, loss, y, f, function, reductions=("none", "sum", "mean"), tolerance: float = 1e-12) -> None:
    for reduction in reductions:
        value, gradient = differentiated(torch, function, f, reduction)
        ours = loss.value_and_gradient(y, f, reduction=reduction)
        near(ours[0], value, tolerance)
        near(ours[1], gradient, tolerance)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("ignored", [None, -100, 2])
def test_torch_cross_entropy(torch, rng, smoothing, weight, ignored) -> None:
    loss = fl.SparseCategoricalCrossEntropy(
        from_logits=True, label_smoothing=smoothing, class_weight=weight, ignore_index=ignored
    )
    y, f = draw_rows(loss, N, K, rng)
    options = {
        "weight": None if weight is None else torch.tensor(weight, dtype=torch.float64),
        "ignore_index": -1000 if ignored is None else ignored,
        "label_smoothing": smoothing,
    }
    target = torch.tensor(y)
    agree(torch, loss, y, f, lambda z, r: torch.nn.functional.cross_entropy(z, target, reduction=r, **options))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
def test_torch_cross_entropy_of_probabilities(torch, rng, smoothing, weight) -> None:
    loss = fl.CategoricalCrossEntropy(from_logits=True, label_smoothing=smoothing, class_weight=weight)
    y, f = draw_rows(loss, N, K, rng)
    options = {"weight": None if weight is None else torch.tensor(weight, dtype=torch.float64)}
    options["label_smoothing"] = smoothing
    target = torch.tensor(y)
    reductions = ("none", "sum") if weight else ("none", "sum", "mean")  # its mean with weights divides by N
    agree(
        torch, loss, y, f, lambda z, r: torch.nn.functional.cross_entropy(z, target, reduction=r, **options), reductions
    )


@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("ignored", [None, -100, 2])
def test_torch_nll_loss(torch, rng, weight, ignored) -> None:
    loss = fl.NegativeLogLikelihood(class_weight=weight, ignore_index=ignored)
    y, f = draw_rows(loss, N, K, rng)
    options = {
        "weight": None if weight is None else torch.tensor(weight, dtype=torch.float64),
        "ignore_index": -1000 if ignored is None else ignored,
    }
    target = torch.tensor(y)
    agree(torch, loss, y, f, lambda z, r: torch.nn.functional.nll_loss(z, target, reduction=r, **options))


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
def test_torch_multi_margin_loss(torch, rng, p, weight) -> None:
    loss = fl.MultiMargin(p=p, margin=0.7, class_weight=weight)
    y, f = draw_rows(loss, N, K, rng)
    options = {"p": p, "margin": 0.7, "weight": None if weight is None else torch.tensor(weight, dtype=torch.float64)}
    target = torch.tensor(y)
    reductions = ("none", "sum") if weight else ("none", "sum", "mean")  # its mean divides by N
    agree(
        torch,
        loss,
        y,
        f,
        lambda z, r: torch.nn.functional.multi_margin_loss(z, target, reduction=r, **options),
        reductions,
    )


@pytest.mark.parametrize("log_target", [False, True])
def test_torch_kl_div(torch, rng, log_target) -> None:
    logs = fl.KLDivergence(log_input=True, log_target=log_target)
    logits = fl.KLDivergence(from_logits=True, log_target=log_target)
    t = rng.dirichlet(np.ones(K), N)
    y = np.log(t) if log_target else t
    target, kl_div = torch.tensor(y), torch.nn.functional.kl_div
    for loss, prepare in ((logs, lambda z: z), (logits, lambda z: torch.log_softmax(z, -1))):
        f = draw_rows(loss, N, K, rng)[1]
        peers = {"none": "none", "sum": "sum", "mean": "batchmean"}

        def function(z, r, prepare=prepare, peers=peers):
            value = kl_div(prepare(z), target, reduction=peers[r], log_target=log_target)
            return value.sum(-1) if r == "none" else value

        agree(torch, loss, y, f, function)


def test_torch_cosine_similarity(torch, rng) -> None:
    loss = fl.CosineSimilarity()
    y, f = draw_rows(loss, N, K, rng)
    target = torch.tensor(y)
    agree(torch, loss, y, f, lambda z, r: -torch.nn.functional.cosine_similarity(target, z, dim=-1), ("none",))


@pytest.mark.parametrize(
    ("loss", "phi"),
    [
        (fl.CategoricalFocal(gamma=1.5, from_logits=True), lambda p, log_p: -((1 - p) ** 1.5) * log_p),
        (fl.GeneralizedCrossEntropy(q=0.3, from_logits=True), lambda p, log_p: (1 - p**0.3) / 0.3),
        (fl.Poly1CrossEntropy(epsilon=2.0, from_logits=True), lambda p, log_p: -log_p + 2 * (1 - p)),
        (fl.Poly1CrossEntropy(epsilon=-0.7, from_logits=True), lambda p, log_p: -log_p - 0.7 * (1 - p)),
    ],
    ids=repr,
)
def test_torch_autograd_of_definitions(torch, rng, loss, phi) -> None:
    """Also twice, for the diagonal of the hessian."""
    y, f = draw_rows(loss, 40, K, rng, form="dense")
    f = np.clip(f, -8, 8)
    t = torch.tensor(y)

    def function(z, reduction="none"):
        log_p = torch.log_softmax(z, -1)
        return (t * phi(log_p.exp(), log_p)).sum(-1)

    agree(torch, loss, y, f, function, ("none",), 1e-9)
    full = torch.autograd.functional.hessian(lambda z: function(z).sum(), torch.tensor(f)).numpy()
    near(loss.hessian(y, f, reduction="none"), np.einsum("njnj->nj", full), 1e-9)


def test_torch_autograd_of_the_jensen_shannon_divergence(torch, rng) -> None:
    loss = fl.JensenShannon(from_logits=True)
    y, f = rng.dirichlet(np.ones(K), 40), 2 * rng.standard_normal((40, K))
    t = torch.tensor(y)

    def function(z, reduction="none"):
        q = torch.softmax(z, -1)
        m = (t + q) / 2
        return ((t * (t / m).log()).sum(-1) + (q * (q / m).log()).sum(-1)) / 2

    agree(torch, loss, y, f, function, ("none",), 1e-10)
    full = torch.autograd.functional.hessian(lambda z: function(z).sum(), torch.tensor(f)).numpy()
    near(loss.hessian(y, f, reduction="none"), np.einsum("njnj->nj", full), 1e-10)


# ---- scikit-learn ---------------------------------------------------------------------------------------------------


@pytest.fixture
def metrics():
    return pytest.importorskip("sklearn.metrics")


def test_sklearn_log_loss(metrics, rng) -> None:
    y, w = np.arange(N) % K, rng.random(N)
    p = softmax(2 * rng.standard_normal((N, K)))
    for weight in (None, w):
        expected = metrics.log_loss(y, p, sample_weight=weight)
        near(fl.SparseCategoricalCrossEntropy()(y, p, weight), expected)
        near(fl.CategoricalCrossEntropy()(one_hot(y, K), p, weight), expected)


def test_sklearn_hinge_loss(metrics, rng) -> None:
    y, w, f = np.arange(N) % K, rng.random(N), 2 * rng.standard_normal((N, K))
    for weight in (None, w):
        near(fl.CategoricalHinge()(y, f, weight), metrics.hinge_loss(y, f, sample_weight=weight))


def test_sklearn_mean_pinball_loss(metrics, rng) -> None:
    quantiles = (0.1, 0.5, 0.9)
    y, w, f = rng.standard_normal(N), rng.random(N), rng.standard_normal((N, 3))
    for weight in (None, w):
        expected = sum(
            metrics.mean_pinball_loss(y, f[:, j], sample_weight=weight, alpha=q) for j, q in enumerate(quantiles)
        )
        near(fl.MultiQuantile(quantiles=quantiles)(y, f, weight), expected)


def test_sklearn_half_multinomial_loss(rng) -> None:
    """The private loss of its gradient boosting and logistic regression, with the diagonal of the hessian."""
    private = pytest.importorskip("sklearn._loss")
    peer, loss = private.HalfMultinomialLoss(n_classes=K), fl.SparseCategoricalCrossEntropy(from_logits=True)
    y, w, f = rng.integers(0, K, N), rng.random(N), 2 * rng.standard_normal((N, K))
    value = peer.loss(y_true=y.astype(float), raw_prediction=f, sample_weight=w)
    gradient, hessian = peer.gradient_hessian(y_true=y.astype(float), raw_prediction=f, sample_weight=w)
    near(loss(y, f, w, reduction="none"), value)
    ours = loss.gradient_and_hessian(y, f, w, reduction="sum")
    near(ours[0], gradient)
    near(ours[1], hessian)


# ---- SciPy ----------------------------------------------------------------------------------------------------------


def test_scipy_divergences(rng) -> None:
    special, distance = pytest.importorskip("scipy.special"), pytest.importorskip("scipy.spatial.distance")
    t, q = rng.dirichlet(np.ones(K), (2, N))
    t[::5, 0] = 0
    t /= t.sum(axis=1, keepdims=True)
    near(fl.KLDivergence()(t, q, reduction="none"), special.rel_entr(t, q).sum(axis=1))
    expected = [distance.jensenshannon(a, b) ** 2 for a, b in zip(t, q, strict=True)]
    near(fl.JensenShannon()(t, q, reduction="none"), expected)
    z = 3 * rng.standard_normal((N, K))
    near(fl.KLDivergence(from_logits=True)(t, z, reduction="none"), special.rel_entr(t, softmax(z)).sum(axis=1))
    link = fl.KLDivergence().link
    near(link.inverse(z), special.softmax(z, axis=-1))


# ---- Optax ----------------------------------------------------------------------------------------------------------


OPTAX = """
import sys
import numpy as np, optax
y, f, t, hot = (np.load(sys.argv[1])[name] for name in ("y", "f", "t", "hot"))
np.savez(
    sys.argv[1],
    sparse=optax.softmax_cross_entropy_with_integer_labels(f, y),
    dense=optax.softmax_cross_entropy(f, t),
    smooth=optax.softmax_cross_entropy(f, optax.smooth_labels(hot, 0.1)),
    poly=optax.losses.poly_loss_cross_entropy(f, t, epsilon=2.0),
    hinge=optax.losses.multiclass_hinge_loss(f, y),
    cosine=-optax.losses.cosine_similarity(f, t),
)
"""


@pytest.mark.skipif(importlib.util.find_spec("optax") is None, reason="compares with optax")
def test_optax(rng, tmp_path) -> None:
    """In float32, its default precision, and in its own process: later forks complain of the threads of JAX."""
    y, f = rng.integers(0, K, N), (2 * rng.standard_normal((N, K))).astype(np.float32)
    t = rng.dirichlet(np.ones(K), N).astype(np.float32)
    hot, file = one_hot(y, K).astype(np.float32), tmp_path / "values.npz"
    np.savez(file, y=y, f=f, t=t, hot=hot)
    subprocess.run([sys.executable, "-c", OPTAX, str(file)], check=True, timeout=300)
    theirs = np.load(file)
    for name, ours in {
        "sparse": fl.SparseCategoricalCrossEntropy(from_logits=True)(y, f, reduction="none"),
        "dense": fl.CategoricalCrossEntropy(from_logits=True)(t, f, reduction="none"),
        "smooth": fl.CategoricalCrossEntropy(from_logits=True, label_smoothing=0.1)(hot, f, reduction="none"),
        "poly": fl.Poly1CrossEntropy(epsilon=2.0, from_logits=True)(t, f, reduction="none"),
        "hinge": fl.CategoricalHinge()(y, f, reduction="none"),
        "cosine": fl.CosineSimilarity()(t, f, reduction="none"),
    }.items():
        near(ours, theirs[name], 2e-5)
