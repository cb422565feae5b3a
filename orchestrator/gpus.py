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


# The Linux driver that came with the first release of each CUDA version (of 8.0: 8.0.61, of 11.0: 11.0.3), the oldest
# that compiles its PTX: unlike native code, PTX is not covered by the compatibility of minor versions. Each stands
# in the table "CUDA Toolkit and Corresponding Driver Versions" of NVIDIA's CUDA Toolkit release notes: up to 11.0 in
# those of 12.4, from 11.1 on in those of 13.2.
TOOLKIT_DRIVERS = {
    "7.5": "352.31",
    "8.0": "375.26",
    "9.0": "384.81",
    "9.1": "390.46",
    "9.2": "396.26",
    "10.0": "410.48",
    "10.1": "418.39",
    "10.2": "440.33",
    "11.0": "450.51.06",
    "11.1": "455.23",
    "11.2": "460.27.03",
    "11.3": "465.19.01",
    "11.4": "470.42.01",
    "11.5": "495.29.05",
    "11.6": "510.39.01",
    "11.7": "515.43.04",
    "11.8": "520.61.05",
    "12.0": "525.60.13",
    "12.1": "530.30.02",
    "12.2": "535.54.03",
    "12.3": "545.23.06",
    "12.4": "550.54.14",
    "12.5": "555.42.02",
    "12.6": "560.28.03",
    "12.8": "570.26",
    "12.9": "575.51.03",
    "13.0": "580.65.06",
    "13.1": "590.44.01",
    "13.2": "595.45.04",
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
