"""Say what TensorFlow an image holds, and whether it was built for CUDA. Needs no GPU. Python 2.7 and newer."""

import json

import tensorflow

product = tensorflow.reduce_sum(tensorflow.matmul(tensorflow.ones((2, 2)), tensorflow.ones((2, 2))))
found = {"version": tensorflow.__version__, "works": float(tensorflow.Session().run(product)) == 8.0}
if not tensorflow.test.is_built_with_cuda():
    found["cuda"] = None

with open("out/check.json", "w") as file:
    json.dump(found, file)
