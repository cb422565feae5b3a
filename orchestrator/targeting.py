"""What a verb plans for: the processor, GPUs that are there, or one of the table that is not."""

from orchestrator import console
from orchestrator.devices import choose_gpus, computable
from orchestrator.errors import EngineError, UsageError
from orchestrator.fleet.hosts import Host
from orchestrator.fleet.local import held_by
from orchestrator.gpus import find_gpu
from orchestrator.nvml import why_no_gpu
from orchestrator.options import DEVICES, Options
from orchestrator.planning import Target
from orchestrator.remedies import find_remedy


def find_target(options: Options, host: Host) -> Target:
    """Return what is planned for. A GPU that nobody names is the first on which nobody computes; that is said aloud.

    Raises UsageError for options that contradict each other or name no GPU, EngineError if a GPU is asked for and
    there is none.
    """
    _check(options)
    if options.gpu is not None:
        return Target(device="cuda", gpu=find_gpu(options.gpu, options.driver))
    machine = host.machine
    is_asked = options.device == "cuda" or options.gpus is not None
    if not is_asked and (options.device == "cpu" or not machine.gpus):
        return Target(device="cpu", platform=machine.platform)
    if not machine.gpus:
        raise EngineError(_tell_missing(options))
    gpus = choose_gpus(machine.gpus, options.gpus, lambda gpu: held_by(host, gpu))
    there = len(computable(machine.gpus))
    if options.gpus is None and there > 1:
        console.note(f"GPU: {gpus[0].address} ({gpus[0].name}), one of {there}; --gpus takes others, or several.")
    return Target(device="cuda", gpu=gpus[0], gpus=gpus, platform=machine.platform)


def _check(options: Options) -> None:
    if options.device not in DEVICES:
        raise UsageError(f"--device {options.device}: unknown device. Known: {', '.join(DEVICES)}.")
    if options.gpus is not None and options.gpu is not None:
        raise UsageError("--gpu plans for a GPU that need not be here, --gpus for those that are. Give one of them.")
    if options.gpu is not None and options.device == "cpu":
        raise UsageError("--gpu plans for a GPU, --device cpu wants none. Give one of them.")
    if options.driver is not None and options.gpu is None:
        raise UsageError("--driver is that of a GPU that need not be here. Name the GPU too: --gpu H100.")
    if options.gpus is not None and options.device == "cpu":
        raise UsageError("--gpus names GPUs, --device cpu wants none. Give one of them.")


def _tell_missing(options: Options) -> str:
    asked = "--gpus" if options.gpus is not None else "--device cuda"
    if options.host is not None:
        return f"{asked}: the NVIDIA driver of {options.host} shows no GPU. Take another machine, or --device cpu."
    why = why_no_gpu()
    remedy = find_remedy(why)
    what = f"the NVIDIA driver shows no GPU here{f' ({why})' if why else ''}"
    return f"{asked}: {what}. {remedy or 'Install it'}{'' if remedy else ', or take --device cpu.'}"
