"""One launch is one hardened container: made, filled, started, awaited, emptied and removed."""

import re
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Literal

import requests
from docker.api import APIClient
from docker.errors import APIError

from orchestrator.engines import LOG_AT_MOST_BYTES, OUTPUT_AT_MOST_BYTES, Job, Outcome
from orchestrator.engines.archives import pack_inputs, unpack_outputs
from orchestrator.engines.attachments import GpuAttachment
from orchestrator.engines.environment import program_environment
from orchestrator.engines.persisting import Conversation

USER_ID = 1000
WORK = "/orch"  # the launch's own volume: the one writable place that is copied into and out of
CACHE = "/orch/cache"  # a folder of that volume, or the volume of a named cache mounted over it
WRITABLE = ("out", "home", "tmp", "cache")
DEADLINE_MARGIN_S = 60.0
CONFLICT = 409  # the name is taken

# What every launch runs under, in the words of the engine's API (HostConfig).
HARDENING: Mapping[str, object] = {
    "NetworkMode": "none",
    "ReadonlyRootfs": True,
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges"],
    "IpcMode": "private",
    "ShmSize": 2**30,  # bytes; the default of 64 MiB ends data loaders
    "PidsLimit": 4096,  # threads too
    "Init": True,  # reaps what a program leaves behind
    "Tmpfs": {"/tmp": "rw,exec,nosuid,nodev,mode=1777"},  # noexec would end Theano, torch.compile and Triton
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},  # read whole, its end is kept
}

ENVIRONMENT = program_environment(WORK, CACHE)


def run_job(talk: Conversation, image: str, job: Job, gpu: GpuAttachment, memory_bytes: int) -> Outcome:
    """Run the job in a container of its own, which is gone afterwards, whatever happened.

    image: id or tag. memory_bytes: the limit where the job has none, see memory_limit.
    The launch outlives a lost link: it is awaited again once that is there again.
    Raises docker's and requests' errors if the engine fails. KeyboardInterrupt passes after the removal.
    """
    name = f"orch-{uuid.uuid4().hex[:12]}"  # chosen here: known for the removal even if the answer is interrupted
    memory_bytes = job.memory_bytes or memory_bytes
    config = container_config(image, job, gpu, memory_bytes)
    inputs = pack_inputs(job.files, WRITABLE, USER_ID)
    try:
        talk.persist(
            lambda api: api.create_container_from_config(config, name),
            lambda api: _create_unless_there(api, config, name),
        )
        talk.persist(lambda api: api.put_archive(name, WORK, inputs))
        began_s = time.clock_gettime(time.CLOCK_BOOTTIME)  # the engine may be elsewhere, and this machine sleep
        talk.persist(lambda api: api.start(name), lambda api: _start_unless_begun(api, name))
        status, exit_code = _await_end(talk, name, job.timeout_s)
        elapsed_s = time.clock_gettime(time.CLOCK_BOOTTIME) - began_s
        files, refusal = talk.persist(lambda api: _fetch_outputs(api, name))
        log = talk.persist(lambda api: api.logs(name))[-LOG_AT_MOST_BYTES:].decode("utf-8", errors="replace") + refusal
        return Outcome(
            status=status,
            exit_code=exit_code,
            files=files,
            log=log,
            gpu_mode=gpu.mode,
            memory_bytes=memory_bytes,
            elapsed_s=elapsed_s,
        )
    finally:
        talk.persist(lambda api: remove_container(api, name))


