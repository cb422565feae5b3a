"""A container that has our terminal: made, hardened and removed as that of a launch, joined by the docker program."""

import os
import shutil
import sys
import uuid
from collections.abc import Mapping

from orchestrator import process
from orchestrator.engines import Job
from orchestrator.engines.archives import pack_inputs
from orchestrator.engines.attachments import GpuAttachment
from orchestrator.engines.containers import USER_ID, WORK, WRITABLE, container_config, remove_container
from orchestrator.engines.persisting import Conversation
from orchestrator.errors import EngineError

STREAMS = dict.fromkeys(("OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr"), True)


def enter_container(
    talk: Conversation,
    image: str,
    job: Job,
    gpu: GpuAttachment,
    memory_bytes: int,
    env: Mapping[str, str] | None,
) -> int:
    """Run a job in a container of its own that has our input and output; returns its exit code.

    env: of the docker program; None: ours. Raises docker's and requests' errors if the engine fails.
    """
    docker = shutil.which("docker", path=os.environ.get("PATH"))
    if docker is None:
        raise EngineError("docker: the program docker, which joins a terminal to a container, is missing. Install it.")
    name = f"orch-shell-{uuid.uuid4().hex[:12]}"
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    config = {**container_config(image, job, gpu, memory_bytes), **STREAMS, "Tty": is_terminal}
    try:
        talk.persist(lambda api: api.create_container_from_config(config, name))
        talk.persist(lambda api: api.put_archive(name, WORK, pack_inputs(job.files, WRITABLE, USER_ID)))
        return process.attach((docker, "start", "--attach", "--interactive", name), env=env)
    finally:
        talk.persist(lambda api: remove_container(api, name))
