"""Which errors are recognised, in the words that engines, drivers and frameworks really use."""

import pytest

from orchestrator.remedies import find_remedy

SAID = (
    ("no_gpu_hook", 'could not select device driver "" with capabilities: [[gpu]]'),
    ("no_gpu_hook", 'docker: the engine reports: could not select device driver "nvidia" with capabilities: [[gpu]].'),
    (
        "requirement",
        "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.4, please update your driver to a "
        "newer version, or use an earlier cuda container: unknown",
    ),
    (
        "hook_not_supported",
        "invoking the NVIDIA Container Runtime Hook directly (e.g. specifying the docker --gpus flag) is not "
        "supported. Please use the NVIDIA Container Runtime (e.g. specify the --runtime=nvidia flag) instead: unknown",
    ),
    ("cdi_stale", "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=7"),
    ("driver_not_loaded", "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown"),
    ("devices_lost", "Failed to initialize NVML: Unknown Error"),
    ("driver_mismatch", "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95"),
    ("driver_mismatch", "NVML: RM has detected an NVML/RM version mismatch."),
    ("nvml_permissions", "Failed to initialize NVML: Insufficient Permissions"),
    (
        "driver_too_old",
        "cuda runtime error (35) : CUDA driver version is insufficient for CUDA runtime version at "
        "/pytorch/aten/src/THC/THCGeneral.cpp:51",
    ),
    ("driver_too_old", "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU"),
    ("driver_too_old", "CUDA error 35"),
    (
        "no_gpu_in_container",
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed "
        "a driver from http://www.nvidia.com/Download/index.aspx",
    ),
    ("no_gpu_in_container", "RuntimeError: No CUDA GPUs are available"),
    ("no_gpu_in_container", "failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected"),
    ("no_gpu_in_container", "OSError: libcuda.so.1: cannot open shared object file: No such file or directory"),
    (
        "no_native_code",
        "cuda runtime error (48) : no kernel image is available for execution on the device at /tmp/pip-build/a.cu:7",
    ),
    ("no_native_code", "CUDA error: no kernel image is available for execution on the device"),
    ("no_native_code", "cudaError_t: cuda error code=209"),
    (
        "no_native_code",
        "NVIDIA H200 with CUDA capability sm_90 is not compatible with the current PyTorch installation.",
    ),
    ("no_library_code", "RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ("no_library_code", "RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`"),
    ("ptx_too_new", "CUDA error: the provided PTX was compiled with an unsupported toolchain."),
    ("ptx_too_new", "CUDA driver error 222"),
    (
        "compat_mismatch",
        "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() "
        "that might have already set an error? Error 803: system has unsupported display driver / cuda driver "
        "combination",
    ),
    (
        "compat_not_allowed",
        "cudaGetDeviceCount() gave: Error 804: forward compatibility was attempted on non supported HW",
    ),
    ("compat_mismatch", "cuInit returned 803"),
    ("compat_not_allowed", "cuInit returned 804"),
    ("not_initialised", "CUDA initialization: Unexpected error. Error 802: system not yet initialized"),
    ("cpu_build", "AssertionError: Torch not compiled with CUDA enabled"),
    ("gpu_busy", "RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable"),
    ("gpu_memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
)


@pytest.mark.parametrize(("name", "text"), SAID)
def test_an_error_is_recognised_in_its_own_words(name: str, text: str) -> None:
    remedy = find_remedy(f"Traceback:\n  line 35\n{text}\n")

    assert remedy is not None
    assert remedy.name == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ValueError: at line 35",
        "[Errno 35] Resource deadlock avoided",
        "no report written; exit code 209",
        "the loss is not finite: 803",
        "cudnn 8.5, step 222 took 0.35 s",
        "CUDA error: device-side assert triggered at kernel.cu:35",
        "NotEquivalent: disagrees with the reference: error 0.35",
    ],
)
def test_what_is_no_gpu_error_gets_no_remedy(text: str) -> None:
    assert find_remedy(text) is None


def test_words_count_more_than_numbers() -> None:
    remedy = find_remedy("CUDA error 35\nforward compatibility was attempted on non supported HW")

    assert remedy is not None
    assert remedy.name == "compat_not_allowed"


def test_a_remedy_reads_as_cause_and_next_step() -> None:
    text = str(find_remedy("could not select device driver"))

    assert text.startswith("The Docker engine finds no way")
    assert "Install nvidia-container-toolkit" in text
