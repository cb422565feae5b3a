"""Files a person writes: what they mean, and what is said about each thing that is wrong in them."""

from pathlib import Path

import pytest

from orchestrator.definitions import load_benchmark, load_suite
from orchestrator.errors import ConfigurationError
from orchestrator.images import ImageVariant
from orchestrator.rows import load_versions
from orchestrator.specs import Compare, Exclusion, Protocol

SUITE = """\
suite: convnets
title: Convolutional networks
images: [pytorch-1.10]
benchmarks:
  - benchmark: alexnet
    implementations: [plain]
protocol: {warmup: 3, samples: 7}
profiles:
  quick: {samples: 5, threads: 1, configurations: [small]}
"""
VERSIONS = """\
family: pytorch
framework: pytorch
versions:
  1.10:
    released: 2022-01-27
    python: 3.10.13
    base: python:3.10-slim
    requirements: [torch==1.10]
    variants:
      cu113: {cuda: 11.3, compute: [8.0], self_contained: true, download_bytes: 10}
      cpu: {}
"""
BENCHMARK = """\
benchmark: alexnet
title: AlexNet
scripts: {pytorch: run_pytorch.py, jax: run_jax.py}
implementations:
  plain: {biases: 2, peepholes: false, kind: "3", parameters: 12}
  other: {label: Other, frameworks: [jax]}
configurations:
  small: {batch: 8, rate: 1e-3, loss: ctc, step_s: {cpu: 0.5}}
measures:
  speed: {from: forward, per: batch, unit: 1/s, better: higher}
probe: {batch: 2}
"""


def write_suite(folder: Path, text: str) -> Path:
    path = folder / "suites" / "convnets.yaml"
    path.parent.mkdir()
    path.write_text(text)
    return path


def write_versions(folder: Path, text: str) -> Path:
    path = folder / "images" / "pytorch" / "versions.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def write_benchmark(folder: Path, text: str) -> Path:
    path = folder / "alexnet" / "benchmark.yaml"
    path.parent.mkdir()
    path.write_text(text)
    return path


def test_a_version_written_as_a_yaml_number_stays_text(tmp_path: Path) -> None:
    (image,) = load_versions(write_versions(tmp_path, VERSIONS), tmp_path)

    assert (image.version, image.name) == ("1.10", "pytorch-1.10")
    assert image.variants[0].compute == ("8.0",)
    assert image.variants[0].cuda == "11.3"


def test_an_image_knows_where_it_stands_and_its_variants_are_typed(tmp_path: Path) -> None:
    (image,) = load_versions(write_versions(tmp_path, VERSIONS), tmp_path)

    assert (image.line, image.folder) == (4, tmp_path / "images" / "pytorch")
    assert image.variants[0].self_contained is True
    assert image.variants[0].download_bytes == 10


def test_a_variant_may_stand_on_a_base_and_a_python_of_its_own(tmp_path: Path) -> None:
    own = "cpu: {base: tensorflow/tensorflow:1.8.0-gpu-py3, python: 3.5.2}"

    (image,) = load_versions(write_versions(tmp_path, VERSIONS.replace("cpu: {}", own)), tmp_path)

    targets = [ImageVariant(image=image, variant=variant) for variant in image.variants]
    assert [(target.python, target.base) for target in targets] == [
        ("3.10.13", "python:3.10-slim"),
        ("3.5.2", "tensorflow/tensorflow:1.8.0-gpu-py3"),
    ]


def test_a_row_that_only_names_a_system_needs_no_more_than_the_reason(tmp_path: Path) -> None:
    named = """\
family: pytorch
framework: pytorch
versions:
  "1": {released: 2014-09, unavailable: "starts on no GPU of today", source: a page}
"""

    (image,) = load_versions(write_versions(tmp_path, named), tmp_path)

    assert (image.name, image.unavailable, image.variants) == ("pytorch-1", "starts on no GPU of today", ())


def test_a_benchmark_types_its_parameters_by_form(tmp_path: Path) -> None:
    benchmark = load_benchmark(write_benchmark(tmp_path, BENCHMARK), tmp_path)

    plain, other = benchmark.implementations
    assert plain.traits == {"biases": 2, "peepholes": False, "kind": "3"}
    assert (plain.label, plain.frameworks, plain.parameters) == ("plain", ("pytorch", "jax"), {"*": 12})
    assert (other.label, other.frameworks, other.parameters) == ("Other", ("jax",), {})
    assert benchmark.configurations[0].parameters == {"batch": 8, "rate": 0.001, "loss": "ctc"}
    assert benchmark.configurations[0].step_s == {"cpu": 0.5}
    assert benchmark.measures[0].phase == "forward"
    assert benchmark.probe == {"batch": 2}


