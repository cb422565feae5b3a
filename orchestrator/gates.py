"""The numerical gate: what a gate launch wrote is held against the float64 reference of its benchmark."""

import hashlib
import importlib.util
import json
import logging
import math
import os
import secrets
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from orchestrator.errors import ConfigurationError, OrchError
from orchestrator.specs import Benchmark, Configuration, Implementation, Precision, Scalar
from orchestrator.workloads import common_folder, probe_of

Entry = Mapping[str, Scalar | None]
Values = Mapping[str, Scalar]
GENERATOR = "portable.py"
NAMES_SHOWN = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Largest relative errors: loss and gradients (L2) at the probe size, first loss at the measured size."""

    loss: float
    gradient: float
    first_loss: float


# float32 alone gives 3e-7 in the gradients; swapped gates, a dropped bias or a detached layer 0.6 and more.
_REDUCED = Limits(loss=2e-2, gradient=2e-2, first_loss=2e-2)
LIMITS: Mapping[Precision, Limits] = {
    "ieee": Limits(loss=1e-5, gradient=1e-4, first_loss=1e-4),
    "tf32": _REDUCED,
    "amp": _REDUCED,
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a correct implementation computes in its first step; `sha256` is over all that it follows from."""

    sha256: str
    loss: float  # at the probe size
    gradients: Mapping[str, Sequence[float]]  # at the probe size, in C order
    parameters: int  # trained values at the probe size
    first_loss: float  # at the measured size
    measured_parameters: int


class ReferenceModule(Protocol):
    """The functions of a benchmark's reference.py."""

    def parameter_shapes(self, parameters: Values, traits: Values) -> Mapping[str, tuple[int, ...]]: ...

    def first_loss(self, parameters: Values, traits: Values) -> float: ...

    def loss_and_gradients(
        self, parameters: Values, traits: Values
    ) -> tuple[float, Mapping[str, npt.NDArray[np.float64]]]: ...


def check_gate(found: Mapping[str, object], reference: Reference, precision: Precision) -> tuple[Entry, ...]:
    """Compare what a gate launch wrote with the reference; one entry for each number, `ok` or not and why.

    found: gate.json as harness.py documents it, but not trusted: anything may be missing or of another kind.
    """
    limits = LIMITS[precision]
    probe, measured = _mapping(found.get("probe")), _mapping(found.get("measured"))
    return (
        _check_count("gate_parameters", probe.get("parameters"), reference.parameters),
        _check_loss("gate_loss", probe.get("loss"), reference.loss, limits.loss),
        *_check_gradients(_mapping(probe.get("gradients")), reference.gradients, limits.gradient),
        _check_count("gate_measured_parameters", measured.get("parameters"), reference.measured_parameters),
        _check_loss("gate_first_loss", measured.get("first_loss"), reference.first_loss, limits.first_loss),
    )


def compute_reference(
    benchmark: Benchmark, implementation: Implementation, configuration: Configuration, cache_folder: Path
) -> Reference:
    """Return the reference of a cell, computed once and then read from cache_folder/<hash>.json.

    It may have modules beside it, called reference_*.py.
    Raises ConfigurationError if the benchmark has none, or its reference does not cover these parameters.
    """
    if benchmark.reference is None:
        raise ConfigurationError("has no `reference`, so no gate.", file=str(benchmark.folder / "benchmark.yaml"))
    path = benchmark.folder / benchmark.reference
    sources = (*sorted(path.parent.glob(f"{path.stem}*.py")), common_folder(benchmark) / GENERATOR)
    sizes, traits = dict(configuration.parameters), dict(implementation.traits)
    probe = {**sizes, **probe_of(benchmark, configuration)}
    wanted = json.dumps([sizes, probe, traits], sort_keys=True).encode()
    key = hashlib.sha256(b"\0".join((*(source.read_bytes() for source in sources), wanted))).hexdigest()
    stored = cache_folder / f"{key}.json"
    known = _read(stored, key)
    if known is not None:
        return known
    try:
        with _loaded(path, sources) as module:
            reference = _compute(module, key, sizes, probe, traits)
    except OrchError:
        raise
    except ValueError as error:
        raise ConfigurationError(f"{error}. Extend it or leave the configuration out.", file=str(path)) from error
    except Exception as error:  # it is the user's program; nothing is swallowed
        _log.debug("%s", path, exc_info=True)  # --verbose
        raise _fault(error, path) from error
    _write(stored, reference)
    return reference


