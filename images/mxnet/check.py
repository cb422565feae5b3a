"""Say what MXNet an image holds. Needs no GPU. Python 3."""

import json

import mxnet

product = mxnet.nd.dot(mxnet.nd.ones((2, 2)), mxnet.nd.ones((2, 2))).sum()

with open("out/check.json", "w") as file:
    json.dump({"version": mxnet.__version__, "works": float(product.asscalar()) == 8.0}, file)
