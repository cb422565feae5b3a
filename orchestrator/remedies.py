"""What GPU errors mean and what helps: one table for launches, records and the doctor."""

import re
from dataclasses import dataclass

# A number says what an error is only right behind a word of CUDA's: `cuda runtime error (35)`, `cuInit returned 803`.
_NUMBERED = r"\bcu(?:da|init)[^\n]{{0,160}}?(?:error|code|returned|failed with)\D{{0,5}}\b(?:{})\b"


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A known error: its cause, and the next step. Both are sentences."""

    name: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.cause} {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The words by which a remedy is recognised, and the CUDA error numbers that mean the same."""

    words: str
    remedy: Remedy
    numbers: str = ""


def find_remedy(text: str) -> Remedy | None:
    """Return what is known about an error from its text: of the engine, the driver, CUDA or a framework.

    The words of all known errors come before the numbers of any: a message may hold other numbers too.
    """
    by_words = (one.remedy for one in _TABLE if re.search(one.words, text, re.IGNORECASE))
    by_number = (
        one.remedy
        for one in _TABLE
        if one.numbers and re.search(_NUMBERED.format(one.numbers), text, re.IGNORECASE | re.DOTALL)
    )
    return next(by_words, None) or next(by_number, None)


def _known(name: str, words: str, cause: str, remedy: str, numbers: str = "") -> _Known:
    return _Known(words=words, numbers=numbers, remedy=Remedy(name=name, cause=cause, remedy=remedy))


