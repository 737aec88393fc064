"""Row losses as objects: sequences as parameters, policies, names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rows import default_row_losses, has_hessian, is_softmax, row_losses

import fastloss as fl


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("SparseCategoricalCrossEntropy", "class_weight"),
        ("CategoricalFocal", "alpha"),
        ("MultiMargin", "class_weight"),
        ("MultiQuantile", "quantiles"),
    ],
)
def test_sequences_become_tuples(name, parameter) -> None:
    """Lists, tuples and arrays are the same parameter, hashable, and a list in JSON."""
    cls, numbers = getattr(fl, name), (0.25, 0.5)
    losses = [cls(**{parameter: given}) for given in (numbers, list(numbers), np.array(numbers, np.float32))]
    assert len(set(losses)) == 1
    assert getattr(losses[0], parameter) == numbers
    assert all(type(x) is float for x in getattr(losses[2], parameter))
    assert losses[0].config()[parameter] == list(numbers)
    assert f"{parameter}=(0.25, 0.5)" in repr(losses[0])
    for bad in ("ab", [[0.5, 0.5]], ["a"], [None], [True, False], {0.5: 1}):
        with pytest.raises((TypeError, ValueError), match=f"^{parameter}"):
            cls(**{parameter: bad})
    for bad in ([math.nan, 0.5], [math.inf, 0.5], [-0.5, 0.5]):
        with pytest.raises(ValueError, match=f"^{parameter}"):
            cls(**{parameter: bad})


def test_numbers_that_are_integers() -> None:
    for one in (-1, np.int64(-1)):
        loss = fl.CategoricalFocal(ignore_index=one)
        assert loss == fl.CategoricalFocal(ignore_index=-1)
        assert loss.config()["ignore_index"] == -1
        assert type(loss.ignore_index) is int
    for bad in (1.0, True, "1", [1]):
        with pytest.raises(TypeError, match=r"^ignore_index must be"):
            fl.CategoricalFocal(ignore_index=bad)
    assert fl.CategoricalFocal(alpha=0.25).config()["alpha"] == 0.25


def test_policies_of_each_loss() -> None:
    common = {"exact", "absolute_gradient", "unit"}
    extra = {
        "sparse_categorical_cross_entropy": {"majorizer", "fisher", "scaled"},
        "categorical_cross_entropy": {"majorizer", "fisher", "scaled"},
        "categorical_focal": {"majorizer"},
        "generalized_cross_entropy": {"majorizer"},
        "poly1_cross_entropy": {"majorizer"},
        "kl_divergence": {"majorizer", "fisher"},
        "multi_margin": {"majorizer"},
        "multi_quantile": {"majorizer", "fisher"},
    }
    for loss in row_losses():
        name = loss.info.name
        curved = is_softmax(loss) or not hasattr(loss, "from_logits")
        expected = common | (extra.get(name, set()) if curved else set())
        assert set(loss.hessian_policies) == (expected if has_hessian(loss) else set()), loss
    defaults = {
        "SparseCategoricalCrossEntropy(from_logits=True)": "exact",
        "CategoricalFocal(from_logits=True)": "majorizer",
        "CategoricalFocal(gamma=0.0, from_logits=True)": "exact",
        "CategoricalFocal()": "exact",
        "GeneralizedCrossEntropy(from_logits=True)": "majorizer",
        "Poly1CrossEntropy(from_logits=True)": "majorizer",
        "Poly1CrossEntropy(epsilon=-0.5, from_logits=True)": "exact",
        "CategoricalHinge()": "unit",
        "MultiMargin(p=1)": "majorizer",
        "MultiMargin(p=2)": "majorizer",
        "KLDivergence(from_logits=True)": "exact",
        "JensenShannon(from_logits=True)": "absolute_gradient",
        "JensenShannon()": "exact",
        "MultiQuantile()": "majorizer",
    }
    for text, policy in defaults.items():
        assert eval(text, vars(fl).copy()).default_hessian == policy, text


def test_names() -> None:
    assert {type(loss).__name__ for loss in default_row_losses()} == {
        *("SparseCategoricalCrossEntropy", "CategoricalCrossEntropy", "NegativeLogLikelihood", "CategoricalFocal"),
        *("GeneralizedCrossEntropy", "Poly1CrossEntropy", "CategoricalHinge", "MultiMargin", "KLDivergence"),
        *("JensenShannon", "MultiQuantile", "CosineSimilarity"),
    }
    for alias, name in {
        "sparse_cce": "SparseCategoricalCrossEntropy",
        "sparse_categorical_crossentropy": "SparseCategoricalCrossEntropy",
        "cce": "CategoricalCrossEntropy",
        "cross_entropy": "CategoricalCrossEntropy",
        "categorical_crossentropy": "CategoricalCrossEntropy",
        "softmax_cross_entropy": "CategoricalCrossEntropy",
        "nll": "NegativeLogLikelihood",
        "categorical_focal_crossentropy": "CategoricalFocal",
        "gce": "GeneralizedCrossEntropy",
        "poly1": "Poly1CrossEntropy",
        "kl": "KLDivergence",
        "kl_div": "KLDivergence",
        "js": "JensenShannon",
    }.items():
        assert fl.get(alias) == getattr(fl, name)()
