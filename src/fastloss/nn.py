"""A small multilayer perceptron in NumPy, trained with any loss: for teaching and experiments.

Design. A layer has two methods: `forward` turns a batch of rows into another and keeps what the way back needs;
`backward` takes the derivatives of the objective with respect to what came out, stores those of its own parameters in
`gradients`, and returns those with respect to what went in. What is kept is not pickled. A `Network` is a chain of
layers, an optimiser changes arrays in place. All of it is NumPy; the estimators `NeuralRegressor` and
`NeuralClassifier` need scikit-learn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _validation as check
from ._optional import require

if TYPE_CHECKING:
    from .adapters._neural import NeuralClassifier, NeuralRegressor

__all__ = [
    "ACTIVATIONS",
    "SGD",
    "Activation",
    "Adam",
    "Dense",
    "Dropout",
    "Layer",
    "Network",
    "NeuralClassifier",
    "NeuralRegressor",
]

Array = np.ndarray[Any, Any]

ESTIMATORS = ("NeuralClassifier", "NeuralRegressor")


def __getattr__(name: str) -> Any:
    """Import the estimators, and with them scikit-learn, on first use."""
    if name not in ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("sklearn", "1.6", "sklearn", ("scikit-learn",))
    return getattr(import_module(".adapters._neural", __package__), name)


# ---- layers ---------------------------------------------------------------------------------------------------------


class Layer(ABC):
    """A differentiable function of a batch of rows.

    Attributes
    ----------
    parameters, gradients : list of ndarray
        What is learnt, and the derivatives of the objective with respect to it, set by `backward`.
    """

    def __init__(self) -> None:
        self.parameters: list[Array] = []
        self.gradients: list[Array] = []
        self._kept: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"gradients": [], "_kept": None}

    @abstractmethod
    def forward(self, x: Array, training: bool = False) -> Array:
        """Compute the outputs of the rows `x`, shape (n, n_inputs); in training keep what `backward` needs."""

    @abstractmethod
    def backward(self, gradient: Array) -> Array:
        """Turn derivatives with respect to the last outputs into those with respect to the inputs."""


class Dense(Layer):
    r"""An affine map, :math:`x W + b`.

    Weights start uniformly in :math:`\pm\sqrt{6 / (n_{in} + n_{out})}`, which keeps the variance of signals on both
    ways; the bias starts at 0.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Width of a row before and after.
    random_state : int, Generator or None
        Seed of the weights.
    dtype : float32 or float64
        Of parameters and computation.

    References
    ----------
    X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> fl.nn.Dense(3, 2, random_state=0).forward(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(self, n_inputs: int, n_outputs: int, *, random_state: Any = None, dtype: Any = np.float64) -> None:
        super().__init__()
        shape = check.positive_integer("n_inputs", n_inputs), check.positive_integer("n_outputs", n_outputs)
        limit = np.sqrt(6 / sum(shape))
        self.weights = np.random.default_rng(random_state).uniform(-limit, limit, shape).astype(dtype)
        self.bias = np.zeros(n_outputs, dtype)
        self.parameters = [self.weights, self.bias]

    def forward(self, x: Array, training: bool = False) -> Array:
        """Compute ``x @ weights + bias``."""
        self._kept = x if training else None
        return np.asarray(x @ self.weights + self.bias)

    def backward(self, gradient: Array) -> Array:
        """Set the gradients of weights and bias; return ``gradient @ weights.T``."""
        self.gradients = [self._kept.T @ gradient, gradient.sum(axis=0)]
        return np.asarray(gradient @ self.weights.T)


def _logistic(x: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda x: np.maximum(x, 0), lambda a: (a > 0).astype(a.dtype)),
    "tanh": (np.tanh, lambda a: 1 - a * a),
    "logistic": (_logistic, lambda a: a * (1 - a)),
    "softplus": (lambda x: np.logaddexp(x, 0).astype(x.dtype), lambda a: -np.expm1(-a)),
    "identity": (lambda x: x, np.ones_like),
}
"""Functions, and their derivatives in terms of what they return."""


class Activation(Layer):
    """A function of each entry.

    Parameters
    ----------
    name : {"relu", "tanh", "logistic", "softplus", "identity"}
        ``max(x, 0)``, ``tanh x``, ``1 / (1 + exp(-x))``, ``log(1 + exp(x))``, ``x``.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> fl.nn.Activation("relu").forward(np.array([[-1.0, 2.0]]))
    array([[0., 2.]])
    """

    def __init__(self, name: str = "relu") -> None:
        super().__init__()
        self.name = check.one_of("activation", name, tuple(ACTIVATIONS))

    def forward(self, x: Array, training: bool = False) -> Array:
        """Apply the function."""
        output = ACTIVATIONS[self.name][0](x)
        self._kept = output if training else None
        return output

    def backward(self, gradient: Array) -> Array:
        """Multiply by the derivative."""
        return np.asarray(gradient * ACTIVATIONS[self.name][1](self._kept))