@pytest.mark.parametrize(
    ("written", "falls"),
    [("", False), ("falls: true\n", True), ("falls: {small: true, '*': false}\n", {"small": True, "*": False})],
)
def test_the_loss_falls_everywhere_or_by_configuration(
    tmp_path: Path, written: str, falls: bool | dict[str, bool]
) -> None:
    assert load_benchmark(write_benchmark(tmp_path, BENCHMARK + written), tmp_path).falls == falls


def test_a_suite_keeps_the_defaults_of_the_protocol_and_lays_profiles_over_it(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path, SUITE), tmp_path)

    assert suite.protocol == Protocol(warmup=3, samples=7)
    assert suite.profiles[0].protocol == {"samples": 5, "threads": 1}
    assert suite.profiles[0].configurations == ("small",)
    assert (suite.image_lines, suite.selections[0].line) == ((3,), 5)


def test_a_profile_names_images_in_place_of_those_of_the_suite(tmp_path: Path) -> None:
    text = SUITE.replace("configurations: [small]", "images: [pytorch-1.9, jax-*]")
    suite = load_suite(write_suite(tmp_path, text), tmp_path)

    assert suite.profiles[0].images == ("pytorch-1.9", "jax-*")
    assert suite.profiles[0].image_lines == (9, 9)


