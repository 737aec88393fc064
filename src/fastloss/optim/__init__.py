"""Gradient descent and Newton's method, written to be read: what happens at each step is recorded.

Design. Both minimise f(x) + p(x), f smooth, p a penalty that enters by its proximal map only (none: the identity). A
candidate point is always `prox(point - step * gradient, step)`, so that one loop serves gradient descent, momentum and
the proximal gradient method, and Newton's method with a penalty is that loop on a quadratic model. Rules for steps
decide over candidates, rules for stopping over states.
"""

from ._gradient_descent import gradient_descent
from ._newton import newton
from ._problem import linear
from ._record import History, Result, State
from ._steps import decaying

__all__ = ["History", "Result", "State", "decaying", "gradient_descent", "linear", "newton"]
