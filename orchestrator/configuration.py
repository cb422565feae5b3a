"""orch.toml: what orch does where no argument says otherwise. The project's, then the user's over it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.errors import ConfigurationError
from orchestrator.yaml_lines import Node, shown_path

NAME = "orch.toml"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one project and user. Paths are absolute; those of a file start from its folder."""

    runs: Path
    cache: Path
    suite: str = "suites/pytorch_versions.yaml"  # what `orch build` and `orch run` take without arguments
    mirrors: Mapping[str, str] = field(default_factory=dict)  # base image -> the one used in its place
    ask_above_bytes: int = 20 * 10**9  # larger builds want --yes
    ca_bundle: Path | None = None  # certificates for a build, as a secret


def load_settings(root: Path, cwd: Path, env: Mapping[str, str]) -> Settings:
    """Read `orch.toml` of the project, then the user's: $ORCH_CONFIG, else ~/.config/orch/orch.toml.

    root: folder of the project; runs/ lies there for whoever works inside it, else in cwd. env: the environment.
    Raises ConfigurationError for a wrong file, or if $ORCH_CONFIG names none.
    """
    home = Path(env.get("HOME") or cwd)
    cache = Path(env.get("XDG_CACHE_HOME") or home / ".cache") / "orch"
    place = root if cwd.is_relative_to(root) else cwd
    settings = Settings(runs=place / "runs", cache=cache)
    if (root / NAME).is_file():
        settings = _lay_over(settings, root / NAME, cwd)
    named = env.get("ORCH_CONFIG")
    user = cwd / named if named else Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "orch" / NAME
    if named and not user.is_file():
        raise ConfigurationError("there is no such file. Correct or unset ORCH_CONFIG.", file=shown_path(user, cwd))
    return _lay_over(settings, user, cwd) if user.is_file() else settings


def _lay_over(settings: Settings, path: Path, cwd: Path) -> Settings:
    """Let a file change the settings; mirrors add up."""
    root = _read_toml(path, shown_path(path, cwd))
    root.check_keys(("suite", "runs", "cache", "mirrors", "build"))
    build = root.entries("build")
    if build:
        root.required("build").check_keys(("ask_above_gb", "ca_bundle"))
    written = root.mapping()
    mirrors = {base: _text(node) for base, node in root.entries("mirrors").items()}
    return replace(
        settings,
        suite=_text(written["suite"]) if "suite" in written else settings.suite,
        runs=_path(written["runs"], path) if "runs" in written else settings.runs,
        cache=_path(written["cache"], path) if "cache" in written else settings.cache,
        mirrors={**settings.mirrors, **mirrors},
        ask_above_bytes=_gb(build["ask_above_gb"]) if "ask_above_gb" in build else settings.ask_above_bytes,
        ca_bundle=_path(build["ca_bundle"], path) if "ca_bundle" in build else settings.ca_bundle,
    )


def _read_toml(path: Path, file: str) -> Node:
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigurationError("not a text file in UTF-8. Is it TOML?", file=file) from error
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}.", file=file) from error
    except tomllib.TOMLDecodeError as error:
        said, _, place = str(error).partition(" (at ")
        at_line = re.match(r"line (\d+)", place)
        line = int(at_line[1]) if at_line else text.count("\n") + 1  # else "end of document"
        raise ConfigurationError(f"not valid TOML: {said}. Correct the line.", file=file, line=line) from error
    return _node(values, Node(value="", file=file, line=1), text)


def _node(value: object, place: Node, text: str) -> Node:
    """Make a node of a TOML value; its line is that of the first key of this name."""
    if not isinstance(value, dict):
        return replace(place, value=str(value), quoted=isinstance(value, str))
    below = {
        key: _node(inner, replace(place, line=_find_line(key, text) or place.line, steps=(*place.steps, key)), text)
        for key, inner in value.items()
    }
    return replace(place, value=below)


def _find_line(key: str, text: str) -> int:
    """Return the line a key is written in, 0 if it is not seen."""
    found = re.search(rf"""^[ \t]*\[?[ \t]*(?:[\w-]+\.)*["']?{re.escape(key)}["']?[ \t]*[=\]]""", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 0


def _text(node: Node) -> str:
    if not node.quoted or not node.value:
        raise node.error(f"must be text in quotes, not {node.kind}.")
    return node.text()


def _path(node: Node, file: Path) -> Path:
    return file.parent / Path(_text(node)).expanduser()


def _gb(node: Node) -> int:
    size = node.scalar()
    if not isinstance(size, int | float) or size < 0 or isinstance(size, bool):
        raise node.error(f"must be a number of gigabytes, not {node.kind}.")
    return round(size * 10**9)
