"""The venv engine: image variants as local virtual environments, launches as processes. No isolation but folders."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from uv import find_uv_bin

from orchestrator import process
from orchestrator.engines import BuildContext, BuiltImage, Job, Outcome
from orchestrator.engines.claims import Claim, remove_leftovers, take_leftovers
from orchestrator.engines.environment import launch_environment
from orchestrator.engines.exchange import fetch_outputs, put_inputs
from orchestrator.engines.installed import installed_digest
from orchestrator.engines.local_process import kill_marked, run_program
from orchestrator.errors import EngineError, ProgramError
from orchestrator.hardware import Gpu, Machine
from orchestrator.images import ImageVariant
from orchestrator.interpreters import Interpreter, find_interpreter

_BUILD_TIMEOUT_S = 3600.0
MARKER = "orch-image.txt"  # digest, base, inputs, lock
_VENV = "venv"


class VenvEngine:
    """Rows of Python 3.6 and newer, where an interpreter of that minor version is on this machine."""

    name = "venv"

    def __init__(self, cache: Path, env: Mapping[str, str]) -> None:
        """cache: folder for environments, launches and compile caches. env: PATH and HOME of the user."""
        self._venvs = cache / "venvs"
        self._half_made = cache / "venvs" / ".half-made"
        self._launches = cache / "launches"
        self._caches = cache / "compile"
        self._env = env
        self._under_way: dict[str, str] = {}  # mark of a launch -> its run
        self._claims: dict[str, Claim] = {}  # reference of an image that is built and not yet kept -> its folder

    def check(self) -> str:
        """Return name and version; see Engine."""
        try:
            find_uv_bin()
        except FileNotFoundError as error:
            raise EngineError("venv: the program uv is missing. Install orch-bench anew: it brings uv.") from error
        return f"venv (uv {version('uv')})"

    def check_machine(self, machine: Machine) -> None:
        """Processes of ours run where we do."""

    def unsupported_reason(self, target: ImageVariant) -> str | None:
        """Say why a variant cannot run here; see Engine."""
        python = target.python
        if python.startswith("2."):
            return f"Python {python} needs the docker engine"
        if target.image.needs_container or target.variant.base:
            return "needs the docker engine: its image holds more than wheels"
        if find_interpreter(python, self._env) is None:
            minor = ".".join(python.split(".")[:2])
            how = f"uv python install {minor}" if int(minor.split(".")[1]) >= 8 else f"pyenv install {python}"
            return f"no Python {minor} on this machine ({how}), or use the docker engine"
        return None

    def resolve_base(self, target: ImageVariant, base_digest: str | None) -> str:
        """Return the interpreter's version; see Engine."""
        del base_digest  # of a container image
        return f"cpython-{self._interpreter(target).version}"

    def find(self, context: BuildContext) -> BuiltImage | None:
        """Return the finished environment with these inputs; see Engine."""
        folder = self._venvs / _folder_name(context.target, context.inputs_sha256)
        try:
            digest, base, inputs, lock = (folder / MARKER).read_text(encoding="utf-8").split()
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

    def bases(self, target: ImageVariant) -> tuple[str, ...]:
        """An interpreter is here or not; see Engine."""
        del target
        return ()

    def storage(self) -> Path:
        """Return the folder of the environments; see Engine."""
        return self._venvs

    def check_builder(self) -> None:
        """Raise EngineError if uv is missing; see Engine."""
        self.check()

    def build(self, contexts: Sequence[BuildContext], log_folder: Path) -> Mapping[str, BuiltImage | str]:
        """Make the environments one after the other; see Engine."""
        remove_leftovers(self._half_made)
        return {context.target.name: self._build(context, log_folder) for context in contexts}

    def keep(self, image: BuiltImage) -> BuiltImage:
        """Give an environment its final name; see Engine. Whoever comes first wins: the content is the same."""
        built = Path(image.reference)
        marker = f"{image.digest}\n{image.base}\n{image.inputs_sha256}\n{image.lock_sha256}\n"
        (built / MARKER).write_text(marker, encoding="utf-8")
        final = self._venvs / _folder_name(image.target, image.inputs_sha256)
        with process.exclusive(self._venvs / ".lock"):
            if not ((final / MARKER).exists() and _python(final).exists()):
                shutil.rmtree(final, ignore_errors=True)
                built.rename(final)
        self.discard(image)
        return replace(image, reference=str(final))

    def discard(self, image: BuiltImage) -> None:
        """Remove an environment that did not pass; see Engine."""
        claim = self._claims.pop(image.reference, None)
        if claim is not None:
            claim.release()

    def check_gpu(self, gpu: Gpu) -> None:
        """A process sees the GPUs that we see; see Engine."""

    def launch(self, image: BuiltImage, job: Job) -> Outcome:
        """Run the job as a process; see Engine."""
        claim = Claim(self._launches, note=job.labels.get("run", ""))
        python, folder = _interpreter_of(image), claim.folder
        self._under_way[folder.name] = job.labels.get("run", "")
        cache = self._caches / job.cache if job.cache else folder / "cache"
        try:
            put_inputs(job.files, folder)
            first, *rest = job.argv
            argv = (str(python) if first == "python" else first, *rest)
            env = {**launch_environment(python, folder, cache, job), **image.env}
            ended = run_program(argv, folder=folder, env=env, cpus=job.cpus, timeout_s=job.timeout_s)
            files, note = fetch_outputs(folder / "out")
        except OSError as error:
            raise EngineError(f"venv: cannot launch in {folder}: {error}. Check disk space and permissions.") from error
        finally:
            self._under_way.pop(folder.name)
            claim.release()
        outcome = Outcome(status=ended.status, exit_code=ended.exit_code, files=files, log=ended.log + note)
        return replace(outcome, gpu_mode="host" if job.gpu else "none", elapsed_s=ended.elapsed_s)

    def enter(self, image: BuiltImage, job: Job) -> int:
        """Run the job as a process that has our terminal; see Engine."""
        claim = Claim(self._launches)
        python, folder = _interpreter_of(image), claim.folder
        try:
            put_inputs(job.files, folder)
            env = {**launch_environment(python, folder, folder / "cache", job), **image.env}
            return process.attach(job.argv, env={**env, "TERM": self._env.get("TERM", "dumb")}, cwd=folder)
        finally:
            claim.release()

    def end(self, run: str) -> None:
        """Kill the processes of a run; see Engine."""
        for mark, owner in tuple(self._under_way.items()):
            if owner == run:
                kill_marked(mark)

    def reap(self, run: str | None = None) -> tuple[str, ...]:
        """End the processes and remove the folders of an orch that was killed; see Engine."""
        removed = []
        for folder in take_leftovers(self._launches, note=run):
            kill_marked(folder.name)
            removed.append(f"launch {folder.name}")
        if run is None:
            removed += [f"half-made environment {name}" for name in remove_leftovers(self._half_made)]
        return tuple(removed)

    def _interpreter(self, target: ImageVariant) -> Interpreter:
        found = None if target.python.startswith("2.") else find_interpreter(target.python, self._env)
        if found is None:
            raise EngineError(f"venv: {target.name}: {self.unsupported_reason(target)}.")
        return found

    def _build(self, context: BuildContext, log_folder: Path) -> BuiltImage | str:
        """Install the wheels offline in a new folder, renamed by `keep`: only bin/python is used, which may move."""
        claim = Claim(self._half_made)
        venv = claim.folder / _VENV
        log_file = log_folder / f"{context.target.name}.build.log"
        # A cache of its own, gone afterwards: its hard links stay in the environment, and nothing lies twice on disk.
        env = {**_tools(self._env), "UV_CACHE_DIR": str(claim.folder / "cache"), "UV_PYTHON_DOWNLOADS": "never"}
        env |= {"SOURCE_DATE_EPOCH": "315532800", "CFLAGS": "-g0"}  # two builds of a source archive are alike
        python = str(self._interpreter(context.target).path)
        make = (find_uv_bin(), "venv", "--no-config", "--relocatable", "--python", python, str(venv))
        install = (
            *(
                find_uv_bin(),
                "pip",
                "install",
                "--no-config",
                "--python",
                str(_python(venv)),
                "--offline",
                "--no-index",
            ),
            *("--find-links", str(context.folder / "wheels"), "--require-hashes", "--no-deps"),
            *("--build-constraint", str(context.folder / "build-requirements.txt")),
            *("--requirement", str(context.folder / "requirements.txt")),
        )
        # As pip does, or each launch would compile what it imports; uv's own way needs Python 3.7. Some packages hold
        # templates that do not compile: no fault.
        compile_all = (str(_python(venv)), "-m", "compileall", "-q", "-j", "0", str(venv / "lib"))
        try:
            for argv in (make, install, compile_all):
                process.run(argv, timeout_s=_BUILD_TIMEOUT_S, log_file=log_file, env=env, check=argv is not compile_all)
        except (ProgramError, OSError) as error:
            claim.release()
            return f"{error}\nThe whole log: {log_file}"
        except KeyboardInterrupt:
            claim.release()
            raise
        shutil.rmtree(claim.folder / "cache", ignore_errors=True)
        self._claims[str(venv)] = claim
        return BuiltImage(
            target=context.target,
            reference=str(venv),
            digest=installed_digest(venv, context.base),
            base=context.base,
            inputs_sha256=context.inputs_sha256,
            lock_sha256=context.lock_sha256,
        )


def _folder_name(target: ImageVariant, inputs_sha256: str) -> str:
    return f"{target.name}-{inputs_sha256[:12]}"


def _interpreter_of(image: BuiltImage) -> Path:
    return image.target.image.own_python or _python(Path(image.reference))


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"


def _tools(env: Mapping[str, str]) -> dict[str, str]:
    """Return what uv needs of the user's environment: options of his own would change what is installed."""
    return {name: env[name] for name in ("PATH", "HOME") if name in env}
