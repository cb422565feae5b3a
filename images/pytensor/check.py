"""Say what PyTensor an image holds. Python 3."""

import json

import numpy
import pytensor
import pytensor.tensor

matrix = pytensor.tensor.matrix(dtype="float32")
product = pytensor.function([matrix], (matrix @ matrix).sum())(numpy.ones((2, 2), "float32"))

with open("out/check.json", "w") as file:
    json.dump({"version": pytensor.__version__, "works": float(product) == 8.0}, file)
