"""The first step of `spin` in float64: the loss mean((w - p)^2) / 2 and its gradient mean(w - p)."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import portable

Values = Mapping[str, str | int | float | bool]


def parameter_shapes(parameters: Values, traits: Values) -> dict[str, tuple[int, ...]]:
    """Return the shape of each trained tensor by its canonical name."""
    return {"weight": (1,)}


def first_loss(parameters: Values, traits: Values) -> float:
    """Return the loss of the first step."""
    return loss_and_gradients(parameters, traits)[0]


def loss_and_gradients(parameters: Values, traits: Values) -> tuple[float, dict[str, npt.NDArray[np.float64]]]:
    """Return the loss of the first step and its gradient for each canonical name."""
    points = np.array(portable.tensor("points", (int(parameters["points"]),), -1.0, 1.0), dtype=np.float64)
    weight = np.array(portable.tensor("weight", (1,), 1.0, 2.0), dtype=np.float64)
    differences = weight - points
    return float(np.mean(differences**2) / 2), {"weight": np.mean(differences, keepdims=True)}
