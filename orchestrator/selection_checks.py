"""Whether a suite fits what it names. Each check raises ConfigurationError with file and line.

file: the suite, as messages show it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from orchestrator.errors import ConfigurationError
from orchestrator.names import did_you_mean, matches
from orchestrator.specs import Benchmark, Selection, Suite
from orchestrator.yaml_lines import shown_path


def check_selection(choice: Selection, benchmark: Benchmark, file: str) -> None:
    """Refuse a pattern that nothing of the benchmark is called by."""
    wanted = {
        "implementations": (choice.implementations, [one.name for one in benchmark.implementations]),
        "configurations": (choice.configurations, [one.name for one in benchmark.configurations]),
    }
    for key, (patterns, names) in wanted.items():
        for pattern in patterns:
            if not any(matches(name, (pattern,)) for name in names):
                message = f"{benchmark.name}.{key}: nothing is called '{pattern}'.{did_you_mean(pattern, names)}"
                raise ConfigurationError(message, file=file, line=choice.line)


def check_phases(suite: Suite, choice: Selection, benchmark: Benchmark, file: str) -> None:
    """Refuse a phase that no measure is from, before anything is built; a benchmark without measures names none."""
    known = tuple(dict.fromkeys(measure.phase for measure in benchmark.measures))
    for phase in suite.protocol.phases if known else ():
        if phase not in known:
            message = f"phases: {benchmark.name} has no measure from '{phase}'.{did_you_mean(phase, known)}"
            raise ConfigurationError(message, file=file, line=choice.line)


def check_unit(suite: Suite, choice: Selection, benchmark: Benchmark, file: str) -> None:
    """Refuse a time per example where nothing says how many examples an iteration has."""
    if suite.compare.unit != "us/example":
        return
    for one in benchmark.configurations:
        if matches(one.name, choice.configurations) and type(one.parameters.get("batch")) is not int:
            message = f"compare.unit: {one.name} of {benchmark.name} says no batch. Add it, or use ms/batch."
            raise ConfigurationError(message, file=file, line=choice.line)


def check_baseline(suite: Suite, known: Sequence[str], file: str) -> None:
    """Refuse a baseline that is none of these, of which the first is the rule that chooses one."""
    baseline = suite.compare.baseline
    if baseline not in known:
        what = "an image" if suite.compare.across == "image" else "a system, written image/implementation,"
        message = f"compare.baseline: must be '{known[0]}' or {what} of the suite, not '{baseline}'."
        raise ConfigurationError(message + did_you_mean(baseline, known), file=file, line=suite.baseline_line)


def check_scripts(benchmarks: Iterable[Benchmark], frameworks: set[str], cwd: Path) -> None:
    """Refuse benchmarks whose reference, or whose script for one of the frameworks, is not there."""
    for benchmark in benchmarks:
        file = shown_path(benchmark.folder / "benchmark.yaml", cwd)
        needed = {f"scripts.{name}": script for name, script in benchmark.scripts.items() if name in frameworks}
        needed |= {"reference": benchmark.reference} if benchmark.reference else {}
        for key, script in needed.items():
            if not (benchmark.folder / script).is_file():
                raise ConfigurationError(f"{key}: there is no file '{script}' beside it. Write it.", file=file)
