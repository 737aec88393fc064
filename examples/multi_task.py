"""One model, two targets of different kinds: fixed and learnt weights of the tasks
===================================================================================

The diabetes data of scikit-learn: from age, body mass index and blood serum, one small network of `fastloss.nn`
predicts the progression of the disease (a number) and the sex (a class) from a shared hidden layer.
`fastloss.MultiTask` adds up the two losses. A grid of fixed weights stands beside ``weights="uncertainty"``, which
learns the balance together with the network: no grid, one training. All figures are means over ten splits. Needs
scikit-learn.

Source of the learnt weights: Kendall, Gal and Cipolla (2018), Multi-task learning using uncertainty to weigh losses.
"""

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

import fastloss as fl

# %%
# Two targets, both with their best constant as the reference.
X, progression = load_diabetes(return_X_y=True)
targets = {"progression": (progression - progression.mean()) / progression.std(), "sex": (X[:, 1] > 0).astype(float)}
X = np.delete(X, 1, axis=1)
X = X / X.std(axis=0)
TASKS = {"progression": fl.HalfSquaredError(), "sex": fl.BinaryCrossEntropy(from_logits=True)}
SPLITS, EPOCHS = 10, 200


# %%
# The network has an output for each task; the loss takes and returns dicts. The log-variances are one more array of
# parameters for the optimiser.


def held_out(loss: fl.MultiTask, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Loss of each task over that of its constant, and the factors of the tasks at the end."""
    train, test = train_test_split(np.arange(len(X)), test_size=0.3, random_state=seed)
    y = {task: target[train] for task, target in targets.items()}
    network = fl.nn.Network(
        [
            fl.nn.Dense(X.shape[1], 8, random_state=seed),
            fl.nn.Activation("tanh"),
            fl.nn.Dense(8, 2, random_state=seed + 100),
        ]
    )
    optimizer = fl.nn.SGD(learning_rate=0.05)
    log_variance = np.zeros(len(TASKS))
    for _ in range(EPOCHS):
        f = dict(zip(TASKS, network.forward(X[train], training=True).T, strict=True))
        parameters, gradients = list(network.parameters), []
        if loss.weights == "uncertainty":
            slope, of_weights = loss.gradient(y, f, log_variance=dict(zip(TASKS, log_variance, strict=True)))
            parameters.append(log_variance)
            gradients.append(np.array(list(of_weights.values())))
        else:
            slope = loss.gradient(y, f)
        network.backward(np.stack(list(slope.values()), axis=1))
        optimizer.step(parameters, [*network.gradients, *gradients])

    f = dict(zip(TASKS, network.forward(X[test]).T, strict=True))
    ratios = {}
    for task, one in TASKS.items():
        constant = np.full(len(test), one.init_score(y[task]))
        ratios[task] = one(targets[task][test], f[task]) / one(targets[task][test], constant)
    learnt = dict(zip(TASKS, np.exp(-log_variance), strict=True))
    return ratios, learnt if loss.weights == "uncertainty" else dict(loss.weights)


# %%
# Fixed weights from one task alone to the other alone, and learnt ones.
WEIGHTINGS = {f"progression x {w:g}": {"progression": w, "sex": 1.0} for w in (0.0, 0.1, 1.0, 10.0)}
WEIGHTINGS["progression alone"] = {"progression": 1.0, "sex": 0.0}
WEIGHTINGS["uncertainty"] = "uncertainty"

print("held-out loss over that of the constant")
print(f"{'weights':20}" + "".join(f"{task:>14}" for task in TASKS) + "   factors at the end")
ratios, figures = {}, {}
for name, weights in WEIGHTINGS.items():
    runs = [held_out(fl.MultiTask(TASKS, weights), seed) for seed in range(SPLITS)]
    ratios[name] = {task: np.array([found[task] for found, _ in runs]) for task in TASKS}
    figures[name] = {task: ratios[name][task].mean() for task in TASKS}
    factors = ", ".join(f"{np.mean([factors[task] for _, factors in runs]):.2g}" for task in TASKS)
    print(f"{name:20}" + "".join(f"{figures[name][task]:14.3f}" for task in TASKS) + f"   {factors}")

# %%
# Conclusions, from the figures above: the sum of both ratios says how well a weighting serves both tasks, and the
# differences split by split say whether one is more than chance.
order = sorted(figures, key=lambda name: sum(figures[name].values()))
place = order.index("uncertainty") + 1
print(f"\nBest for both tasks together: {order[0]}. The learnt weights are number {place} of {len(order)}.")
for task, alone in (("progression", "progression alone"), ("sex", "progression x 0")):
    change = ratios["uncertainty"][task] - ratios[alone][task]
    error = change.std(ddof=1) / np.sqrt(SPLITS)
    verdict = "no clear change" if abs(change.mean()) < 2 * error else "better" if change.mean() < 0 else "worse"
    print(f"{task} with learnt weights against alone: {change.mean():+.3f} (standard error {error:.3f}), {verdict}")
