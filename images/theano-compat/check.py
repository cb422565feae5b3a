"""Say what Theano an image holds; try its compiler, its BLAS, Lasagne and CUDA's libraries. Needs no GPU. Python 3."""

import ctypes
import json

import lasagne
import numpy
import pygpu
import theano
import theano.tensor

matrix = theano.tensor.fmatrix()
product = theano.function([matrix], theano.tensor.dot(matrix, matrix).sum())
layer = lasagne.layers.DenseLayer(lasagne.layers.InputLayer((None, 2)), 1)

major, minor = ctypes.c_int(), ctypes.c_int()
ctypes.CDLL("libcublas.so")
ctypes.CDLL("libnvrtc.so").nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))

with open("out/check.json", "w") as file:
    works = float(product(numpy.ones((2, 2), "float32"))) == 8.0
    has_blas = "openblas" in theano.config.blas.ldflags
    has_back_end = pygpu.gpuarray.abi_version() is not None and theano.config.dnn.enabled == "False"
    works = works and has_blas and has_back_end and layer.output_shape == (None, 1)
    json.dump({"version": theano.__version__, "works": works, "cuda": f"{major.value}.{minor.value}"}, file)
