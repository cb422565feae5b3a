"""What decides the speed and the precision of a PyTorch script: set here, read back, and returned as facts."""
from __future__ import absolute_import, division, print_function

import re

import torch
import torch.backends.cudnn

RELEASE = tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2])


def set_tf32(allowed):
    """Set it wherever it can be set and return what was read back: since 1.7, since 2.9 under a newer name."""
    cuda, cudnn = getattr(torch.backends, "cuda", None), torch.backends.cudnn
    if hasattr(getattr(cudnn, "rnn", None), "fp32_precision"):
        parts, name, value = (cuda.matmul, cudnn.conv, cudnn.rnn), "fp32_precision", "tf32" if allowed else "ieee"
    elif RELEASE >= (1, 7):
        parts, name, value = (cuda.matmul, cudnn), "allow_tf32", allowed
    elif allowed:
        raise ValueError("PyTorch %s has no TF32. Take precision ieee." % torch.__version__)
    else:
        return False
    for part in parts:
        setattr(part, name, value)
    return all(getattr(part, name) in (True, "tf32") for part in parts)


def set_flags(job):
    """Set what decides speed and precision, and return it as facts."""
    if job.precision == "amp":
        raise ValueError("this script has no amp. Take precision ieee or tf32.")
    torch.set_num_threads(job.threads)
    torch.backends.cudnn.benchmark = False
    mkldnn = getattr(torch.backends, "mkldnn", None)
    return {"threads": torch.get_num_threads(), "precision": job.precision, "tf32": set_tf32(job.precision == "tf32"),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_deterministic": getattr(torch.backends.cudnn, "deterministic", None),
            "mkldnn": mkldnn is not None and mkldnn.is_available(),
            "cuda": getattr(torch.version, "cuda", None), "cudnn": torch.backends.cudnn.version()}
