from pathlib import Path

import pytest

from orchestrator.analysis.published import read_published
from orchestrator.errors import ConfigurationError

BRAUN = Path(__file__).parents[2] / "suites" / "published" / "braun2018.csv"
HEAD = (
    "study,benchmark,config,framework,framework_version,implementation,binding,device,cuda,cudnn,metric,unit,per,"
    "mean,std,stat,warmup_iters,timed_iters,mean_text,origin,source,note"
)
LINE = (
    "S,rnn,hidden=100;batch=20,Theano,1.0,RNN,,NVIDIA GeForce GTX TITAN X (12 GB),,,train,us,example,343.8,,,,,"
    "343.8,seed,README,"
)


def write(folder: Path, *lines: str) -> Path:
    path = folder / "study.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_study_is_named_by_its_first_line() -> None:
    published = read_published(BRAUN)

    assert published.study == "Braun 2018"
    assert published.year == "2018"
    assert published.source.endswith("Table 4, repository stefbraun/rnn_benchmarks")


def test_the_paper_has_thirty_one_bars_of_pytorch_versions() -> None:
    numbers = [number for number in read_published(BRAUN).numbers if number.panel == "pytorch_versions"]

    assert len(numbers) == 31  # 12 + 12 + 4 + 3
    assert {number.version for number in numbers} == {"0.1.12_2", "0.2.0_4", "0.3.1post2", "0.4.0"}


def test_a_number_is_found_by_configuration_framework_and_the_studys_own_label() -> None:
    found = read_published(BRAUN).find("1x320/CE-short", "pytorch", "LSTMCell-basic")

    assert [found[version].text for version in ("0.4.0", "0.3.1post2", "0.2.0_4", "0.1.12_2")] == [
        "31 ms",
        "30 ms",
        "63 ms",
        "46 ms",
    ]
    assert found["0.4.0"].value_s == 0.031
    assert found["0.4.0"].ratio_to_fastest == 2.8  # of the version panel; the framework panel says 3.0
    assert found["0.4.0"].device == "GTX 1080"


def test_a_framework_without_a_version_panel_is_found_in_the_framework_panel() -> None:
    found = read_published(BRAUN).find("1x320/CE-long", "TensorFlow", "LSTMBlockFusedCell")

    assert found["1.8.0"].text == "130 ms"


@pytest.mark.parametrize(("panel", "compared"), [("pytorch_versions", "PyTorch versions"), ("framework", "frameworks")])
def test_a_number_says_what_its_panel_compares(panel: str, compared: str) -> None:
    numbers = [number for number in read_published(BRAUN).numbers if number.panel == panel]

    assert {number.compared for number in numbers} == {compared}


def test_what_is_forward_only_is_a_row_of_its_own() -> None:
    numbers = read_published(BRAUN.parent / "glample2016.csv").numbers

    assert {number.phase for number in numbers} == {"train_step", "forward"}
    assert {number.version for number in numbers} == {""}  # not stated: it stands in no column of a version


def test_words_per_second_become_seconds_per_batch() -> None:
    numbers = read_published(BRAUN.parent / "kawakami2017.csv").numbers

    assert numbers[0].value_s == pytest.approx(128 * 128 / 547106.703)


def test_another_frameworks_implementation_of_the_same_name_is_not_taken() -> None:
    assert set(read_published(BRAUN).find("1x320/CE-short", "TensorFlow", "cuDNNLSTM")) == {"1.8.0"}


@pytest.mark.parametrize(
    ("configuration", "version", "words"),
    [
        ("1x320/CE-short", "0.4.0", "the same runs"),
        ("1x320/CE-short", "0.1.12_2", "uniform between -1 and 1"),
        ("4x320/CTC-long", "0.2.0_4", "packed sequences were very slow"),
        ("4x320/CTC-long", "0.4.0", "loss gets ascending lengths"),
    ],
)
def test_known_defects_stand_at_the_numbers_they_concern(configuration: str, version: str, words: str) -> None:
    number = read_published(BRAUN).find(configuration, "PyTorch", "cuDNNLSTM")[version]

    assert any(words in defect for defect in number.defects)


def test_another_study_in_microseconds_is_read_by_the_same_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "# glample 2016, rnn-benchmarks, repository glample/rnn-benchmarks.", HEAD, LINE)

    (number,) = read_published(path).numbers

    assert number.value_s == pytest.approx(20 * 343.8e-6)  # of an iteration, of a batch of 20
    assert number.text == "343.8 µs per example"
    assert number.ratio_to_fastest is None
    assert number.times_fastest == 1
    assert (number.phase, number.batch) == ("train_step", 20)
    assert number.device == "GTX TITAN X"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEAD, LINE), r"study.csv:1: no source"),
        ((), r"study.csv:1: no source"),
        (("# Braun 2018, title.", "a,b", "1,2"), r"study.csv:2: no column benchmark, config"),
        (
            ("# Braun 2018, title.", HEAD, LINE.replace("343.8,,", "fast,,")),
            "study.csv:3: mean: 'fast' is no number",
        ),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_published(write(tmp_path, *lines))
