"""One step of the plain recurrent cell and of the LSTM in float64 NumPy, and their derivatives.

rnn    h(t) = s(a(t)); trait activation "sigmoid" (Theano's and Torch's in the study) or "tanh" (TensorFlow's)
lstm   gates i, f, g, o are quarters of a(t), of which i, f, o see the cell through peepholes p, where there are any:
       c(t) = s(f + p_f c(t-1) + forget_bias) c(t-1) + s(i + p_i c(t-1)) tanh(g);  h(t) = s(o + p_o c(t)) tanh(c(t))
       traits peepholes (trained), forget_bias (added to f, never trained)
Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, the peepholes of Gers et al. 2002.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Values = Mapping[str, str | int | float | bool]
PEEPHOLE = "peephole"  # (3 units,): i, f, o


@dataclass(frozen=True, kw_only=True)
class State:
    """What a step hands on, (batch, units) each, and the gates that the way back needs."""

    h: Array
    c: Array
    gates: tuple[Array, ...] = ()  # i, f, g, o


class Cell(Protocol):
    """A cell by its traits; `gates` counts the parts of a(t)."""

    gates: ClassVar[int]

    def forward(self, a: Array, before: State, peephole: Array | None) -> State: ...

    def backward(
        self, after: State, before: State, d_h: Array, d_c: Array, peephole: Array | None
    ) -> tuple[Array, Array, Array]:
        """Return the gradients of a(t), of c(t-1), and of the peepholes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rnn:
    """The plain cell, which has no c."""

    gates: ClassVar[int] = 1
    is_tanh: bool

    @classmethod
    def of(cls, traits: Values) -> "Rnn":
        """Read the traits. Raises ValueError for an activation this reference does not know."""
        if traits["activation"] not in {"sigmoid", "tanh"}:
            raise ValueError(f"no activation '{traits['activation']}' in this reference")
        return cls(is_tanh=traits["activation"] == "tanh")

    def forward(self, a: Array, before: State, peephole: Array | None) -> State:
        return State(h=np.tanh(a) if self.is_tanh else _sigmoid(a), c=before.c)

    def backward(
        self, after: State, before: State, d_h: Array, d_c: Array, peephole: Array | None
    ) -> tuple[Array, Array, Array]:
        slope = 1 - after.h**2 if self.is_tanh else after.h * (1 - after.h)
        return d_h * slope, d_c, np.zeros(0)


@dataclass(frozen=True, kw_only=True)
class Lstm:
    """The LSTM, of which peepholes are None where it has none."""

    gates: ClassVar[int] = 4
    forget_bias: float = 0.0

    @classmethod
    def of(cls, traits: Values) -> "Lstm":
        return cls(forget_bias=float(traits.get("forget_bias", 0.0)))

    def forward(self, a: Array, before: State, peephole: Array | None) -> State:
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        p_i, p_f, p_o = _thirds(peephole)
        i = _sigmoid(a_i + p_i * before.c)
        f = _sigmoid(a_f + p_f * before.c + self.forget_bias)
        g = np.tanh(a_g)
        c = f * before.c + i * g
        o = _sigmoid(a_o + p_o * c)
        return State(h=o * np.tanh(c), c=c, gates=(i, f, g, o))

    def backward(
        self, after: State, before: State, d_h: Array, d_c: Array, peephole: Array | None
    ) -> tuple[Array, Array, Array]:
        (i, f, g, o), (p_i, p_f, p_o), tanh_c = after.gates, _thirds(peephole), np.tanh(after.c)
        d_o = d_h * tanh_c * o * (1 - o)
        d_c = d_c + d_h * o * (1 - tanh_c**2) + d_o * p_o
        d_i, d_f = d_c * g * i * (1 - i), d_c * before.c * f * (1 - f)
        d_g = d_c * i * (1 - g**2)
        d_peephole = np.concatenate([(d_i * before.c).sum(0), (d_f * before.c).sum(0), (d_o * after.c).sum(0)])
        return np.concatenate((d_i, d_f, d_g, d_o), axis=1), d_c * f + d_i * p_i + d_f * p_f, d_peephole


CELLS: Mapping[str, type[Rnn] | type[Lstm]] = {"rnn": Rnn, "lstm": Lstm}


def _sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def _thirds(peephole: Array | None) -> tuple[Array, ...]:
    return tuple(np.split(peephole, 3)) if peephole is not None else (np.zeros(1),) * 3