def _fault(error: Exception, path: Path) -> ConfigurationError:
    """Say in which line of a reference.py, or of a module beside it, something went wrong."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == path.parent]
    file, line = (ours[-1].filename, ours[-1].lineno) if ours else (str(path), None)
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno
    said = f"{type(error).__name__}: {error}".removesuffix(": ").rstrip(".")
    return ConfigurationError(f"{said}. Mend the reference, which is run here.", file=file, line=line)


def _compute(module: ReferenceModule, key: str, sizes: Values, probe: Values, traits: Values) -> Reference:
    loss, gradients = module.loss_and_gradients(probe, traits)
    return Reference(
        sha256=key,
        loss=loss,
        gradients={name: tuple(float(value) for value in array.ravel()) for name, array in gradients.items()},
        parameters=_count(module.parameter_shapes(probe, traits)),
        first_loss=module.first_loss(sizes, traits),
        measured_parameters=_count(module.parameter_shapes(sizes, traits)),
    )


def _count(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


@contextmanager
def _loaded(path: Path, sources: Sequence[Path]) -> Iterator[ReferenceModule]:
    """Load a reference.py, which imports the other sources, and leave no trace of any."""
    folders = sorted({str(source.parent) for source in sources})
    sys.path[:0] = folders
    try:
        spec = importlib.util.spec_from_file_location("reference", path)
        if spec is None or spec.loader is None:
            raise ConfigurationError("is no Python file. Give it the ending .py.", file=str(path))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield cast("ReferenceModule", module)
    finally:
        for folder in folders:
            sys.path.remove(folder)
        for source in sources:
            sys.modules.pop(source.stem, None)


def _read(path: Path, key: str) -> Reference | None:
    """Return a stored reference, None if there is none or it cannot be read: it is then computed again."""
    try:
        stored = Reference(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return stored if stored.sha256 == key else None


def _write(path: Path, reference: Reference) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    part.write_text(json.dumps(asdict(reference)), encoding="utf-8")
    os.replace(part, path)


def _check_count(check: str, found: object, expected: int) -> Entry:
    number = _number(found)
    return {"check": check, "ok": number == expected, "expected": expected, "found": number}


def _check_loss(check: str, found: object, expected: float, limit: float) -> Entry:
    number = _number(found)
    if number is None:
        return {"check": check, "ok": False, "error": None, "limit": limit, "wrong": "no finite number"}
    return _judged({"check": check}, _relative_error((number,), (expected,)), limit)


def _check_gradients(
    found: Mapping[str, object], expected: Mapping[str, Sequence[float]], limit: float
) -> tuple[Entry, ...]:
    entries = [_check_gradient(name, found.get(name), values, limit) for name, values in expected.items()]
    unknown = sorted(str(name) for name in found.keys() - expected.keys())
    if unknown:
        shown = ", ".join(name[:40] for name in unknown[:NAMES_SHOWN])
        wrong = f"{len(unknown)} names the reference does not have: {shown}"
        entries.append({"check": "gate_gradient", "ok": False, "tensor": None, "wrong": wrong})
    return tuple(entries)


def _check_gradient(name: str, found: object, expected: Sequence[float], limit: float) -> Entry:
    entry: Entry = {"check": "gate_gradient", "tensor": name}
    refused = {**entry, "ok": False, "error": None, "limit": limit}
    if not isinstance(found, list | tuple):
        return {**refused, "wrong": "no gradient: not reported, or the layer is detached"}
    if len(found) != len(expected):
        return {**refused, "wrong": f"{len(found)} numbers in place of {len(expected)}"}
    numbers = [number for number in map(_number, found) if number is not None]
    if len(numbers) != len(expected):
        return {**refused, "wrong": f"{len(expected) - len(numbers)} are no finite numbers"}
    return _judged(entry, _relative_error(numbers, expected), limit)


def _judged(entry: Entry, error: float, limit: float) -> Entry:
    return {**entry, "ok": error <= limit, "error": error if math.isfinite(error) else None, "limit": limit}


def _relative_error(found: Sequence[float], expected: Sequence[float]) -> float:
    """Return |found - expected| / |expected| in L2, without the division where the expected is 0."""
    distance = math.dist(found, expected)
    return distance / (math.hypot(*expected) or 1.0)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond 1e308
        return None
    return number if math.isfinite(number) else None
