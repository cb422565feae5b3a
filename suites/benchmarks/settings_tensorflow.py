"""What decides the speed and the precision of a TensorFlow script: set here, read back, and returned as facts."""
from __future__ import absolute_import, division, print_function

import os
import re

import harness
import tensorflow

RELEASE = tuple(int(number) for number in re.findall(r"\d+", tensorflow.__version__)[:2])
v1 = tensorflow if RELEASE < (2, 0) else tensorflow.compat.v1


def set_flags(job):
    """Set TF32 and return what decides speed and precision as facts; TF32 came with 2.4 and is on there by default."""
    if job.precision not in ("ieee", "tf32"):
        raise harness.UnsupportedError("this script has no %s. Take ieee or tf32." % job.precision)
    tools = getattr(getattr(tensorflow, "config", None), "experimental", None)
    enable, is_allowed = getattr(tools, "enable_tensor_float_32_execution", None), False
    if enable is not None:
        enable(job.precision == "tf32")
        is_allowed = tools.tensor_float_32_execution_enabled()
    elif job.precision == "tf32":
        raise harness.UnsupportedError("TensorFlow %s has no TF32, which came with 2.4" % tensorflow.__version__)
    return dict(built_for(), threads=job.threads, precision=job.precision, tf32=is_allowed,
                onednn=os.environ.get("TF_ENABLE_ONEDNN_OPTS"), xla_flags=os.environ.get("TF_XLA_FLAGS"))


def built_for():
    """Return the versions of CUDA and cuDNN that TensorFlow was built for: known from 2.3 on."""
    read = getattr(tensorflow.sysconfig, "get_build_info", dict)
    found = read()
    return {"cuda": found.get("cuda_version"), "cudnn": found.get("cudnn_version")}


def session_config(job):
    """Return what a session of a graph takes its threads and its devices from."""
    devices = {} if job.device == "cuda" else {"GPU": 0}
    return v1.ConfigProto(intra_op_parallelism_threads=job.threads, inter_op_parallelism_threads=job.threads,
                          device_count=devices)


def open_session(job, graph=None):
    """Return a session with the threads of the job, and see to it that it has a GPU where one is measured."""
    session = v1.Session(graph=graph, config=session_config(job))
    need_gpu(job, [device for device in session.list_devices() if device.device_type == "GPU"])
    return session


def set_eager(job):
    """Set the threads where there is no session, and see to it that there is a GPU where one is measured."""
    config = tensorflow.config
    config.threading.set_intra_op_parallelism_threads(job.threads)
    config.threading.set_inter_op_parallelism_threads(job.threads)
    need_gpu(job, config.experimental.list_physical_devices("GPU"))


def need_gpu(job, gpus):
    """Raise RuntimeError where TensorFlow would compute on the CPU without a word."""
    if job.device == "cuda" and not gpus:
        raise RuntimeError("TensorFlow %s sees no GPU here: what it says on loading CUDA is in the log"
                           % tensorflow.__version__)