def test_a_suite_reads_exclusions_and_the_download_limit(tmp_path: Path) -> None:
    text = SUITE.replace("    implementations: [plain]", "    exclude: [{implementation: 'a*'}]\n")
    suite = load_suite(write_suite(tmp_path, f"{text}download_at_most: 1.5 GB\n"), tmp_path)

    assert suite.selections[0].exclude == (Exclusion(implementation="a*"),)
    assert suite.download_at_most_bytes == 1_500_000_000


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "    implementations",
            "    implementation",
            "6: benchmarks.0.implementation: unknown key. Did you mean 'implementations'?",
        ),
        ("title", "tilte", "2: tilte: unknown key. Did you mean 'title'?"),
        ("samples: 7", "sampels: 7", "7: protocol.sampels: unknown key. Did you mean 'samples'?"),
        ("samples: 5", "sampels: 5", "9: profiles.quick.sampels: unknown key. Did you mean 'samples'?"),
        ("samples: 7", "samples: many", "7: protocol.samples: must be a whole number, not 'many'."),
        ("samples: 7", "samples: [7]", "7: protocol.samples: must be a whole number, not a list."),
        ("samples: 7", "samples: 4", "7: protocol.samples: must be at least 5, not 4."),
        (
            "samples: 7",
            "samples: 20001",
            "7: protocol.samples: must be at most 20000, not 20001: a report holds at most 20000",
        ),
        (
            "warmup: 3",
            "warmup: 20001",
            "7: protocol.warmup: must be at most 20000, not 20001: a report holds at most 20000",
        ),
        ("samples: 5", "samples: 99999", "9: profiles.quick.samples: must be at most 20000, not 99999"),
        ("[small]", "[small], images: []", "9: profiles.quick.images: is empty. Name at least one of the images"),
        ("samples: 7", "blocks: 0", "7: protocol.blocks: must be at least 1, not 0."),
        ("samples: 7", "blocks: 1001", "7: protocol.blocks: must be at most 1000, not 1001."),
        ("samples: 7", "phases: [a, b, a]", "7: protocol.phases: names a 2 times. Once is enough."),
        ("samples: 7", "threads: 0", "7: protocol.threads: must be at least 1, not 0."),
        ("samples: 7", "timeout_s: 0", "7: protocol.timeout_s: must be a positive number of seconds, not 0.0."),
        ("samples: 7", "at_most_s: -1", "7: protocol.at_most_s: must be a positive number of seconds, not -1.0."),
        ("samples: 7", "at_most_s: nan", "7: protocol.at_most_s: must be a positive number of seconds, not nan."),
        ("samples: 7", "phases: []", "7: protocol.phases: must be at least 1, not 0."),
        ("samples: 7", "precision: tf23", "7: protocol.precision: must be 'ieee', 'tf32' or 'amp', not 'tf23'."),
        ("[pytorch-1.10]", "pytorch-1.10", "3: images: must be a list, not 'pytorch-1.10'. Write it as [a, b]."),
        ("[pytorch-1.10]", "[]", "3: images: is empty. Name at least one of the images; `orch list` shows them."),
        ("title: Conv", "title:\n# Conv", "2: title: is empty. Give it a value or remove the key."),
        ("title: Conv", "suite: Conv", "2: suite: key written twice; first in line 1. Remove one."),
        ("title: Convolutional networks\n", "", "1: key 'title' is missing."),
        ("[pytorch-1.10]", "[pytorch-1.10", "4: not valid YAML: did not find expected ',' or ']'. Correct the line."),
        ("suite: convnets", "suite: &a convnets\nstudy: *a", "aliases (*name) are not supported. Write the value out."),
        ("title: Conv", "path: x\ntitle: Conv", "2: path: unknown key."),
        ("protocol:", "download_at_most: much\nprotocol:", "7: download_at_most: must be a size such as 1 GB or"),
        (
            "protocol:",
            "compare: {across: gpu}\nprotocol:",
            "7: compare.across: must be 'image' or 'system', not 'gpu'.",
        ),
        ("protocol:", "compare: {acros: system}\nprotocol:", "7: compare.acros: unknown key. Did you mean 'across'?"),
        ("protocol:", "compare: {unit: hours}\nprotocol:", "compare.unit: must be 'us/example' or 'ms/batch', not"),
        ("protocol:", "compare: {columns: [speed]}\nprotocol:", "must be 'setup' or 'first_step', not 'speed'."),
        ("protocol:", "choose: best\nprotocol:", "7: choose: must be 'all' or 'oldest_and_newest', not 'best'."),
    ],
)
def test_what_is_wrong_in_a_suite_is_said_with_line_path_and_remedy(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = write_suite(tmp_path, SUITE.replace(old, new, 1))

    with pytest.raises(ConfigurationError) as caught:
        load_suite(path, tmp_path)

    assert str(caught.value).startswith("suites/convnets.yaml:")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "suites/convnets.yaml:1: the file is empty."),
        (b"# only a comment\n", "suites/convnets.yaml:1: the file is empty."),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "suites/convnets.yaml:1: not a text file in UTF-8."),
        (b"suite: a\ntitle: \x00", "suites/convnets.yaml:2: not a text file: it holds control characters."),
        (b"- a\n- b\n", "suites/convnets.yaml:1: must be a mapping of keys to values, not a list."),
        (b"just words", "suites/convnets.yaml:1: must be a mapping of keys to values, not 'just words'."),
        (b"suite: a\n---\nsuite: b\n", "suites/convnets.yaml:2: not valid YAML: "),
        (b"? [a, b]\n: c\n", "a key must be text."),
        (b"suite: \xc2\x80", "suites/convnets.yaml:1: not a text file: it holds control characters."),
        (b"suite:\n  " + b"[" * 200_000, "suites/convnets.yaml:2: nested too deep."),
    ],
    ids=["empty", "comment", "binary", "control", "list", "words", "two documents", "list as key", "c1", "deep"],
)
def test_a_file_that_is_no_suite_at_all_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = write_suite(tmp_path, "")
    path.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        load_suite(path, tmp_path)

    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"suites/none.yaml: there is no such file. Check the path."):
        load_suite(Path("suites/none.yaml"), tmp_path)


