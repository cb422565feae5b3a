"""The environment of a launch: the same names in a container and in a local process, nothing of the user's own."""

from pathlib import Path

from orchestrator.engines import Job
from orchestrator.engines.local_process import MARK

# What CUDA compiles from PTX has to find room for a whole framework: the most that it takes. Source: CUDA C++
# Programming Guide, "CUDA Environment Variables".
CUDA_CACHE_BYTES = 4 * 2**30


def program_environment(work: str, cache: str) -> dict[str, str]:
    """Return what every launch has. work: its own folder. cache: of what it compiles, kept or thrown away."""
    return {
        "USER": "orch",  # getpass.getuser() raises without it where the user has no name, as in images
        "LOGNAME": "orch",
        "HOME": f"{work}/home",
        "TMPDIR": f"{work}/tmp",
        "XDG_CACHE_HOME": f"{cache}/xdg",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
        "TRITON_CACHE_DIR": f"{cache}/triton",
        "CUDA_CACHE_PATH": f"{cache}/cuda",
        "CUDA_CACHE_MAXSIZE": str(CUDA_CACHE_BYTES),
        "CUDA_CACHE_DISABLE": "0",  # some vendors' images switch it off
        "THEANO_FLAGS": f"base_compiledir={cache}/theano",
        "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor",
    }


def launch_environment(python: Path, folder: Path, cache: Path, job: Job) -> dict[str, str]:
    """Return the whole environment of a local launch, and make its folders.

    python: the interpreter. folder: of the launch. cache: compile caches, kept or thrown away.
    """
    for path in (folder / "home", folder / "tmp", cache):
        path.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        **program_environment(str(folder), str(cache)),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as NVML counts, where a GPU goes by its number
        "CUDA_VISIBLE_DEVICES": (job.gpu.uuid or job.gpu.address) if job.gpu else "",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **job.env,
        MARK: folder.name,
    }
