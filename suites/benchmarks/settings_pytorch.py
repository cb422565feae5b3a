"""What decides the speed and the precision of a PyTorch script: set here, read back, and returned as facts."""
from __future__ import absolute_import, division, print_function

import re

import harness
import torch
import torch.backends.cudnn

RELEASE = tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2])


def set_flags(job):
    """Set threads, TF32 and how cuDNN chooses algorithms, and return all that decides speed and precision as facts.

    TF32 was on by default from 1.7 for products and cuDNN, from 1.12 for cuDNN only: `tf32_default` says what was found.
    """
    torch.set_num_threads(job.threads)
    cudnn, mkldnn = torch.backends.cudnn, getattr(torch.backends, "mkldnn", None)
    cudnn.benchmark = False
    if hasattr(cudnn, "deterministic"):
        cudnn.deterministic = False
    facts = {"threads": torch.get_num_threads(), "precision": job.precision, "cudnn_benchmark": cudnn.benchmark,
             "cudnn_deterministic": getattr(cudnn, "deterministic", None), "cudnn_enabled": cudnn.enabled,
             "mkldnn": mkldnn is not None and mkldnn.is_available(),
             "tf32": set_tf32(job.precision == "tf32"), "tf32_default": TF32_DEFAULT,
             "cuda": getattr(torch.version, "cuda", None), "cudnn": cudnn.version()}
    if job.device == "cuda":
        capability = getattr(torch.cuda, "get_device_capability", None)  # since 0.3
        facts.update(gpu=torch.cuda.get_device_name(0), capability=capability and "%d.%d" % capability(0))
    return facts


def tf32_parts():
    """Return who decides about TF32, and under which name: none before 1.7, other names since 2.9."""
    cuda, cudnn = getattr(torch.backends, "cuda", None), torch.backends.cudnn
    if hasattr(getattr(cudnn, "rnn", None), "fp32_precision"):
        return {"matmul": cuda.matmul, "conv": cudnn.conv, "rnn": cudnn.rnn}, "fp32_precision"
    return ({"matmul": cuda.matmul, "cudnn": cudnn} if RELEASE >= (1, 7) else {}), "allow_tf32"


def read_tf32():
    """Return the parts that may use it, such as "cudnn matmul"."""
    parts, name = tf32_parts()
    return " ".join(sorted(part for part in parts if getattr(parts[part], name) in (True, "tf32")))


TF32_DEFAULT = read_tf32()


def set_tf32(allowed):
    """Set it everywhere, and return what was read back."""
    parts, name = tf32_parts()
    if allowed and not parts:
        raise harness.UnsupportedError("PyTorch %s has no TF32, which came with 1.7" % torch.__version__)
    for part in parts.values():
        setattr(part, name, allowed if name == "allow_tf32" else ("ieee", "tf32")[allowed])
    return read_tf32()


class Precision(object):
    """How a step computes: as it is, or with automatic mixed precision (amp) from PyTorch 1.6.

    amp on a GPU is float16 with a scaled loss, so that small gradients survive; on the CPU bfloat16, which needs none.
    loss_scale: what it begins with; a loss that is a sum begins with 1, or its gradients overflow.
    """

    def __init__(self, job, loss_scale):
        self.cast = self.scaler = None
        self.facts = {}
        if job.precision != "amp":
            return
        on_gpu = job.device == "cuda"
        if RELEASE < ((1, 6) if on_gpu else (1, 10)):
            raise harness.UnsupportedError("PyTorch %s has no amp on this device: it came with %s" % (
                torch.__version__, "1.6 on GPUs" if on_gpu else "1.10 on the CPU"))
        if RELEASE < (1, 10):
            self.cast = torch.cuda.amp.autocast
        else:
            kind = torch.float16 if on_gpu else torch.bfloat16
            self.cast = lambda: torch.autocast(job.device, dtype=kind)
        if on_gpu:
            make = torch.amp.GradScaler if hasattr(getattr(torch, "amp", None), "GradScaler") else torch.cuda.amp.GradScaler
            self.scaler = make(init_scale=loss_scale)
        self.facts = {"amp_dtype": "float16" if on_gpu else "bfloat16", "loss_scale": loss_scale if on_gpu else None}

    def forward(self, function):
        """Call a function of nothing that computes a loss, and return it."""
        if self.cast is None:
            return function()
        with self.cast():
            return function()

    def update(self, loss, optimizer):
        """Go back from the loss and update; the gradients that are left are those of the loss, not of its scale."""
        if self.scaler is None:
            loss.backward()
            optimizer.step()
            return
        self.scaler.scale(loss).backward()
        self.scaler.step(optimizer)
        self.scaler.update()


def device_tools(on_gpu):
    """Return what a harness.Workload needs to wait for a GPU, to time it by its own clock and to read its memory."""
    if not on_gpu:
        return {"sync_name": "none (cpu)"}
    reset = getattr(torch.cuda, "reset_peak_memory_stats", getattr(torch.cuda, "reset_max_memory_allocated", None))
    return {"sync": torch.cuda.synchronize, "sync_name": "torch.cuda.synchronize",
            "event": lambda: torch.cuda.Event(enable_timing=True),
            "device_memory": getattr(torch.cuda, "max_memory_allocated", None), "reset_device_memory": reset}
