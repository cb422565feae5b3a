"""Say what PaddlePaddle an image holds. Needs no GPU. Python 3."""

import json

import paddle

product = paddle.ones([2, 2]).matmul(paddle.ones([2, 2])).sum()
cuda = paddle.version.cuda()  # "False" in a build for the CPU

with open("out/check.json", "w") as file:
    found = {"version": paddle.__version__, "works": product.item() == 8.0, "cuda": cuda if cuda != "False" else None}
    json.dump(found, file)
