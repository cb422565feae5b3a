"""What decides the speed and the precision of a Theano script: set here, read back, and returned as facts."""
from __future__ import absolute_import, division, print_function

import harness
import theano


def set_flags(job):
    """Choose device, floats and threads, and return all that decides speed and precision as facts."""
    if job.precision != "ieee":
        raise harness.UnsupportedError("Theano %s has no %s. Take ieee." % (theano.__version__, job.precision))
    config = theano.config
    config.floatX, config.openmp = "float32", job.threads > 1
    facts = {"threads": job.threads, "precision": job.precision, "mode": config.mode, "optimizer": config.optimizer,
             "openmp": config.openmp, "blas": config.blas.ldflags, "cxx": bool(config.cxx), "cuda": None, "cudnn": None}
    if job.device == "cuda":
        from theano import gpuarray
        from theano.gpuarray import dnn

        gpuarray.use("cuda")  # raises where there is no GPU
        facts.update(gpu=gpuarray.type.get_context(None).devname, cudnn=dnn.version() if dnn.dnn_present() else None)
    return facts


def wait_for(shared):
    """Wait until the GPU has written a shared variable; on the CPU all is done when a function returns."""
    value = shared.get_value(borrow=True, return_internal_type=True)
    if hasattr(value, "sync"):
        value.sync()
