"""Say what TensorFlow an image holds, and for which CUDA, if it holds CUDA too. Needs no GPU. Python 3."""

import glob
import json
import os

import tensorflow

product = tensorflow.reduce_sum(tensorflow.matmul(tensorflow.ones((2, 2)), tensorflow.ones((2, 2))))
found = {"version": tensorflow.__version__, "works": float(product) == 8.0}

# From 2.1 on the usual wheel has code for GPUs; CUDA itself comes from the base, or from NVIDIA's wheels.
packages = os.path.dirname(os.path.dirname(tensorflow.__file__))
places = ("/usr/local/cuda*/lib64", "/usr/local/cuda*/targets/*/lib", packages + "/nvidia/*/lib")
holds_cuda = any(glob.glob(place + "/libcufft.so*") for place in places)
if not (tensorflow.test.is_built_with_cuda() and holds_cuda):
    found["cuda"] = None
elif hasattr(tensorflow.sysconfig, "get_build_info"):  # from 2.3 on
    found["cuda"] = tensorflow.sysconfig.get_build_info().get("cuda_version")

with open("out/check.json", "w") as file:
    json.dump(found, file)
