"""The scale of labels and the squared error
=========================================

The derivative of the squared error grows with the labels: metres or millimetres, and the same network with the same
learning rate learns, crawls or explodes. Measured on the diabetes data of scikit-learn with its labels in other units.
Needs scikit-learn and matplotlib.
"""

# %%
# The target has standard deviation 1 in its first unit; a scale is that of the unit.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

import fastloss as fl

X, y = load_diabetes(return_X_y=True)
X = StandardScaler().fit_transform(X)
y = (y - y.mean()) / y.std() + 2  # labels are rarely centred
rows = np.random.default_rng(0).permutation(len(X))
train, test = rows[:300], rows[300:]
SCALES, ITERATIONS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0), 300


def network() -> fl.nn.Network:
    """Ten features, 16 hidden units, one output."""
    first, last = fl.nn.Dense(X.shape[1], 16, random_state=0), fl.nn.Dense(16, 1, random_state=1)
    return fl.nn.Network([first, fl.nn.Activation("relu"), last])


def fit(model: fl.nn.Layer, labels: np.ndarray, optimizer: fl.nn.SGD | fl.nn.Adam, loss: fl.Loss) -> np.ndarray:
    """R2 on the training rows after each step, all rows in each; -inf from where it exploded."""
    history = np.full(ITERATIONS, -np.inf)
    for k in range(ITERATIONS):
        f = model.forward(X[train], training=True)[:, 0]
        history[k] = r2(labels[train], f)
        if not np.isfinite(f).all() or history[k] < -1e6:
            history[k:] = -np.inf
            break
        model.backward(loss.gradient(labels[train], f)[:, None])
        optimizer.step(model.parameters, model.gradients)
    return history


def r2(labels: np.ndarray, f: np.ndarray) -> float:
    """Share of the variance of labels that predictions explain."""
    return 1 - float(np.mean((f - labels) ** 2) / np.var(labels))


# %%
# The first gradient of each layer, what a fixed learning rate reaches, the largest rate with which the error falls at
# all, and what Adam reaches, whose steps have about the length of its rate, whatever the gradient.
squared = fl.HalfSquaredError()
RATE, GRID = 0.05, tuple(2.0**k for k in range(-30, 2))
print(f"R2 on the training rows after {ITERATIONS} steps; 'exploded' where it fell below -1e6")


def shown(value: float) -> str:
    """A figure, or what became of it."""
    return "exploded" if value == -np.inf else f"{value:.3f}"


columns = f"{'gradient of both layers':>26}{f'rate {RATE}':>12}{'largest rate':>14}{'R2 with it':>12}{'Adam 0.01':>11}"
print(f"{'scale':>7}{columns}")
norms, largest, reached = [], [], {name: [] for name in ("SGD", "Adam", "standardised", "Huber")}
for scale in SCALES:
    model = network()
    model.backward(squared.gradient(scale * y[train], model.forward(X[train], training=True)[:, 0])[:, None])
    norms.append([np.sqrt(sum(np.sum(g**2) for g in model.gradients[k : k + 2])) for k in (0, 2)])
    reached["SGD"].append(fit(network(), scale * y, fl.nn.SGD(RATE, momentum=0.0), squared)[-1])
    reached["Adam"].append(fit(network(), scale * y, fl.nn.Adam(0.01), squared)[-1])
    for rate in reversed(GRID):  # from the largest rate down
        found = fit(network(), scale * y, fl.nn.SGD(rate, momentum=0.0), squared)
        if found[-1] > found[0]:
            break
    largest.append(rate)
    line = f"{scale:7g}{norms[-1][0]:14.2e}{norms[-1][1]:12.2e}{shown(reached['SGD'][-1]):>12}"
    print(f"{line}{rate:14.1e}{shown(found[-1]):>12}{shown(reached['Adam'][-1]):>11}")

# %%
# A linear model does not mind: its gradients and its coefficients grow alike, and the largest rate is that of its
# curvature, which has no labels in it. In a network the gradient of a layer has the weights of the others as a factor.
print(f"\na linear model, rate {RATE}:")
for scale in (SCALES[0], SCALES[-1]):
    linear = fl.nn.Dense(X.shape[1], 1)
    linear.weights[:] = 0
    print(f"{scale:7g}  R2 {fit(linear, scale * y, fl.nn.SGD(RATE, momentum=0.0), squared)[-1]:.6f}")

# %%
# The remedy: train on labels of mean 0 and standard deviation 1, and scale predictions back. The unit is gone. The
# Huber loss bounds the derivative, so that large labels do not explode; of small ones it is the squared error, as
# before. Those are small against what the network predicts at first, and the way down is long in their unit.
print(f"\nremedies, rate {RATE}, R2 on training and on test rows")
print(f"{'scale':>7}{'standardised labels':>24}{'Huber, delta = 1':>22}")
for scale in SCALES:
    labels = scale * y
    mean, spread = labels[train].mean(), labels[train].std()
    line = f"{scale:7g}"
    for name, loss, shift, unit in (("standardised", squared, mean, spread), ("Huber", fl.Huber(delta=1.0), 0.0, 1.0)):
        model = network()
        reached[name].append(fit(model, (labels - shift) / unit, fl.nn.SGD(RATE, momentum=0.0), loss)[-1])
        f = model.forward(X[test])[:, 0] * unit + shift
        line += f"{reached[name][-1]:14.3f}{r2(labels[test], f):9.3f}"
    print(line)

# %%
# Left, gradients grow with the scale of the labels, and the largest rate falls; right, what 300 steps reach (R2 below
# -1 is drawn at -1).
plt.style.use("tableau-colorblind10")
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.plot(SCALES, np.hypot(*np.transpose(norms)), "s--", color="C1", label="norm of the first gradient")
left.plot(SCALES, largest, "o-", color="C0", label="largest learning rate")
left.set(xscale="log", yscale="log", xlabel="scale of the labels", title="Gradient and learning rate")
left.legend(loc="upper left")
names = {"SGD": f"rate {RATE}", "Adam": "Adam, rate 0.01", "Huber": "Huber loss", "standardised": "standardised labels"}
styles = (("C1", "s--"), ("C3", "^:"), ("C4", "D-."), ("C0", "o-"))
for (name, label), (color, line) in zip(names.items(), styles, strict=True):
    right.plot(SCALES, np.maximum(reached[name], -1), line, color=color, label=label)
right.set(xscale="log", xlabel="scale of the labels", ylabel="R2 on training rows", ylim=(-1.1, 1.1))
right.set_title(f"After {ITERATIONS} steps")
right.legend(loc="lower center")
plt.show()
