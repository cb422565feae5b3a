"""The venv engine: image variants as local virtual environments, launches as processes. No isolation but folders."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from uv import find_uv_bin

from orchestrator import process
from orchestrator.engines import OUTPUT_AT_MOST_BYTES, BuildContext, BuiltImage, Job, Outcome
from orchestrator.engines.local_process import MARK, kill_marked, run_program
from orchestrator.engines.outputs import collect_outputs
from orchestrator.errors import EngineError, ProgramError
from orchestrator.interpreters import Interpreter, find_interpreter
from orchestrator.specs import ImageVariant

_BUILD_TIMEOUT_S = 3600.0
_PARTIAL = ".partial-"
_MARKER = "orch-image.txt"  # written before the folder gets its final name: digest, base, inputs, lock
_OWNER = "owner.txt"  # of a launch folder: process and its start, run


class VenvEngine:
    """Rows of Python 3.6 and newer, where an interpreter of that minor version is on this machine."""

    name = "venv"

    def __init__(self, cache: Path, env: Mapping[str, str]) -> None:
        """cache: folder for environments, launches and compile caches. env: PATH and HOME of the user."""
        self._venvs = cache / "venvs"
        self._launches = cache / "launches"
        self._caches = cache / "compile"
        self._env = env

    def check(self) -> str:
        """Return name and version; see Engine."""
        try:
            find_uv_bin()
        except FileNotFoundError as error:
            raise EngineError("venv: the program uv is missing. Install orch-bench anew: it brings uv.") from error
        return f"venv, uv {version('uv')}"

    def unsupported_reason(self, target: ImageVariant) -> str | None:
        """Say why a variant cannot run here; see Engine."""
        python = target.image.python
        if python.startswith("2."):
            return f"Python {python} needs the docker engine"
        if find_interpreter(python, self._env) is None:
            minor = ".".join(python.split(".")[:2])
            how = f"uv python install {minor}" if int(minor.split(".")[1]) >= 8 else f"pyenv install {python}"
            return f"no Python {minor} on this machine ({how}), or use the docker engine"
        return None

    def resolve_base(self, target: ImageVariant, base_digest: str | None) -> str:  # noqa: ARG002
        """Return the interpreter's version; see Engine."""
        return f"cpython-{self._interpreter(target).version}"

    def find(self, context: BuildContext) -> BuiltImage | None:
        """Return the finished environment with these inputs; see Engine."""
        folder = self._folder(context)
        try:
            digest, base, inputs, lock = (folder / _MARKER).read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return None
        if inputs != context.inputs_sha256 or not _python(folder).exists():
            return None
        return BuiltImage(
            target=context.target,
            reference=str(folder),
            digest=digest,
            base=base,
            inputs_sha256=inputs,
            lock_sha256=lock,
        )

    def build(self, contexts: Sequence[BuildContext], log_folder: Path) -> Mapping[str, BuiltImage | str]:
        """Make the environments one after the other; see Engine."""
        return {context.target.name: self._build(context, log_folder) for context in contexts}

    def keep(self, image: BuiltImage) -> BuiltImage:
        """Give an environment its final name; see Engine. Whoever comes first wins, the content is the same."""
        built = Path(image.reference)
        marker = f"{image.digest}\n{image.base}\n{image.inputs_sha256}\n{image.lock_sha256}\n"
        (built / _MARKER).write_text(marker, encoding="utf-8")
        final = self._venvs / _folder_name(image.target, image.inputs_sha256)
        with process.exclusive(self._venvs / ".lock"):
            if not (final / _MARKER).exists() or not _python(final).exists():
                shutil.rmtree(final, ignore_errors=True)
                built.rename(final)
        shutil.rmtree(built.parent, ignore_errors=True)
        return replace(image, reference=str(final))

    def discard(self, image: BuiltImage) -> None:
        """Remove an environment that did not pass; see Engine."""
        shutil.rmtree(Path(image.reference).parent, ignore_errors=True)

    def launch(self, image: BuiltImage, job: Job) -> Outcome:
        """Run the job as a process; see Engine."""
        self._launches.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._launches))
        try:
            cache = self._caches / job.cache if job.cache else folder / "cache"
            _fill(folder, cache, job)
            first, *rest = job.argv
            program = str(_python(Path(image.reference))) if first == "python" else first
            env = _environment(Path(image.reference), folder, cache, job)
            ended = run_program((program, *rest), folder=folder, env=env, cpus=job.cpus, timeout_s=job.timeout_s)
            files, note = _collect(folder / "out")
        except OSError as error:
            raise EngineError(f"venv: cannot launch in {folder}: {error}. Check disk and permissions.") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Outcome(
            status=ended.status,
            exit_code=ended.exit_code,
            files=files,
            log=ended.log + note,
            gpu_mode="host" if job.gpu else "none",
        )

    def reap(self, run: str | None = None) -> tuple[str, ...]:
        """End processes and remove folders whose orch is gone; see Engine."""
        removed = []
        for folder in sorted(self._launches.glob("*")):
            owner, owner_run = _read_owner(folder)
            if owner != _start_of(owner.split()[0]) and run in {None, owner_run}:
                kill_marked(folder.name)
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(f"launch {folder.name}")
        for folder in sorted(self._venvs.glob(f"{_PARTIAL}*")) if run is None else ():
            if _read_owner(folder)[0] != _start_of(_read_owner(folder)[0].split()[0]):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(f"half-made environment {folder.name.removeprefix(_PARTIAL)}")
        return tuple(removed)
