"""One training step of an LSTM and one of a convolution in Caffe. Python 3."""

import tempfile

import steps

np = steps.load("numpy")
caffe = steps.load("caffe")
L, P = caffe.layers, caffe.params
FILLER = {"type": "uniform", "min": -0.05, "max": 0.05}


def train(net, inputs):
    folder = tempfile.mkdtemp()
    with open(folder + "/net.prototxt", "w") as file:
        file.write(str(net.to_proto()))
    with open(folder + "/solver.prototxt", "w") as file:
        file.write(f'net: "{folder}/net.prototxt" type: "Adam" base_lr: {steps.RATE} momentum: 0.9 momentum2: 0.999 ')
        file.write('lr_policy: "fixed" display: 0 snapshot_after_train: false')
    solver = caffe.get_solver(folder + "/solver.prototxt")
    for blob, values in inputs.items():
        solver.net.blobs[blob].data[...] = values

    def step():
        solver.step(1)
        return solver.net.blobs["loss"].data

    return step


def add_loss(net, bottom, count):
    net.out = L.InnerProduct(bottom, num_output=steps.CLASSES, weight_filler=FILLER)
    net.labels = L.Input(input_param={"shape": {"dim": [count]}})
    net.loss = L.SoftmaxWithLoss(net.out, net.labels)


def lstm():
    values = np.array(steps.sequences(), "float32").transpose(1, 0, 2)
    net = caffe.NetSpec()
    net.batch = L.Input(input_param={"shape": {"dim": list(values.shape)}})
    net.goes_on = L.Input(input_param={"shape": {"dim": [steps.TIME, steps.BATCH]}})
    parameters = {"num_output": steps.UNITS, "weight_filler": FILLER}
    net.lstm = L.LSTM(net.batch, net.goes_on, recurrent_param=parameters)
    net.before, net.last = L.Slice(net.lstm, ntop=2, slice_param={"axis": 0, "slice_point": [steps.TIME - 1]})
    net.ignored = L.Silence(net.before, ntop=0)
    net.row = L.Reshape(net.last, reshape_param={"shape": {"dim": [steps.BATCH, steps.UNITS]}})
    add_loss(net, net.row, steps.BATCH)
    goes_on = np.ones((steps.TIME, steps.BATCH))
    goes_on[0] = 0
    return train(net, {"batch": values, "goes_on": goes_on, "labels": steps.classes(steps.BATCH)})


def convolution():
    values = np.array(steps.pictures(), "float32")
    net = caffe.NetSpec()
    net.batch = L.Input(input_param={"shape": {"dim": list(values.shape)}})
    parameters = {"num_output": steps.FILTERS, "kernel_size": steps.KERNEL, "weight_filler": FILLER}
    net.filtered = L.Convolution(net.batch, convolution_param=parameters)
    net.kept = L.ReLU(net.filtered)
    net.mean = L.Pooling(net.kept, pooling_param={"pool": P.Pooling.AVE, "global_pooling": True})
    add_loss(net, net.mean, steps.IMAGES)
    return train(net, {"batch": values, "labels": steps.classes(steps.IMAGES)})


steps.report(caffe.__version__, lstm=lstm, convolution=convolution)
