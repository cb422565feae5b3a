"""The border: what was written by a person or a program becomes typed here, or an error. The only pydantic."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from orchestrator.errors import ConfigurationError, RecordError
from orchestrator.names import did_you_mean
from orchestrator.yaml_lines import Node

if TYPE_CHECKING:
    from orchestrator.records import Record, Report

# A report holds samples (20 000 of each of three kinds in each of up to 8 phases) and a few checks, a gate the
# gradients of a small model. Records are written far shorter, but those of version 0.1.0 held whole reports.
RECORD_AT_MOST_BYTES = 16 * 2**20
REPORT_AT_MOST_BYTES = 8 * 2**20
GATE_AT_MOST_BYTES = 64 * 2**20
CPUS_AT_MOST = 8192  # that Linux knows (CONFIG_NR_CPUS on x86)
SHORTEST_S = 1e-12  # no processor does anything in a picosecond
LONGER = 1.01  # than its launch no time is, beyond what two clocks may differ by

# loss and parameters (None: not finite), and gradients by name, in C order
GateValue = int | float | None | Mapping[str, tuple[float | None, ...] | None]
_Gate = dict[str, dict[str, GateValue]]
_T = TypeVar("_T")
_FINITE = ConfigDict(allow_inf_nan=False, strict=True)
_SPECS: dict[type, TypeAdapter[Any]] = {}
_WANTED = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list, written as [a, b]",
    "mapping_type": "must be a mapping of keys to values",
}


def build(shape: type[_T], node: Node, *, read: Collection[str] = (), **given: object) -> _T:
    """Build a spec from a mapping of a file.

    read: keys that the caller has read itself. given: fields that the file does not write under their own name.
    Raises ConfigurationError for unknown keys, missing keys and wrong types.
    """
    known = {field.name for field in fields(shape)} - set(given)  # type: ignore[arg-type]
    node.check_keys(known | set(read))
    data = {key: value.plain() for key, value in node.mapping().items() if key not in read}
    if shape not in _SPECS:
        _SPECS[shape] = TypeAdapter(shape)
    try:
        built: _T = _SPECS[shape].validate_python({**data, **given})
    except ValidationError as error:
        raise _complaint(node, error.errors(include_url=False)[0]) from error
    return built


def read_record(path: Path) -> "Record":
    """Read a record from disk. Raises RecordError if it is truncated, not JSON, or of an unknown schema."""
    from orchestrator.records import SCHEMA, Record

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}).") from error
    try:
        _check_size(raw, RECORD_AT_MOST_BYTES)
        _check_schema(raw, SCHEMA)
        record: Record = _strict(Record).validate_json(b"[" + raw + b"]")[0]
    except ValidationError as error:
        raise RecordError(f"{path}: not a record: {_first(error)}.") from error
    except ValueError as error:
        raise RecordError(f"{path}: not a record: {error}.") from error
    return record


def parse_report(raw: bytes, elapsed_s: float = math.inf) -> "Report":
    """Read what the harness wrote in a container; it is not trusted.

    elapsed_s: how long the launch took, by our clock.
    Raises RecordError with the reason: too large, not JSON, a key missing, a number that is not finite or no duration.
    """
    from orchestrator.records import Report

    try:
        _check_size(raw, REPORT_AT_MOST_BYTES)
        report: Report = _strict(Report).validate_json(b"[" + raw + b"]")[0]
        _check_times(report, elapsed_s * LONGER)
    except ValidationError as error:
        raise RecordError(f"not a report: {_first(error)}.") from error
    except ValueError as error:
        raise RecordError(f"not a report: {error}.") from error
    return report


@cache
def _strict(shape: Any) -> TypeAdapter[Any]:
    """Read JSON strictly; made when first used. Its tuple of one lets the configuration reach a dataclass."""
    return TypeAdapter(tuple[shape], config=_FINITE)


def _check_times(report: "Report", at_most_s: float) -> None:
    """Raise ValueError for what cannot have taken place within a launch."""
    for phase, samples in report.samples.items():
        _check_durations(f"samples.{phase}", samples, at_most_s)
        group = report.group.get(phase, 1)
        if not 1 <= group <= 2**53:
            raise ValueError(f"group.{phase} is no count of iterations")
        if sum(samples) * group > at_most_s:
            raise ValueError(f"samples.{phase}: {sum(samples) * group:.3g} s in all, longer than the launch")
    for phase, samples in report.warmup.items():
        _check_durations(f"warmup.{phase}", samples, at_most_s)
    for phase, samples in report.event_samples.items():
        _check_durations(f"event_samples.{phase}", samples, at_most_s)
    for phase, samples in report.cpu_samples.items():
        if min(samples, default=0.0) < 0 or max(samples, default=0.0) > at_most_s * CPUS_AT_MOST:
            raise ValueError(f"cpu_samples.{phase}: from {min(samples)} to {max(samples)} s is no CPU time")


def _check_durations(place: str, values: Sequence[float], at_most_s: float) -> None:
    if min(values, default=1.0) < SHORTEST_S:
        raise ValueError(f"{place}: {min(values)} is no duration")
    if max(values, default=0.0) > at_most_s:
        raise ValueError(f"{place}: {max(values):.3g} s is longer than the launch")


def parse_gate(raw: bytes) -> Mapping[str, Mapping[str, GateValue]]:
    """Read what a gate launch wrote: loss, gradients and parameter count at the probe and the measured size.

    Raises RecordError with the reason: too large, not JSON, a number that is not finite.
    """
    try:
        _check_size(raw, GATE_AT_MOST_BYTES)
        gate: _Gate = _strict(_Gate).validate_json(b"[" + raw + b"]")[0]
    except ValidationError as error:
        raise RecordError(f"not a gate: {_first(error)}.") from error
    except ValueError as error:
        raise RecordError(f"not a gate: {error}.") from error
    return gate


def _check_size(raw: bytes, at_most: int) -> None:
    if not raw.strip():
        raise ValueError("it is empty")
    if len(raw) > at_most:
        raise ValueError(f"{len(raw)} bytes, more than {at_most}")


def _check_schema(raw: bytes, wanted: str) -> None:
    content = from_json(raw, allow_inf_nan=False)
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != wanted:
        raise ValueError(f"its schema is {schema!r}, this orch reads {wanted!r}")


def _first(error: ValidationError) -> str:
    """Say the first thing that is wrong in what was read strictly."""
    errors = error.errors(include_url=False, include_input=False)
    # Of a union every member complains: a number that is not finite says more than "no whole number".
    first = next((one for one in errors if one["type"] == "finite_number"), errors[0])
    place = ".".join(str(step) for step in first["loc"][1:])
    said = first["msg"].replace("Input should be", "must be")[:200]
    return f"{place}: {said}" if place else said


def _complaint(node: Node, first: ErrorDetails) -> ConfigurationError:
    """Say what pydantic found first, in the line where it stands."""
    place = node.at(first["loc"])
    if first["type"] == "missing":
        return place.error(f"key '{first['loc'][-1]}' is missing.")
    if first["type"] == "literal_error":
        expected = first["ctx"]["expected"]
        near = did_you_mean(str(first["input"]), re.findall(r"'([^']*)'", expected))
        return place.error(f"must be {expected}, not {place.kind}.{near if 'Did' in near else ''}")
    wanted = _WANTED.get(first["type"], first["msg"].replace("Input should be", "must be"))
    return place.error(f"{wanted}, not {place.kind}.")