def test_a_path_outside_the_working_folder_is_shown_whole(tmp_path: Path) -> None:
    path = write_suite(tmp_path, "")

    with pytest.raises(ConfigurationError) as caught:
        load_suite(path, tmp_path / "elsewhere")

    assert str(caught.value).startswith(f"{path}:1: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("family: pytorch", "family: torch", "1: family: is 'torch' in the folder 'pytorch'. Make the two the same."),
        (
            "1.10:\n",
            "latest:\n",
            "4: versions.latest: 'latest' is not a version such as 1.10.2, 0.1.12_2 or 1.10.2-py36.",
        ),
        ("3.10.13", '"3.10"', "6: versions.1.10.python: is '3.10'. Write the full patch version, such as 3.6.15."),
        ("cpu: {}", "cpu: {python: 3.5}", "variants.cpu.python: is '3.5'. Write the full patch version, such as"),
        ("1.10:\n", "1.10-py27:\n", "6: versions.1.10-py27.python: is '3.10.13', but the row's name says 2.7."),
        ("cuda:", "cdua:", "10: versions.1.10.variants.cu113.cdua: unknown key. Did you mean 'cuda'?"),
        ("    base: python:3.10-slim\n", "", "4: versions.1.10: key 'base' is missing."),
        ("compute: [8.0]", "compute: 8.0", "10: versions.1.10.variants.cu113.compute: must be a list"),
        ("self_contained: true", "self_contained: perhaps", "must be true or false, not 'perhaps'."),
        ("[torch==1.10]", "[]", "4: versions.1.10: needs at least one requirement"),
        ("cpu: {}", "cpu:", "11: versions.1.10.variants.cpu: must be a mapping of keys to values, not empty."),
    ],
)
def test_what_is_wrong_in_a_versions_file_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_versions(tmp_path, VERSIONS.replace(old, new, 1))

    with pytest.raises(ConfigurationError) as caught:
        load_versions(path, tmp_path)

    assert "images/pytorch/versions.yaml:" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[jax]", "[jaxx]", "6: implementations.other.frameworks.0: there is no script for 'jaxx'."),
        ("from: forward", "form: forward", "10: measures.speed: key 'from' is missing."),
        ("per: batch, ", "", "10: measures.speed.unit: must be s, or say with 'per' of what there are so many"),
        ("unit: 1/s", "unit: bananas", "10: measures.speed.unit: must end in /s, since batch is divided by the time."),
        ("per: batch", "per: bacth", "10: measures.speed.per: configuration small has no number called bacth."),
        ("per: batch", "per: loss", "10: measures.speed.per: configuration small has no number called loss."),
        (
            "step_s: {cpu: 0.5}",
            "step_s: {cpu: fast}",
            "8: configurations.small.step_s.cpu: must be a number, not 'fast'.",
        ),
        ("batch: 8", "batch: [8]", "8: configurations.small.batch: must be text, not a list."),
        (
            "parameters: 12",
            "parameters: 12.5",
            "5: implementations.plain.parameters: must be a whole number, not '12.5'.",
        ),
        (
            "parameters: 12",
            "parameters: {small: 12.5}",
            "5: implementations.plain.parameters.small: must be a whole number, not '12.5'.",
        ),
        (
            "parameters: 12",
            "unsupported: [{versions: {pytorch: 2.0}, reason: new}]",
            "5: implementations.plain.unsupported.0.versions.pytorch: '2.0' is not a range such as <2.0 or >=1.0,<2.0.",
        ),
        (
            "parameters: 12",
            "unsupported: [{versions: {pytorch: '>=two'}, reason: new}]",
            "5: implementations.plain.unsupported.0.versions.pytorch: 'pytorch>=two' is not a version range such as",
        ),
        (
            "parameters: 12",
            "unsupported: [{devices: [cuda]}]",
            "5: implementations.plain.unsupported.0: key 'reason' is missing.",
        ),
        ("probe: {batch: 2}", "probe: {bacth: 2}", "11: probe.bacth: unknown key. Did you mean 'batch'?"),
        ("probe: {batch: 2}", "falls: maybe", "11: falls: must be true or false, not 'maybe'."),
        ("probe: {batch: 2}", "falls: {small: 1}", "11: falls.small: must be true or false, not '1'."),
        ("probe: {batch: 2}", "falls: [small]", "11: falls: must be a mapping of keys to values, not a list."),
        ("benchmark: alexnet", "benchmark: vgg", "1: benchmark: is 'vgg' in the folder 'alexnet'."),
        ("configurations:", "configuration:", "1: key 'configurations' is missing."),
    ],
)
def test_what_is_wrong_in_a_benchmark_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_benchmark(tmp_path, BENCHMARK.replace(old, new, 1))

    with pytest.raises(ConfigurationError) as caught:
        load_benchmark(path, tmp_path)

    assert f"alexnet/benchmark.yaml:{message}" in str(caught.value)


@pytest.mark.parametrize(
    ("written", "compare"),
    [
        ("", Compare()),
        ("compare: {across: image}\n", Compare()),
        ("compare: {across: system}\n", Compare(across="system", baseline="fastest")),
        ("compare: {across: system, baseline: a-1/b}\n", Compare(across="system", baseline="a-1/b")),
        ("compare: {unit: us/example, columns: [setup]}\n", Compare(unit="us/example", columns=("setup",))),
    ],
)
def test_a_suite_says_what_it_compares_and_across_systems_by_the_fastest(
    tmp_path: Path, written: str, compare: Compare
) -> None:
    suite = load_suite(write_suite(tmp_path, SUITE.replace("protocol:", f"{written}protocol:", 1)), tmp_path)

    assert suite.compare == compare
