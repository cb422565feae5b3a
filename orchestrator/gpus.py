"""GPUs that a plan can be made for without having one."""

from orchestrator.errors import UsageError
from orchestrator.hardware import Gpu
from orchestrator.names import did_you_mean, version_key

# Compute capability by name. Source: NVIDIA, "CUDA GPU Compute Capability" and its page of legacy GPUs. GPUs that only
# come with an arm64 CPU (GH200, GB200) are left out: a plan is made for amd64.
GPU_TABLE = {
    "GTX 980": "5.2",
    "Titan X (Maxwell)": "5.2",
    "P100": "6.0",
    "GTX 1080": "6.1",
    "GTX 1080 Ti": "6.1",
    "P4": "6.1",
    "P40": "6.1",
    "V100": "7.0",
    "T4": "7.5",
    "RTX 2080 Ti": "7.5",
    "A100": "8.0",
    "A30": "8.0",
    "A10": "8.6",
    "A10G": "8.6",
    "A40": "8.6",
    "RTX 3090": "8.6",
    "RTX A6000": "8.6",
    "L4": "8.9",
    "L40S": "8.9",
    "RTX 4090": "8.9",
    "H100": "9.0",
    "H200": "9.0",
    "B200": "10.0",
    "RTX 5090": "12.0",
}


def find_gpu(name: str, driver: str | None = None) -> Gpu:
    """Return a GPU of the table; case, spaces and hyphens do not count.

    driver: version to plan for; None: not checked.
    Raises UsageError for an unknown name, or a driver that is no version.
    """
    folded = {_fold(known): known for known in GPU_TABLE}
    known = folded.get(_fold(name))
    if known is None:
        raise UsageError(f"--gpu {name}: unknown GPU.{did_you_mean(name, GPU_TABLE)}")
    if driver is not None:
        _check_driver(driver)
    return Gpu(name=known, compute=GPU_TABLE[known], driver=driver)


def _check_driver(driver: str) -> None:
    try:
        version_key(driver)
    except ValueError as error:
        raise UsageError(
            f"--driver {driver}: is no version. Write it as nvidia-smi does, such as 535.104.05."
        ) from error


def _fold(name: str) -> str:
    words = name.lower().replace("nvidia", "").replace("geforce", "").replace("tesla", "")
    return "".join(letter for letter in words if letter.isalnum())