def memory_limit(machine_bytes: int) -> int:
    """Return what a launch may take of a machine's memory: all but 1 GiB or 5 %, at least half.

    The rest is for the engine and whoever is logged in: a benchmark that takes too much ends before they do.
    """
    reserve = max(2**30, machine_bytes // 20)
    return max(machine_bytes - reserve, machine_bytes // 2)


def container_config(image: str, job: Job, gpu: GpuAttachment, memory_bytes: int) -> dict[str, object]:
    """Describe the container of a job in the words of the engine's API."""
    labels = container_labels(job)
    mounts: list[dict[str, object]] = [{"Type": "volume", "Target": WORK, "VolumeOptions": {"Labels": labels}}]
    if job.cache is not None:
        options = {"Labels": {"orch.cache": job.cache}}
        mounts.append({"Type": "volume", "Target": CACHE, "Source": cache_volume(job.cache), "VolumeOptions": options})
    env = {**ENVIRONMENT, **gpu.env, **job.env}
    return {
        "Image": image,
        "Entrypoint": [job.argv[0]],
        "Cmd": list(job.argv[1:]),
        "Env": [f"{key}={value}" for key, value in env.items()],
        "User": f"{USER_ID}:{USER_ID}",
        "WorkingDir": WORK,
        "Labels": labels,
        "HostConfig": {
            **HARDENING,
            "Memory": memory_bytes,
            "MemorySwap": memory_bytes,  # none beyond it
            "CpusetCpus": ",".join(str(cpu) for cpu in job.cpus),
            "Mounts": mounts,
            "DeviceRequests": list(gpu.requests),
            **({"Runtime": gpu.runtime} if gpu.runtime else {}),
        },
    }


def container_labels(job: Job) -> dict[str, str]:
    """Return the labels by which a left-over container and its volume are found again."""
    now_s = int(time.time())
    deadline = str(int(now_s + job.timeout_s + DEADLINE_MARGIN_S))
    own = {f"orch.{key}": value for key, value in job.labels.items()}
    return {"orch": "1", "orch.created": str(now_s), "orch.deadline": deadline, **own}


def cache_volume(cache: str) -> str:
    """Return the volume's name: the engine takes letters, digits, `_`, `.` and `-`."""
    return "orch-cache-" + re.sub(r"[^a-zA-Z0-9_.-]", "-", cache)


def remove_container(api: APIClient, name: str) -> None:
    """Kill and remove a container and its own volume; that it is gone already is no error."""
    try:
        api.remove_container(name, v=True, force=True)
    except APIError as error:
        if error.status_code != 404 and "is already in progress" not in str(error):  # another thread's removal
            raise


def remove_containers(api: APIClient, run: str) -> None:
    """Kill and remove the containers of a run that are there now."""
    for entry in api.containers(all=True, filters={"label": ["orch=1", f"orch.run={run}"]}):
        remove_container(api, entry["Id"])


def remove_leftovers(api: APIClient, run: str | None) -> tuple[str, ...]:
    """Remove containers and volumes of one run, or (None) all that are past their deadline; returns their names."""
    labels = ["orch=1", *([f"orch.run={run}"] if run else [])]
    containers = api.containers(all=True, filters={"label": labels})
    now_s = 0.0 if run else _to_seconds(api.info()["SystemTime"])
    old = [entry for entry in containers if run or is_past_deadline(entry["Labels"], entry["Created"], now_s)]
    for entry in old:
        remove_container(api, entry["Id"])
    volumes = api.volumes(filters={"label": labels, "dangling": True})["Volumes"] or []
    loose = [
        str(entry["Name"])
        for entry in volumes
        if run or is_past_deadline(entry["Labels"], _to_seconds(entry["CreatedAt"]), now_s)
    ]
    for name in loose:
        api.remove_volume(name)
    return (*(str(entry["Names"][0]).lstrip("/") for entry in old), *loose)


def is_past_deadline(labels: Mapping[str, str], made_s: float, now_s: float) -> bool:
    """Say whether a launch is past its deadline, by the clock of its engine: who launched it may have had another.

    made_s, now_s: when the engine made it, and now, in seconds since 1970.
    """
    allowed_s = int(labels["orch.deadline"]) - float(labels.get("orch.created", made_s))
    return made_s + allowed_s < now_s


def _to_seconds(moment: str) -> float:
    """Read a moment as the engine writes it."""
    return datetime.fromisoformat(moment).timestamp()


def _create_unless_there(api: APIClient, config: Mapping[str, object], name: str) -> None:
    try:
        api.create_container_from_config(config, name)
    except APIError as error:
        if error.status_code != CONFLICT:
            raise


def _start_unless_begun(api: APIClient, name: str) -> None:
    """Start a container that was never started: one that has ended would run a second time."""
    if api.inspect_container(name)["State"]["Status"] == "created":
        api.start(name)


def _await_end(
    talk: Conversation, name: str, timeout_s: float
) -> tuple[Literal["exited", "timeout", "oom"], int | None]:
    until = time.monotonic() + timeout_s

    def wait(api: APIClient) -> int:
        return int(api.wait(name, timeout=max(ceil(until - time.monotonic()), 1))["StatusCode"])

    exit_code: int | None
    try:
        exit_code = talk.persist(wait)
    except requests.RequestException:  # a timeout while the answer is read shows as a lost connection
        if time.monotonic() < until:
            raise
        talk.persist(lambda api: api.stop(name, timeout=0))
        exit_code = None
    if exit_code == 0:
        return "exited", exit_code
    if talk.persist(lambda api: api.inspect_container(name))["State"]["OOMKilled"]:
        return "oom", exit_code
    return ("exited" if exit_code is not None else "timeout"), exit_code


def _fetch_outputs(api: APIClient, name: str) -> tuple[Mapping[str, bytes], str]:
    """Return the files of out/, or none of them and a line for the log that says why."""
    # docker-py's get_archive leaves a connection open where the stream is not read to its end.
    url = f"{api.base_url}/v{api.api_version}/containers/{name}/archive"
    with api.get(url, params={"path": f"{WORK}/out"}, stream=True, timeout=api.timeout) as response:
        response.raise_for_status()
        try:
            return unpack_outputs(response.iter_content(2**20), OUTPUT_AT_MOST_BYTES), ""
        except ValueError as error:
            return {}, f"\norch: the output is refused: {error}.\n"
