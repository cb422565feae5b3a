"""Say what Theano an image holds, and try its compiler, its BLAS and Lasagne. Needs no GPU. Python 2.7 and newer."""

import json

import lasagne
import numpy
import theano
import theano.tensor

matrix = theano.tensor.fmatrix()
product = theano.function([matrix], theano.tensor.dot(matrix, matrix).sum())
layer = lasagne.layers.DenseLayer(lasagne.layers.InputLayer((None, 2)), 1)

with open("out/check.json", "w") as file:
    works = float(product(numpy.ones((2, 2), "float32"))) == 8.0
    has_blas = "openblas" in theano.config.blas.ldflags
    found = {"version": theano.__version__, "works": works and has_blas and layer.output_shape == (None, 1)}
    json.dump(found, file)
