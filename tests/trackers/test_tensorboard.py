"""Event files, read back by TensorBoard itself."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata

from medbench.errors import StoreError, UsageError
from medbench.records import MetricValue, Record, encode
from medbench.settings import Settings
from medbench.trials import Trial
from medbench_trackers import tensorboard
from medbench_trackers.facts import parameters, scores
from tests.trackers.conftest import KEY


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(results=tmp_path / "results", trackers={"tensorboard": {}})


def read(settings: Settings) -> EventAccumulator:
    """The one event file there is."""
    (path,) = settings.results.rglob("*tfevents*")
    assert path.name == f"events.out.tfevents.{KEY}"
    accumulator = EventAccumulator(str(path.parent))
    accumulator.Reload()
    return accumulator


def text(accumulator: EventAccumulator, name: str) -> str:
    (event,) = accumulator.Tensors(f"{name}/text_summary")
    found: str = event.tensor_proto.string_val[0].decode()
    return found


def session(accumulator: EventAccumulator) -> tuple[dict[str, object], int]:
    """The hyper-parameters, and how the session ended."""
    content = [
        accumulator.SummaryMetadata(tag).plugin_data.content
        for tag in (metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG)
    ]
    start = metadata.parse_session_start_info_plugin_data(content[0])
    assert start.group_name == KEY
    values = {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in start.hparams.items()}
    return values, metadata.parse_session_end_info_plugin_data(content[1]).status


def test_scores_lie_at_the_share_of_the_training_data(settings: Settings, record: Record) -> None:
    tensorboard.medbench_trial_finished(record, settings)
    found = read(settings)
    assert {tag: found.Scalars(tag)[0].step for tag in found.Tags()["scalars"]} == dict.fromkeys(scores(record), 1000)
    assert {tag: found.Scalars(tag)[0].value for tag in scores(record)} == pytest.approx(scores(record))


def test_the_recipe_and_the_record_are_there(settings: Settings, record: Record) -> None:
    tensorboard.medbench_trial_finished(record, settings)
    found = read(settings)
    assert session(found) == ({**parameters(record), "phantom": True}, api_pb2.STATUS_SUCCESS)
    shown = "".join(line.removeprefix("    ") + "\n" for line in text(found, "record").splitlines())
    assert shown.encode() == encode(msgspec.structs.replace(record, replicates={}))
    assert all(line.startswith("    ") for line in text(found, "record").splitlines())  # a code block: no Markdown


def test_the_same_record_again_changes_nothing_and_another_result_replaces_it(
    settings: Settings, record: Record
) -> None:
    tensorboard.medbench_trial_finished(record, settings)
    (path,) = settings.results.rglob("*tfevents*")
    before = path.stat().st_mtime_ns, path.read_bytes()
    tensorboard.medbench_run_finished([record], settings)
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    tensorboard.medbench_run_finished([msgspec.structs.replace(record, metrics={"map": MetricValue(0.9)})], settings)
    assert read(settings).Scalars("map")[0].value == pytest.approx(0.9)


def test_a_failure_is_shown_until_the_trial_succeeds(settings: Settings, record: Record, trial: Trial) -> None:
    tensorboard.medbench_trial_failed(trial, KEY, "no memory\n<b>", settings)
    found = read(settings)
    assert session(found) == (parameters(record), api_pb2.STATUS_FAILURE)
    assert text(found, "error") == "    no memory\n    <b>"
    tensorboard.medbench_trial_finished(record, settings)
    assert session(read(settings))[1] == api_pb2.STATUS_SUCCESS


def test_the_folder_may_be_named_and_is_relative_to_the_file(tmp_path: Path, record: Record) -> None:
    settings = Settings(
        results=tmp_path / "results", trackers={"tensorboard": {"dir": "board"}}, source=tmp_path / "sub/medbench.toml"
    )
    tensorboard.medbench_tracker_ready(settings)
    tensorboard.medbench_trial_finished(record, settings)
    assert len(list((tmp_path / "sub/board/toy-bright/toy@plain").glob("10pct-seed0-01234567/*"))) == 1


def test_a_wrong_option_is_refused(settings: Settings) -> None:
    tensorboard.medbench_tracker_ready(settings)
    for options, message in (({"dri": "x"}, "did you mean 'dir'"), ({"dir": 3}, "a text is needed")):
        with pytest.raises(UsageError, match=message):
            tensorboard.medbench_tracker_ready(Settings(trackers={"tensorboard": options}))


def test_a_place_that_cannot_be_written_to_is_an_error_of_one_line(settings: Settings, record: Record) -> None:
    settings.results.write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot write"):
        tensorboard.medbench_trial_finished(record, settings)
