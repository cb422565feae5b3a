"""A suite of one image, one benchmark and one configuration, on nets that take no time: for a framework's gates."""

from tests.bench import shrink
from tests.toy_project import Toy

SUITE = """
suite: one_image
title: A study in one image
images: [{image}]
benchmarks:
  - {{benchmark: {benchmark}, implementations: [{implementations}], configurations: [{configuration}]}}
protocol: {{phases: [train_step], warmup: 1, samples: 20, at_most_s: 8, blocks: 1, threads: 1, timeout_s: 1800}}
compare: {{across: system, baseline: fastest}}
"""
TIMEOUT_S = 3600.0  # with a build, and what Theano and PyTensor compile


def run_on_one_image(
    project: Toy, image: str, implementations: tuple[str, ...], benchmark: str, configuration: str
) -> tuple[int, set[tuple[str, str]]]:
    """Run implementations in containers on the CPU; return the exit code, and the status of each."""
    suites = project.project / "suites"
    shrink(suites / "benchmarks" / benchmark)
    text = SUITE.format(
        image=image, benchmark=benchmark, implementations=", ".join(implementations), configuration=configuration
    )
    (suites / "one_image.yaml").write_text(text, encoding="utf-8")
    ended = project.orch("run", "one_image", "--engine", "docker", "--device", "cpu", timeout_s=TIMEOUT_S)
    records = project.records()
    return ended.exit_code, {(record["workload"]["implementation"], str(record["status"])) for record in records}  # type: ignore[index]
