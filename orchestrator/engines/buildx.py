"""Build several images with one `docker buildx bake`, and say per image why it could not be built."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import process
from orchestrator.errors import EngineError

# Where Docker's own packages, Debian's and Docker Desktop put the plugin; an old `docker` on PATH may not look there.
PLUGIN_FOLDERS = tuple(
    Path(folder).expanduser()
    for folder in (
        "~/.docker/cli-plugins",
        "/usr/local/lib/docker/cli-plugins",
        "/usr/local/libexec/docker/cli-plugins",
        "/usr/lib/docker/cli-plugins",
        "/usr/libexec/docker/cli-plugins",
    )
)
BUILD_TIMEOUT_S = 4 * 3600.0
REASON_LINES = 12
# Contexts lie outside the working folder: bake asks before it reads there, older releases know no flag to answer.
ALLOW_CONTEXTS = ("env", "BUILDX_BAKE_ENTITLEMENTS_FS=0")


@dataclass(frozen=True, kw_only=True)
class BakeTarget:
    """One image to build, in the words of a bake file."""

    name: str  # as messages have it: pytorch-1.0.1+cpu
    context: Path
    args: Mapping[str, str]
    tag: str
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str = "linux/amd64"

    @property
    def key(self) -> str:
        """The name as bake takes it: letters, digits, `_` and `-`; the tag's hash keeps it unique."""
        return re.sub(r"[^a-zA-Z0-9_-]", "_", self.tag.rpartition("/")[2])


def find_buildx(search: Sequence[str], plugin_folders: Sequence[Path] = PLUGIN_FOLDERS) -> tuple[str, ...]:
    """Return the command that is buildx here: ("/usr/bin/docker", "buildx"), or the plugin by itself.

    search: the folders of PATH. Raises EngineError, naming the package, if none of them has it.
    """
    dockers = [(docker, "buildx") for folder in search if (docker := shutil.which("docker", path=folder))]
    plugins = [(str(plugin),) for folder in plugin_folders if (plugin := folder / "docker-buildx").is_file()]
    for command in (*dockers, *plugins):
        if process.run((*command, "version"), timeout_s=60, check=False).exit_code == 0:
            return command
    raise EngineError(
        "docker: images are built with buildx, which is not installed. "
        "Install the package docker-buildx (Debian, Ubuntu) or docker-buildx-plugin (Docker's own repository)."
    )


def bake(
    command: tuple[str, ...],
    builder: str,
    targets: Sequence[BakeTarget],
    log_folder: Path,
    ca_bundle: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Mapping[str, str]:
    """Build the targets into the engine's own images; returns name -> why not, for those that could not be built.

    bake stops everything at the first failure: that target is left out and the others are tried again, from the cache.
    builder: name of the engine's own builder. log_folder: gets bake.log; the bake file lies beside the contexts, which
    no other build shares.
    ca_bundle: certificates that a Dockerfile may mount as the secret `ca`; they never lie in a layer.
    env: the whole environment of the command, where the engine is not the one that ours leads to.
    """
    log_folder.mkdir(parents=True, exist_ok=True)
    bake_file = targets[0].context.parent / "bake.json"
    bake_file.write_text(bake_json(targets, ca_bundle), encoding="utf-8")
    options = ("--file", str(bake_file), "--builder", builder, "--load", "--provenance=false", "--progress=plain")
    left, reasons = {target.key: target.name for target in targets}, dict[str, str]()
    while left:
        argv = (*ALLOW_CONTEXTS, *command, "bake", *options, *left)
        done = process.run(argv, timeout_s=BUILD_TIMEOUT_S, log_file=log_folder / "bake.log", env=env, check=False)
        if done.exit_code == 0:
            break
        key, reason = read_failure(done.log)
        for failed in [key] if key in left else list(left):
            reasons[left.pop(failed)] = reason
    return reasons


def bake_json(targets: Sequence[BakeTarget], ca_bundle: Path | None = None) -> str:
    """Write the bake file: one target per image, each with a context of its own."""
    secrets = {"secret": [f"id=ca,src={ca_bundle}"]} if ca_bundle else {}
    bodies = {
        target.key: {
            "context": str(target.context.resolve()),
            "args": dict(target.args),
            "tags": [target.tag],
            "labels": dict(target.labels),
            "platforms": [target.platform],
            **secrets,
        }
        for target in targets
    }
    return json.dumps({"group": {"default": {"targets": list(bodies)}}, "target": bodies}, indent=2) + "\n"


def read_failure(log: str) -> tuple[str | None, str]:
    """Return the target that ended a bake and why, with the last lines of its failing step.

    log: what `--progress=plain` printed. The target is None where bake names none: it had only one, or it never began.
    """
    ends = re.findall(r"^ERROR: (?:target (\S+): )?(.*)$", log, flags=re.MULTILINE)
    if not ends:
        return None, "\n".join(log.strip().splitlines()[-REASON_LINES:])
    target, message = ends[-1]
    steps = re.findall(r"^#(\d+) ERROR: ", log, flags=re.MULTILINE)
    own = [step for step in steps if re.search(rf"^#{step} \[{re.escape(target)} ", log, flags=re.MULTILINE)]
    lines = re.findall(rf"^#{(own or steps or ['-'])[-1]} \d+\.\d+ (.*)$", log, flags=re.MULTILINE)
    return target or None, "\n".join([message, *("  " + line for line in lines[-REASON_LINES:])])
