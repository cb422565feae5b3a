"""What decides the speed and the precision of a Keras script on either back end: set, read back, returned as facts."""
from __future__ import absolute_import, division, print_function

import harness
from keras import backend

NAME = backend.backend()
if NAME == "tensorflow":
    import settings_tensorflow
    import tensorflow
else:
    import theano


def set_flags(job):
    """Give the back end its threads, and return what decides speed and precision as facts."""
    facts = {"backend": NAME, "floatx": backend.floatx()}
    if NAME == "tensorflow":
        facts.update(settings_tensorflow.set_flags(job), backend_version=tensorflow.__version__)
        backend.set_session(settings_tensorflow.open_session(job))
        return facts
    if job.precision != "ieee":
        raise harness.UnsupportedError("Theano %s has no %s. Take ieee." % (theano.__version__, job.precision))
    config = theano.config
    config.openmp = job.threads > 1
    return dict(facts, backend_version=theano.__version__, threads=job.threads, precision=job.precision,
                mode=config.mode, optimizer=config.optimizer, openmp=config.openmp, blas=config.blas.ldflags,
                device=config.device)
