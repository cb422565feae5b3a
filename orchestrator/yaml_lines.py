"""YAML as text with line numbers: every scalar stays what was written, so that 1.10 never becomes 1.1."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from orchestrator.errors import ConfigurationError
from orchestrator.names import did_you_mean
from orchestrator.specs import Scalar

Plain: TypeAlias = "str | list[Plain] | dict[str, Plain]"
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # the C one is about ten times as fast
# What YAML 1.1 does not count as printable (section 5.1).
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DEEPEST = 32  # far more than any of our files needs; composing 100 000 levels ends the process
_QUOTES = ("'", '"', "|", ">")
_SIZES = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value of a YAML file that knows where it stands."""

    value: "str | tuple[Node, ...] | Mapping[str, Node]"
    file: str
    line: int
    steps: tuple[str, ...] = ()  # keys and positions from the top: benchmarks, 0, batch
    quoted: bool = False

    def error(self, what: str) -> ConfigurationError:
        """Make the error `file:line: path: what`."""
        return ConfigurationError(f"{self.path}: {what}" if self.path else what, file=self.file, line=self.line)

    def text(self) -> str:
        """Return a scalar. Raises ConfigurationError if it is none, or empty."""
        if not isinstance(self.value, str):
            raise self.error(f"must be text, not {self.kind}.")
        if not self.value and not self.quoted:
            raise self.error("is empty. Give it a value or remove the key.")
        return self.value

    def scalar(self) -> Scalar:
        """Return a scalar typed by its form: whole number, number, true or false, else text; quoted it is text."""
        text = self.text()
        if self.quoted:
            return text
        if re.fullmatch(r"[-+]?\d+", text):
            return int(text)
        if re.fullmatch(r"[-+]?(\d+\.\d*|\.?\d+)([eE][-+]?\d+)?", text):
            return float(text)
        return {"true": True, "false": False}.get(text, text)

    def size_bytes(self) -> int:
        """Return a size such as 1 GB or 500 MB. Raises ConfigurationError if it is none."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG]i?B)", self.text(), re.IGNORECASE)
        if not found:
            raise self.error(f"must be a size such as 1 GB or 500 MB, not {self.kind}.")
        return round(float(found[1]) * _SIZES[found[2].upper()])

    def items(self) -> "tuple[Node, ...]":
        """Return the items of a list. Raises ConfigurationError if it is none."""
        if not isinstance(self.value, tuple):
            raise self.error(f"must be a list, not {self.kind}. Write it as [a, b].")
        return self.value

    def mapping(self) -> "Mapping[str, Node]":
        """Return the entries of a mapping. Raises ConfigurationError if it is none."""
        if not isinstance(self.value, Mapping):
            raise self.error(f"must be a mapping of keys to values, not {self.kind}.")
        return self.value

    @property
    def kind(self) -> str:
        if isinstance(self.value, str):
            return f"'{self.value}'" if self.value else "empty"
        return "a list" if isinstance(self.value, tuple) else "a mapping"

    @property
    def key(self) -> str:
        return self.steps[-1] if self.steps else ""

    @property
    def path(self) -> str:
        return ".".join(self.steps)

    def entries(self, key: str) -> "Mapping[str, Node]":
        """Return the entries of a mapping below this one, none if the key is missing."""
        node = self.mapping().get(key)
        return node.mapping() if node else {}

    def required(self, key: str) -> "Node":
        """Return the value of a key. Raises ConfigurationError if it is missing."""
        node = self.mapping().get(key)
        if node is None:
            raise self.error(f"key '{key}' is missing.")
        return node

    def check_keys(self, known: Collection[str]) -> None:
        """Raise ConfigurationError for the first key that is not known."""
        for key, node in self.mapping().items():
            if key not in known:
                raise node.error(f"unknown key.{did_you_mean(key, known)}")

    def at(self, location: tuple[int | str, ...]) -> "Node":
        """Return the node at a path below this one, or the deepest that is there."""
        node = self
        for step in location:
            if isinstance(node.value, Mapping) and step in node.value:
                node = node.value[str(step)]
            elif isinstance(node.value, tuple) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
        return node

    def plain(self) -> Plain:
        """Return it without lines: text, lists and dicts. Raises ConfigurationError for an empty value."""
        if isinstance(self.value, Mapping):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.text()


def shown_path(path: Path, cwd: Path) -> str:
    """Return a path as messages show it: relative to the working folder where it lies below."""
    absolute = cwd / path
    return str(absolute.relative_to(cwd)) if absolute.is_relative_to(cwd) else str(absolute)


def read_yaml(path: Path, file: str) -> Node:
    """Read a YAML file whose top level is a mapping.

    file: the name messages show. Raises ConfigurationError with the line and what to do.
    """
    text = _read_text(path, file)
    try:
        _check_depth(text, file)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line + 1, text.count("\n") + 1) if mark else None
        raise ConfigurationError(f"not valid YAML: {error.problem}. Correct the line.", file=file, line=line) from error
    if root is None:
        raise ConfigurationError("the file is empty. Fill it or remove it.", file=file, line=1)
    node = _convert(root, Node(value="", file=file, line=root.start_mark.line + 1), set())
    node.mapping()
    return node


def _check_depth(text: str, file: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            line = event.start_mark.line + 1 if event.start_mark else None
            raise ConfigurationError("nested too deep. Is it a file of orch?", file=file, line=line)


def _read_text(path: Path, file: str) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigurationError("there is no such file. Check the path.", file=file) from error
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}.", file=file) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError("not a text file in UTF-8. Is it a YAML file?", file=file, line=line) from error
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise ConfigurationError("not a text file: it holds control characters. Is it YAML?", file=file, line=line)
    return text


def _convert(node: yaml.Node, place: Node, seen: set[int]) -> Node:
    """Turn a composed node into ours; `place` gives file, line and path."""
    if id(node) in seen:
        raise place.error("aliases (*name) are not supported. Write the value out.")
    seen.add(id(node))
    value: str | tuple[Node, ...] | Mapping[str, Node]
    if isinstance(node, yaml.MappingNode):
        value = _convert_mapping(node, place, seen)
    elif isinstance(node, yaml.SequenceNode):
        value = tuple(_convert(item, _below(place, str(i), item), seen) for i, item in enumerate(node.value))
    else:
        value = node.value
    quoted = isinstance(node, yaml.ScalarNode) and node.style in _QUOTES
    return Node(value=value, file=place.file, line=place.line, steps=place.steps, quoted=quoted)


def _convert_mapping(node: yaml.MappingNode, place: Node, seen: set[int]) -> Mapping[str, Node]:
    entries: dict[str, Node] = {}
    for key, value in node.value:
        below = _below(place, str(key.value), key)
        if not isinstance(key, yaml.ScalarNode):
            raise below.error("a key must be text.")
        if key.value in entries:
            raise below.error(f"key written twice; first in line {entries[key.value].line}. Remove one.")
        entries[key.value] = _convert(value, below, seen)
    return entries


def _below(place: Node, step: str, node: yaml.Node) -> Node:
    return Node(value="", file=place.file, line=node.start_mark.line + 1, steps=(*place.steps, step))
