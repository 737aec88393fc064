"""Learning to rank with LightGBM: six losses, and LightGBM's own
=================================================================

Documents of queries have five grades of relevance, which depend on their features with noise. Rankers are trained with
losses of all pairs, of pairs weighed by what they change in NDCG, and of whole lists, and compared by the mean NDCG@10
of held-out queries, with paired differences from LightGBM's own objective. The data are synthetic.

Sources: Burges (2010) for LambdaRank; Cao et al. (2007) and Xia et al. (2008) for the losses of lists.
"""

import lightgbm
import numpy as np

import fastloss as fl
from fastloss.adapters.lightgbm import LossRanker

K = 10


# %%
# Synthetic queries, and NDCG for each of them.
def queries(n, seed):
    """Features, relevances and sizes of groups."""
    rng = np.random.default_rng(seed)
    group = rng.integers(10, 40, n)
    X = rng.normal(size=(int(group.sum()), 6))
    merit = X[:, 0] + np.sin(2 * X[:, 1]) + 0.5 * X[:, 2] * X[:, 3] + 0.7 * rng.normal(size=len(X))
    return X, np.digitize(merit, [0.5, 1.2, 1.9, 2.6]), group


def ndcg(relevance, scores, group):
    """NDCG@K of each group; NaN where nothing is relevant."""
    found = []
    ends = np.cumsum(group)[:-1]
    for y, s in zip(np.split(relevance, ends), np.split(scores, ends), strict=True):
        gains, discount = 2.0**y - 1, 1 / np.log2(np.arange(2, len(y) + 2))[:K]
        best = np.sort(gains)[::-1][:K] @ discount
        found.append(gains[np.argsort(-s, kind="stable")][:K] @ discount / best if best > 0 else np.nan)
    return np.array(found)


X, y, group = queries(400, seed=0)
X_test, y_test, test_group = queries(300, seed=1)
settings = {"n_estimators": 60, "num_leaves": 15, "n_jobs": 1, "verbose": -1}

# %%
# LightGBM's own objective, and ours with the same mathematics.
own = lightgbm.LGBMRanker(**settings).fit(X, y, group=group)
base = ndcg(y_test, own.predict(X_test), test_group)
print(f"{'LightGBM lambdarank':42s} NDCG@{K} {np.nanmean(base):.4f}")

# %%
# The others.
losses = {
    "LambdaRank(k=30, normalize=True)": fl.LambdaRank(k=30, normalize=True),
    "LambdaRank()": fl.LambdaRank(),
    "PairwiseLogistic()": fl.PairwiseLogistic(),
    "PairwiseHinge()": fl.PairwiseHinge(),
    "ListNet()": fl.ListNet(),
    "ListMLE()": fl.ListMLE(),
}
for name, loss in losses.items():
    model = LossRanker(loss=loss, **settings).fit(X, y, group=group)
    found = ndcg(y_test, model.predict(X_test), test_group)
    change = found - base
    error = np.nanstd(change) / np.sqrt(np.count_nonzero(~np.isnan(change)))
    verdict = "beyond" if abs(np.nanmean(change)) > 2 * error else "within"
    row = f"{name:42s} NDCG@{K} {np.nanmean(found):.4f}, {np.nanmean(change):+.4f}"
    print(f"{row} {verdict} two standard errors of {error:.4f}")