class Dropout(Layer):
    """Inverted dropout: in training entries are set to 0 with probability `rate`, the others divided by ``1 - rate``.

    The expectation of an output is its input, so that predictions need no correction: there the layer does nothing.
    Units cannot rely on single other units; the average over masks acts like an ensemble of networks.

    Parameters
    ----------
    rate : float
        Probability in [0, 1) of an entry to be dropped.
    random_state : int, Generator or None
        Seed of the masks.

    References
    ----------
    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, Dropout: a simple way to prevent neural
    networks from overfitting, Journal of Machine Learning Research 15, 2014.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> layer = fl.nn.Dropout(0.5, random_state=1)
    >>> layer.forward(np.ones((1, 6)), training=True)
    array([[2., 2., 0., 2., 0., 0.]])
    >>> layer.forward(np.ones((1, 6)))
    array([[1., 1., 1., 1., 1., 1.]])
    """

    def __init__(self, rate: float = 0.5, *, random_state: Any = None) -> None:
        super().__init__()
        self.rate = check.real_number("dropout", rate, ge=0, lt=1)
        self._random = np.random.default_rng(random_state)

    def forward(self, x: Array, training: bool = False) -> Array:
        """Draw a mask and multiply by it in training, else return `x` itself."""
        self._kept = None
        if not training or self.rate == 0:
            return x
        survives = self._random.random(x.shape) >= self.rate
        self._kept = np.divide(survives, 1 - self.rate, dtype=x.dtype)
        return np.asarray(x * self._kept)

    def backward(self, gradient: Array) -> Array:
        """Multiply by the last mask."""
        return gradient if self._kept is None else np.asarray(gradient * self._kept)


class Network(Layer):
    """A chain of layers, itself a layer.

    Parameters
    ----------
    layers : sequence of Layer
        In the order of the way forward.

    Examples
    --------
    A training loop: the loss gives the derivatives with respect to what the network returns.

    >>> import numpy as np, fastloss as fl
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> y = np.abs(x[:, 0])
    >>> first, last = fl.nn.Dense(1, 8, random_state=0), fl.nn.Dense(8, 1, random_state=1)
    >>> network = fl.nn.Network([first, fl.nn.Activation("tanh"), last])
    >>> loss, optimizer = fl.Huber(), fl.nn.Adam(learning_rate=0.01)
    >>> before = loss(y, network.forward(x)[:, 0])
    >>> for _ in range(300):
    ...     gradient = loss.gradient(y, network.forward(x, training=True)[:, 0])
    ...     _ = network.backward(gradient[:, None])
    ...     optimizer.step(network.parameters, network.gradients)
    >>> bool(loss(y, network.forward(x)[:, 0]) < 0.1 * before)
    True
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.parameters = [p for layer in self.layers for p in layer.parameters]

    def forward(self, x: Array, training: bool = False) -> Array:
        """Send rows through all layers."""
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def backward(self, gradient: Array) -> Array:
        """Send derivatives back through all layers."""
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        self.gradients = [g for layer in self.layers for g in layer.gradients]
        return gradient


# ---- optimisers -----------------------------------------------------------------------------------------------------


class SGD:
    r"""Gradient descent with momentum: :math:`v \leftarrow \mu v - \eta g,\ \theta \leftarrow \theta + v`.

    Parameters
    ----------
    learning_rate : float
        :math:`\eta > 0`.
    momentum : float
        :math:`\mu` in [0, 1); 0 for plain descent.

    References
    ----------
    B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> theta = np.ones(2)
    >>> fl.nn.SGD(learning_rate=0.5).step([theta], [np.array([1.0, -1.0])])
    >>> theta
    array([0.5, 1.5])
    """

    def __init__(self, learning_rate: float = 1e-2, momentum: float = 0.9) -> None:
        self.learning_rate = check.real_number("learning_rate", learning_rate, gt=0)
        self.momentum = check.real_number("momentum", momentum, ge=0, lt=1)
        self._velocities: list[Array] = []

    def step(self, parameters: Sequence[Array], gradients: Sequence[Array]) -> None:
        """Change the parameters in place; the same arrays in the same order at every call."""
        self._velocities = self._velocities or [np.zeros_like(p) for p in parameters]
        for p, g, v in zip(parameters, gradients, self._velocities, strict=True):
            v *= self.momentum
            v -= self.learning_rate * g
            p += v


class Adam:
    r"""Steps of the mean gradient over the root of the mean squared one, per parameter.

    Parameters
    ----------
    learning_rate : float
        About the length of a step of each parameter, > 0.
    beta_1, beta_2 : float
        Decay of the two means, in [0, 1).
    epsilon : float
        Added to the root, > 0.

    References
    ----------
    D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> theta = np.ones(2)
    >>> fl.nn.Adam(learning_rate=0.5).step([theta], [np.array([3.0, -0.1])])
    >>> theta.round(4)
    array([0.5, 1.5])
    """

    def __init__(
        self, learning_rate: float = 1e-3, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        self.learning_rate = check.real_number("learning_rate", learning_rate, gt=0)
        self.beta_1 = check.real_number("beta_1", beta_1, ge=0, lt=1)
        self.beta_2 = check.real_number("beta_2", beta_2, ge=0, lt=1)
        self.epsilon = check.real_number("epsilon", epsilon, gt=0)
        self._moments: list[tuple[Array, Array]] = []
        self._steps = 0

    def step(self, parameters: Sequence[Array], gradients: Sequence[Array]) -> None:
        """Change the parameters in place; the same arrays in the same order at every call."""
        self._moments = self._moments or [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
        self._steps += 1
        # The means start at 0: dividing by the sum of their weights so far makes them unbiased.
        first, second = 1 - self.beta_1**self._steps, 1 - self.beta_2**self._steps
        for p, g, (m, v) in zip(parameters, gradients, self._moments, strict=True):
            m += (1 - self.beta_1) * (g - m)
            v += (1 - self.beta_2) * (g * g - v)
            p -= (self.learning_rate / first) * m / (np.sqrt(v / second) + self.epsilon)
