"""Interpreters that the user already has, of a cluster module or conda, in place of built images."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator import process
from orchestrator.engines import BuiltImage, Engine
from orchestrator.errors import ProgramError, UsageError
from orchestrator.health import release, run_check
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.names import did_you_mean

OPTION = "--use-python"
# What a module or an activated environment sets so that its Python finds its libraries.
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "CUDA_HOME", "CUDA_PATH", "CONDA_PREFIX")
_TIMEOUT_S = 60.0
_ASK = (
    "import json, platform, site, sys;"
    "print(json.dumps([platform.python_version(), sys.executable, sys.path, getattr(site, 'USER_BASE', None)]))"
)


@dataclass(frozen=True, kw_only=True)
class OwnPython:
    """An interpreter that answered, and what it needs to be started again."""

    path: Path
    version: str
    search: tuple[str, ...]  # its sys.path
    env: Mapping[str, str]


def adopt_pythons(
    texts: Sequence[str], images: Sequence[Image], engine: Engine, env: Mapping[str, str]
) -> Mapping[str, BuiltImage]:
    """Return the user's interpreters as images that are built, by the name of their variant.

    texts: IMAGE=PATH each. images: every row; an image of a known family that has no row is described by what its
    interpreter says. Raises UsageError if a text, an interpreter or its framework is not what it should be.
    """
    adopted: dict[str, BuiltImage] = {}
    for text in texts:
        name, is_pair, path = text.partition("=")
        if not is_pair or not name or not path:
            raise UsageError(f"{OPTION} {text}: is no IMAGE=PATH. An example: pytorch-2.13.0=/opt/conda/bin/python.")
        image = _adopt(_find_row(name, images), _ask(name, Path(path), env), engine)
        if image.target.name in adopted:
            raise UsageError(f"{OPTION} {text}: {name} is named twice. One interpreter stands for an image.")
        adopted[image.target.name] = image
    return adopted


def _find_row(name: str, images: Sequence[Image]) -> Image:
    """Return the row of that name, or a newer or unlisted version of a family as a row without variants."""
    row = next((image for image in images if image.name == name), None)
    if row is not None:
        return row
    families = {image.family: image for image in images}
    family = next((one for one in sorted(families, key=len, reverse=True) if name.startswith(f"{one}-")), None)
    if family is None:
        near = did_you_mean(name, [image.name for image in images])
        raise UsageError(f"{OPTION} {name}: of no family known here ({', '.join(sorted(families))}).{near}")
    return replace(families[family], version=name.removeprefix(f"{family}-"), released="", variants=(), line=0)


def _ask(name: str, path: Path, env: Mapping[str, str]) -> OwnPython:
    kept = {key: env[key] for key in KEPT_VARIABLES if key in env}
    given = path.expanduser().absolute()  # not resolved: a virtual environment's link says where its packages are
    try:
        done = process.run((str(given), "-c", _ASK), timeout_s=_TIMEOUT_S, env={**kept, "HOME": env.get("HOME", "/")})
        version, executable, search, user_base = json.loads(done.stdout)
    except (ProgramError, OSError, ValueError) as error:
        raise UsageError(f"{OPTION} {name}={path}: does not answer as a Python. {error}") from error
    kept["PATH"] = f"{given.parent}:{kept.get('PATH', '/usr/bin:/bin')}"
    if user_base:
        kept["PYTHONUSERBASE"] = user_base  # a launch has a home of its own
    return OwnPython(path=Path(executable or given), version=version, search=tuple(search), env=kept)


def _adopt(row: Image, own: OwnPython, engine: Engine) -> BuiltImage:
    """Let the family's check run in the interpreter, and make of its answers the variant that is run."""
    image = replace(row, python=own.version, base=f"cpython-{own.version}", requirements=(), own_python=own.path)
    digest = _digest(own)
    built = BuiltImage(
        target=ImageVariant(image=image, variant=Variant(name="unknown")),
        reference=str(own.path),
        digest=digest,
        base=image.base,
        inputs_sha256=digest,
        lock_sha256="",
        env=own.env,
    )
    answer = run_check(engine, built)
    if isinstance(answer, str):
        raise UsageError(f"{OPTION} {row.name}={own.path}: {answer}")
    found = str(answer.get("version"))
    if release(found) != release(row.version):
        raise UsageError(
            f"{OPTION} {row.name}={own.path}: it holds {row.framework} {found}. "
            f"Say {OPTION} {row.family}-{found.partition('+')[0]}={own.path}."
        )
    variant = _variant(row, answer)
    return replace(built, target=ImageVariant(image=replace(image, variants=(variant,)), variant=variant))


def _variant(row: Image, answer: Mapping[str, object]) -> Variant:
    """Describe the build that was found: as its row has it where there is one for its CUDA, else by its own words."""
    cuda, native = answer.get("cuda"), answer.get("native")
    if not isinstance(cuda, str):
        return Variant(name="cpu", source="the interpreter itself")
    short = ".".join(cuda.split(".")[:2])
    listed = next((one for one in row.variants if one.cuda == short), None)
    compute = _capabilities(native) if isinstance(native, list) else (listed.compute if listed else ())
    return Variant(
        name=f"cu{short.replace('.', '')}",
        cuda=short,
        cudnn=listed.cudnn if listed else None,
        compute=compute,
        ptx=listed.ptx if listed else "none",
        min_driver=listed.min_driver if listed else None,
        self_contained=True,
        source="the interpreter itself",
    )


def _capabilities(native: Sequence[object]) -> tuple[str, ...]:
    """Turn sm_90, sm_100a into 9.0, 10.0; what is for one chip only (sm_90a) counts as that chip."""
    numbers = [str(name).removeprefix("sm_").rstrip("af") for name in native]
    return tuple(dict.fromkeys(f"{number[:-1]}.{number[-1]}" for number in numbers if number.isdigit()))


def _digest(own: OwnPython) -> str:
    """Hash what is installed where the interpreter looks: the names of its packages, and their lists of files."""
    content = hashlib.sha256(own.version.encode())
    for folder in own.search:
        for package in sorted(Path(folder or ".").glob("*-info")):
            content.update(package.name.encode())
            record = package / "RECORD"
            if record.is_file():
                content.update(record.read_bytes())
    return f"sha256:{content.hexdigest()}"
