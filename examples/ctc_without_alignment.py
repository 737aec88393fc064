"""Reading sequences that nobody has aligned, with CTC
======================================================

Each signal holds a few symbols of unknown length with pauses in between, drawn as noisy patterns; only the order of the
symbols is known. A small network of `fastloss.nn` sees a window of five frames and is trained with `fastloss.CTC`. The
same network trained on frames whose labels are spread evenly over the signal, the obvious makeshift, stands beside it.
Shown are label error rates on held-out signals, and how well the forced alignment finds where the symbols really are.

Source: Graves, Fernandez, Gomez and Schmidhuber (2006), Connectionist temporal classification.
"""

# %%
# Signals: six symbols, each a pattern of eight numbers, three to five of them in 40 frames.
import numpy as np

import fastloss as fl

SYMBOLS, CHANNELS, FRAMES, WINDOW = 6, 8, 40, 2
rng = np.random.default_rng(0)
patterns = rng.standard_normal((SYMBOLS, CHANNELS))


def signals(n):
    """Frames, labels as lists, and the symbol of each frame (0: none)."""
    x, labels, truth = 0.6 * rng.standard_normal((n, FRAMES, CHANNELS)), [], np.zeros((n, FRAMES), int)
    for k in range(n):
        said = rng.integers(1, SYMBOLS + 1, rng.integers(3, 6))
        ends = np.sort(rng.choice(np.arange(2, FRAMES - 2, 3), 2 * len(said), replace=False))
        for symbol, start, stop in zip(said, ends[::2], ends[1::2], strict=True):
            x[k, start:stop] += patterns[symbol - 1]
            truth[k, start:stop] = symbol
        labels.append(said)
    padded = np.pad(x, ((0, 0), (WINDOW, WINDOW), (0, 0)))
    seen = np.concatenate([padded[:, t : t + FRAMES] for t in range(2 * WINDOW + 1)], axis=2)
    return seen.reshape(n * FRAMES, -1), labels, truth


x_train, y_train, _ = signals(400)
x_test, y_test, where = signals(200)


# %%
# Training: the gradient of the loss in the logits is all the network needs. The makeshift gives each frame a label: the
# symbols in equal parts, and the pauses are not known.
def train(gradient, steps=500, batch=50):
    """Logits of the held-out signals from a network trained by gradients in its logits."""
    network = fl.nn.Network(
        [
            fl.nn.Dense(x_train.shape[1], 32, random_state=1),
            fl.nn.Activation("relu"),
            fl.nn.Dense(32, SYMBOLS + 1, random_state=2),
        ]
    )
    optimizer, order = fl.nn.Adam(learning_rate=0.01), np.random.default_rng(3)
    for _ in range(steps):
        chosen = order.choice(len(y_train), batch, replace=False)
        frames = x_train.reshape(len(y_train), FRAMES, -1)[chosen].reshape(batch * FRAMES, -1)
        logits = network.forward(frames, training=True).reshape(batch, FRAMES, -1)
        network.backward(gradient([y_train[k] for k in chosen], logits).reshape(batch * FRAMES, -1))
        optimizer.step(network.parameters, network.gradients)
    return network.forward(x_test).reshape(len(y_test), FRAMES, -1)


ctc, by_frame = fl.CTC(), fl.SparseCategoricalCrossEntropy(from_logits=True)


def spread(labels):
    """The symbols of a signal in equal parts."""
    return np.array([said[np.arange(FRAMES) * len(said) // FRAMES] for said in labels])


results = {
    "CTC": train(ctc.gradient),
    "labels spread evenly": train(lambda labels, logits: by_frame.gradient(spread(labels), logits)),
}


# %%
# Errors: the edit distance between what is read and what was said, over the number of symbols. Reading merges equal
# neighbours, so the makeshift, which knows no blank, cannot read a symbol twice in a row.
def edits(a, b):
    """The edit distance of two sequences."""
    row = np.arange(len(b) + 1)
    for i, x in enumerate(a, 1):
        previous, row = row, np.concatenate([[i], np.zeros(len(b), int)])
        for j, y in enumerate(b, 1):
            row[j] = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y))
    return row[-1]


print(f"{'trained with':22} label error rate  CTC loss")
for name, logits in results.items():
    read = fl.ctc_greedy_decode(logits)
    rate = sum(map(edits, read, y_test)) / sum(map(len, y_test))
    print(f"{name:22} {rate:16.1%}  {ctc(y_test, logits):8.3f}")

# %%
# Where is each symbol? The best path among those with the right labels, against the frames in which symbols really are.
path, _ = fl.ctc_forced_align(y_test, results["CTC"])
named = path > 0
print(
    f"the alignment names {named.sum()} frames, {np.mean(path[named] == where[named]):.1%} of them inside their symbol"
)
print(f"a path of random places would name {np.mean(where > 0):.1%} inside any symbol")
