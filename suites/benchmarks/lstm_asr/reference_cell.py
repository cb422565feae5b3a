"""One step of an LSTM cell in float64 NumPy and its derivatives, for every variant a framework's own cell may be.

    gates i, f, g, o: quarters of a(t), of which i, f and o see the cell through peepholes p:
    c(t) = s(f + p_f c(t-1) + forget_bias) c(t-1) + s(i + p_i c(t-1)) tanh(g)
    h(t) = s(o + p_o c(t)) tanh(c(t))

Traits: recurrent_activation "sigmoid" or "hard_sigmoid" (s; the latter is 0.2 a + 0.5 cut at 0 and 1, as in Keras and
Theano), forget_bias (added to f, never trained: TensorFlow's cells have 1), peepholes (trained).
Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, the peepholes of Gers et al. 2002.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Values = Mapping[str, str | int | float | bool]
SLOPE, MIDDLE = 0.2, 0.5  # of the hard sigmoid


@dataclass(frozen=True, kw_only=True)
class Step:
    """What the backward pass needs of one time step; each (batch, units)."""

    i: Array
    f: Array
    g: Array
    o: Array
    c: Array
    h: Array


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell by its traits."""

    is_hard: bool = False
    forget_bias: float = 0.0

    @classmethod
    def of(cls, traits: Values) -> "Cell":
        """Read the traits. Raises ValueError for an activation this reference does not know."""
        activation = str(traits.get("recurrent_activation", "sigmoid"))
        if activation not in {"sigmoid", "hard_sigmoid"}:
            raise ValueError(f"no recurrent_activation '{activation}' in this reference")
        return cls(is_hard=activation == "hard_sigmoid", forget_bias=float(traits.get("forget_bias", 0.0)))

    def forward(self, a: Array, before: Step, peephole: Array) -> Step:
        """Compute a step. a: (batch, 4 units) without peepholes; peephole: (3, units), i, f, o."""
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        p_i, p_f, p_o = peephole
        i = self._gate(a_i + p_i * before.c)
        f = self._gate(a_f + p_f * before.c + self.forget_bias)
        g = np.tanh(a_g)
        c = f * before.c + i * g
        o = self._gate(a_o + p_o * c)
        return Step(i=i, f=f, g=g, o=o, c=c, h=o * np.tanh(c))

    def backward(
        self, step: Step, before: Step, d_h: Array, d_c: Array, peephole: Array
    ) -> tuple[Array, Array, Array]:
        """Return the gradients of a(t) (batch, 4 units), of c(t-1), and of the peepholes (3, units)."""
        p_i, p_f, p_o = peephole
        tanh_c = np.tanh(step.c)
        d_o = d_h * tanh_c * self._slope(step.o)
        d_c = d_c + d_h * step.o * (1 - tanh_c**2) + d_o * p_o
        d_i = d_c * step.g * self._slope(step.i)
        d_f = d_c * before.c * self._slope(step.f)
        d_g = d_c * step.i * (1 - step.g**2)
        d_peephole = np.stack([(d_i * before.c).sum(axis=0), (d_f * before.c).sum(axis=0), (d_o * step.c).sum(axis=0)])
        return np.concatenate((d_i, d_f, d_g, d_o), axis=1), d_c * step.f + d_i * p_i + d_f * p_f, d_peephole

    def _gate(self, a: Array) -> Array:
        return np.clip(SLOPE * a + MIDDLE, 0.0, 1.0) if self.is_hard else 1 / (1 + np.exp(-a))

    def _slope(self, gate: Array) -> Array:
        """Return the derivative of a gate by its value."""
        return SLOPE * ((gate > 0) & (gate < 1)) if self.is_hard else gate * (1 - gate)
