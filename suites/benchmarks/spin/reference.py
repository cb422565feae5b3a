"""Loss and gradient of `spin` in float64: mean((w - p)^2) / 2 and mean(w - p)."""

from typing import TYPE_CHECKING

import numpy as np
import portable

if TYPE_CHECKING:
    from collections.abc import Mapping


def parameter_shapes(parameters: "Mapping[str, object]", traits: "Mapping[str, object]") -> dict[str, tuple[int, ...]]:
    """Return the shape of each trained tensor by its canonical name."""
    return {"weight": (1,)}


def first_loss(parameters: "Mapping[str, object]", traits: "Mapping[str, object]") -> float:
    """Return the loss of the first step."""
    return loss_and_gradients(parameters, traits)[0]


def loss_and_gradients(parameters: "Mapping[str, object]", traits: "Mapping[str, object]"):
    """Return the loss of the first step and its gradients by canonical name."""
    points = np.array(portable.tensor("points", (int(parameters["points"]),), -1.0, 1.0), dtype=np.float64)
    weight = np.array(portable.tensor("weight", (1,), 1.0, 2.0), dtype=np.float64)
    return float(np.mean((weight - points) ** 2) / 2), {"weight": np.mean(weight - points, keepdims=True)}
