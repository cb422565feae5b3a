"""Say what Caffe an image holds. Needs no GPU. Python 3."""

import json
import tempfile

import caffe
import numpy

NET = """
layer { name: "ones" type: "Input" top: "ones" input_param { shape { dim: 2 dim: 2 } } }
layer { name: "product" type: "InnerProduct" bottom: "ones" top: "product"
        inner_product_param { num_output: 2 bias_term: false weight_filler { type: "constant" value: 1 } } }
"""
with tempfile.NamedTemporaryFile("w", suffix=".prototxt") as file:
    file.write(NET)
    file.flush()
    net = caffe.Net(file.name, caffe.TEST)
net.blobs["ones"].data[...] = numpy.ones((2, 2))

with open("out/check.json", "w") as file:
    works = float(net.forward()["product"].sum()) == 8.0
    json.dump({"version": ".".join(caffe.__version__.split(".")[:2]), "works": works}, file)