# In the order of the way from the engine into the program; the special comes before the general.
_TABLE = (
    # The engine. Source: moby daemon/errors.go; nvidia-container-toolkit cmd/nvidia-container-runtime-hook.
    _known(
        "no_gpu_hook",
        r"could not select device driver",
        "The Docker engine finds no way to hand over a GPU: neither the NVIDIA hook nor a CDI list is on its machine.",
        "Install nvidia-container-toolkit, run `nvidia-ctk runtime configure --runtime=docker` and restart docker; "
        "a rootless or snap engine looks on a PATH of its own.",
    ),
    _known(
        "hook_not_supported",
        r"invoking the NVIDIA Container Runtime Hook directly",
        "The NVIDIA toolkit is set to a mode without hooks, and the engine adds the hook.",
        "Let the engine list the GPUs by CDI: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml; "
        'or set `mode = "auto"` in /etc/nvidia-container-runtime/config.toml.',
    ),
    _known(
        "cdi_stale",
        r"unresolvable CDI devices|CDI device injection failed|lists no CDI device",
        "The engine's list of CDI devices is old or incomplete: it is not renewed when MIG instances change.",
        "Renew it: systemctl restart nvidia-cdi-refresh, or nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml.",
    ),
    _known(
        "requirement",
        r"requirement error: unsatisfied condition",
        "The image asks for a newer NVIDIA driver than this machine has.",
        "Install a newer driver, or take a variant for an older CUDA; where CUDA's minor-version compatibility covers "
        "it, NVIDIA_DISABLE_REQUIRE=1 switches this check off.",
    ),
    _known(
        "driver_not_loaded",
        r"nvml error: driver not loaded|NVML: Driver Not Loaded|couldn't communicate with the NVIDIA driver",
        "The NVIDIA driver is installed, but its kernel module is not loaded.",
        "Load it: modprobe nvidia; after a kernel update install the driver anew (dkms status), then reboot.",
    ),
    # NVML. Source: nvidia-container-toolkit issue 48; NVIDIA/cloud-native-docs container-toolkit/troubleshooting.md.
    _known(
        "driver_mismatch",
        r"Driver/library version mismatch|NVML/RM version mismatch",
        "The NVIDIA driver was upgraded, and the old kernel module is still loaded.",
        "Reboot, or end all that uses the GPU and reload the modules: rmmod nvidia_uvm nvidia_drm nvidia_modeset "
        "nvidia; modprobe nvidia.",
    ),
    _known(
        "nvml_permissions",
        r"(?:initialize NVML|NVML|nvml error): Insufficient Permissions",
        "The process may not open the GPU's device files; with SELinux a container needs leave for them.",
        "Start the container with --security-opt label=disable, or allow it: setsebool -P container_use_devices on.",
    ),
    _known(
        "devices_lost",
        r"(?:initialize NVML|NVML|nvml error): Unknown Error",
        "The container lost its GPU: with the NVIDIA hook and the systemd cgroup driver, `systemctl daemon-reload` "
        "takes the device files away from what runs.",
        "Start the launch again; lastingly: hand GPUs over by CDI, or set native.cgroupdriver=cgroupfs in "
        "/etc/docker/daemon.json.",
    ),
    # CUDA. Source: CUDA Runtime API, cudaError; 48 and 38 are what CUDA before 10.1 said for 209 and 100.
    _known(
        "compat_mismatch",
        r"unsupported display driver / cuda driver combination|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
        r"|cudaErrorSystemDriverMismatch",
        "The libcuda.so.1 that is loaded does not belong to the kernel driver: a cuda-compat package, or a second "
        "driver, lies before it.",
        "Remove /usr/local/cuda/compat from the loader's path (LD_LIBRARY_PATH, /etc/ld.so.conf.d); after a driver "
        "upgrade reboot.",
        numbers="803",
    ),
    _known(
        "compat_not_allowed",
        r"forward compatibility was attempted on non supported HW|CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"
        r"|cudaErrorCompatNotSupportedOnDevice",
        "The image brings cuda-compat, which works on data-centre GPUs only.",
        "Remove /usr/local/cuda/compat from the loader's path, and install a driver new enough for the variant or "
        "take a variant for an older CUDA.",
        numbers="804",
    ),
    _known(
        "not_initialised",
        r"CUDA_ERROR_SYSTEM_NOT_READY|cudaErrorSystemNotReady|system not yet initialized",
        "The GPUs of an NVSwitch machine wait for the fabric manager.",
        "Start it in the driver's own version: systemctl start nvidia-fabricmanager.",
        numbers="802",
    ),
    _known(
        "ptx_too_new",
        r"PTX was compiled with an unsupported toolchain|cudaErrorUnsupportedPtxVersion"
        r"|CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
        "The variant has no native code for this GPU, and its PTX is newer than the driver can compile.",
        "Install a newer driver: PTX needs the one of the variant's own CUDA version, not only of its major.",
        numbers="222",
    ),
    _known(
        "no_native_code",
        r"no kernel image is available for execution|cudaErrorNoKernelImageForDevice|CUDA_ERROR_NO_BINARY_FOR_GPU"
        r"|invalid device function|is not compatible with the current PyTorch installation",
        "The variant has no code for this GPU's compute capability.",
        "Take another variant or version: `orch plan` shows which have native code for it. Trying again changes "
        "nothing.",
        numbers="209|48",
    ),
    _known(
        "no_library_code",
        r"(?:CUDNN|CUBLAS)_STATUS_(?:EXECUTION_FAILED|ARCH_MISMATCH)",
        "The framework's own code runs, but the cuDNN or cuBLAS it carries has no code for this GPU.",
        "Take another variant or version: `orch plan` shows which have native code for it. Trying again changes "
        "nothing.",
    ),
    _known(
        "no_gpu_in_container",
        r"Found no NVIDIA driver on your system|No CUDA GPUs are available|no CUDA-capable device is detected"
        r"|CUDA_ERROR_NO_DEVICE|cudaErrorNoDevice|libcuda\.so\.1: cannot open shared object file"
        r"|CUDA_ERROR_STUB_LIBRARY|cudaErrorStubLibrary",
        "The program sees no GPU: none was handed over, or the driver's files are missing where it runs.",
        "Look whether /dev/nvidia* and libcuda.so.1 are there: `orch doctor` tries a container; else plan for the "
        "processor with --device cpu.",
        numbers="100|38|34",
    ),
    _known(
        "driver_too_old",
        r"CUDA driver version is insufficient|NVIDIA driver on your system is too old|cudaErrorInsufficientDriver",
        "The driver is older than the CUDA of this variant needs, or no GPU was handed over.",
        "Look first whether /dev/nvidia* and libcuda.so.1 are where the program runs; then install a newer driver, or "
        "take a variant for an older CUDA: `orch plan` names the driver each needs.",
        numbers="35",
    ),
    _known(
        "cpu_build",
        r"not compiled with CUDA enabled|not linked with support for cuda",
        "The framework is a build for the processor only.",
        "Take a CUDA variant, such as pytorch-2.0.1+cu118, or --device cpu.",
    ),
    _known(
        "gpu_busy",
        r"CUDA-capable device\(s\) is/are busy or unavailable|cudaErrorDevicesUnavailable"
        r"|CUDA_ERROR_DEVICE_UNAVAILABLE",
        "The GPU is in exclusive mode and taken, or in MIG mode without an instance handed over.",
        "Look with nvidia-smi who computes; set the mode back with nvidia-smi -c DEFAULT, or pick a MIG instance with "
        "--gpus.",
        numbers="46",
    ),
    _known(
        "gpu_memory",
        r"CUDA out of memory|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|CUDA error: out of memory",
        "The GPU's memory is too small for this configuration, or others hold a part of it.",
        "Take a smaller configuration or a GPU with more memory; nvidia-smi shows who else holds some.",
    ),
)
