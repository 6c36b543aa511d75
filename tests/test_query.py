"""What an answer costs: how often the data provider is asked, and for what."""

import collections
from typing import Any, cast

import numpy as np
import pytest
from tensorboard import errors
from tensorboard.data import provider

from tb_rnn_plugin import encoding, metadata
from tb_rnn_plugin.encoding import ArrayKey
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tb_rnn_plugin.serving.query import NotFoundError, RnnData, SeriesKey

SERIES = SeriesKey("run", "lstm", "activation")
# What is asked of a series when something is new in it: what is kept, and whether its job was restarted.
ONCE = {"list_blob_sequences": 1, "read_blob_sequences": 1, "list_tensors": 1, "read_tensors": 1}
LARGE = 40_000  # more than a blob has to hold, so that every sample is a blob of its own


class Provider:
    """Steps of one layer in memory, behind the interface of TensorBoard's provider; counts what it is asked."""

    def __init__(self, steps: int, width: int = 4) -> None:
        self.asked: collections.Counter[str] = collections.Counter()
        self.steps: dict[int, tuple[float, encoding.EncodedQuantity]] = {}
        self.failing: dict[str, Exception] = {}
        self.width = width
        for step in range(steps):
            self.write(step, float(step))

    def write(self, step: int, wall_time: float) -> None:
        self.record = record(step, self.width)
        self.steps[step] = wall_time, encoding.encode(self.record, samples=None, dtype="float32")[0]

    def list_runs(self, *_: Any, **__: Any) -> list[provider.Run]:
        self.asked["list_runs"] += 1
        return [provider.Run("run", "run", 1.0)]

    def _list(self, method: str, plugin_name: str, run_tag_filter: Any, kind: Any, **more: int) -> Any:
        self.asked[method] += 1
        tag = metadata.tag(plugin_name, "lstm", "activation")
        if run_tag_filter is not None and ("run" not in run_tag_filter.runs or tag not in run_tag_filter.tags):
            return {}
        content = metadata.summary_metadata(plugin_name, metadata.layer_message(self.record, 0), "activation")
        listed = kind(
            max_step=max(self.steps, default=None),
            max_wall_time=max((time for time, _ in self.steps.values()), default=None),
            plugin_content=content.plugin_data.content,
            description="",
            display_name="",
            **more,
        )
        return {"run": {tag: listed}}

    def list_tensors(self, _: Any, *, plugin_name: str, run_tag_filter: Any = None, **__: Any) -> Any:
        return self._list("list_tensors", plugin_name, run_tag_filter, provider.TensorTimeSeries)

    def list_blob_sequences(self, _: Any, *, plugin_name: str, run_tag_filter: Any = None, **__: Any) -> Any:
        return self._list(
            "list_blob_sequences", plugin_name, run_tag_filter, provider.BlobSequenceTimeSeries, max_length=1
        )

    def read_tensors(self, _: Any, **__: Any) -> Any:
        self.asked["read_tensors"] += 1
        data = [
            provider.TensorDatum(step, time, np.array(one.summary, dtype=object))
            for step, (time, one) in self.steps.items()
        ]
        return {"run": {"rnn/lstm:activation": data}}

    def read_blob_sequences(self, _: Any, **__: Any) -> Any:
        self.asked["read_blob_sequences"] += 1
        data = [
            provider.BlobSequenceDatum(
                step, time, tuple(provider.BlobReference(f"{step}/{i}") for i in range(len(one.blobs)))
            )
            for step, (time, one) in self.steps.items()
        ]
        return {"run": {"rnn_arrays/lstm:activation": data}}

    def read_blob(self, _: Any, *, blob_key: str) -> bytes:
        self.asked[f"blob {blob_key}"] += 1
        if blob_key in self.failing:
            raise self.failing[blob_key]
        step, _, index = blob_key.partition("/")
        return self.steps[int(step)][1].blobs[int(index)]

    def taken(self) -> dict[str, int]:
        """What was asked since the last time."""
        taken, self.asked = dict(self.asked), collections.Counter()
        return taken


def rnn_data(source: Provider) -> RnnData:
    return RnnData(cast("provider.DataProvider", source))


def record(step: int, width: int) -> LayerRecord:
    array = np.random.default_rng(step).standard_normal((5, 1, width), dtype=np.float32)
    return LayerRecord("lstm", sequences={"activation": array})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that query.py sees; a second of it is how long it trusts a listing."""
    now = [0.0]
    monkeypatch.setattr("tb_rnn_plugin.serving.query.time.monotonic", lambda: now[0])
    return now


def samples(data: RnnData, step: int, *wanted: int) -> list[FloatArray | None]:
    kept = data.kept_step(None, "", SERIES, step)
    keys = [ArrayKey(sample=sample) for sample in wanted] or None
    ((*found,),) = data.arrays(None, "", [(SERIES, kept, keys)])
    return [one.array for one in found]


def test_one_step_of_a_thousand_costs_the_blobs_of_that_step(clock: list[float]) -> None:
    source = Provider(1000)
    data = rnn_data(source)
    (found,) = samples(data, 500, 3)
    assert found is not None
    assert np.array_equal(found, record(500, 4).sequences["activation"][3])
    assert source.taken() == {**ONCE, "blob 500/0": 1}
    samples(data, 501, 3)  # scrubbing on
    assert source.taken() == {"blob 501/0": 1}


def test_only_the_blobs_that_are_wanted_are_read(clock: list[float]) -> None:
    source = Provider(3, LARGE)
    data = rnn_data(source)
    samples(data, 1, 3)
    assert source.taken() == {**ONCE, "blob 1/0": 1, "blob 1/3": 1}
    samples(data, 1, 3, 4)  # where they lie is remembered
    assert source.taken() == {"blob 1/3": 1, "blob 1/4": 1}
    assert len(samples(data, 1)) == 5
    assert source.taken() == {f"blob 1/{i}": 1 for i in range(5)}


def test_a_series_is_read_again_only_when_something_new_is_listed(clock: list[float]) -> None:
    source = Provider(3)
    data = rnn_data(source)
    for _ in range(5):
        clock[0] += 1
        assert [one.step for one in data.summaries(None, "", SERIES)] == [0, 1, 2]
        assert list(data.kept_steps(None, "", SERIES)) == [0, 1, 2]
    asked = source.taken()
    assert (asked["read_tensors"], asked["read_blob_sequences"]) == (1, 1)
    clock[0] += 1
    source.write(3, 3.0)
    assert len(data.summaries(None, "", SERIES)) == len(data.kept_steps(None, "", SERIES)) == 4
    asked = source.taken()
    assert (asked["read_tensors"], asked["read_blob_sequences"]) == (1, 1)


def test_a_step_that_is_written_again_is_read_again(clock: list[float]) -> None:
    source = Provider(3)
    data = rnn_data(source)
    before = samples(data, 2, 0)
    source.record = record(99, 4)
    source.steps[2] = 50.0, encoding.encode(record(99, 4), samples=None, dtype="float32")[0]
    clock[0] += 1
    (after,) = samples(data, 2, 0)
    assert after is not None
    assert before[0] is not None
    assert not np.array_equal(before[0], after)
    assert data.kept_step(None, "", SERIES, 2).wall_time == 50.0


def test_who_has_seen_a_step_in_the_listing_is_not_answered_from_before_it(clock: list[float]) -> None:
    source = Provider(3)
    data = rnn_data(source)
    assert len(data.summaries(None, "", SERIES)) == len(data.kept_steps(None, "", SERIES)) == 3
    source.write(3, 3.0)
    (run,) = data.listing(None, "").runs
    assert run.series[0].last_step == 3
    assert len(data.summaries(None, "", SERIES)) == len(data.kept_steps(None, "", SERIES)) == 4


def test_the_listing_reads_nothing() -> None:
    source = Provider(1000)
    (run,) = rnn_data(source).listing(None, "").runs
    assert (run.run, run.position, [one.last_step for one in run.series]) == ("run", 0, [999])
    assert source.taken() == {"list_runs": 1, "list_tensors": 1, "list_blob_sequences": 1}


def test_no_more_summaries_are_asked_for_than_one_answer_can_hold() -> None:
    source = Provider(3)
    read = source.read_tensors
    asked: list[int] = []

    def counted(*given: Any, **options: Any) -> Any:
        asked.append(options["downsample"])
        return read(*given, **options)

    source.read_tensors = counted  # type: ignore[method-assign]
    rnn_data(source).summaries(None, "", SERIES)
    # TensorBoard's data server answers with 256 MB at most; a light summary of many gates has 20 KB.
    assert [most * 20_000 < 256 * 2**20 for most in asked] == [True]


@pytest.mark.parametrize("error", [errors.NotFoundError("gone"), KeyError("run"), IndexError(3), TypeError("scalar")])
def test_a_blob_that_is_gone_is_missing_and_the_others_are_answered(error: Exception) -> None:
    source = Provider(1, LARGE)
    data = rnn_data(source)
    source.failing = {"0/2": error}
    found = samples(data, 0)
    assert [one is None for one in found] == [False, False, True, False, False]
    source.failing = {"0/0": error}
    assert samples(rnn_data(source), 0, 4) == [None]


def test_what_a_restart_overtook_is_left_out() -> None:
    source = Provider(4)
    read = source.read_tensors

    def both(*given: Any, **more: Any) -> Any:
        found = read(*given, **more)
        first = found["run"]["rnn/lstm:activation"]
        again = [provider.TensorDatum(one.step, one.wall_time + 100, one.numpy) for one in first[1:3]]
        return {"run": {"rnn/lstm:activation": first + again}}

    source.read_tensors = both  # type: ignore[method-assign]
    data = rnn_data(source)
    found = data.summaries(None, "", SERIES)
    assert [(one.step, one.wall_time) for one in found] == [(0, 0.0), (1, 101.0), (2, 102.0)]
    # Of the arrays the loader gives those of the first time, of the steps after them too.
    assert list(data.kept_steps(None, "", SERIES)) == [0]


def test_what_a_restart_has_left_nothing_of_yet_is_not_listed() -> None:
    source = Provider(1)
    source.steps.clear()
    assert rnn_data(source).listing(None, "").runs == []


def test_arrays_are_listed_before_their_summaries_are(clock: list[float]) -> None:
    source = Provider(3)
    source.list_tensors = lambda *_, **__: {}  # type: ignore[method-assign]
    assert list(rnn_data(source).kept_steps(None, "", SERIES)) == [0, 1, 2]


def test_a_run_whose_name_the_data_server_can_t_read_is_told_of() -> None:
    source = Provider(1)
    source.failing = {"0/0": errors.InvalidArgumentError("failed to parse blob key")}
    data = rnn_data(source)
    ((found,),) = data.arrays(None, "", [(SERIES, data.kept_step(None, "", SERIES, 0), None)])
    assert "--load_fast=false" in found.reason


@pytest.mark.parametrize(
    "series", [SeriesKey("x", "lstm", "activation"), SeriesKey("run", "x", "activation"), SeriesKey("run", "lstm", "x")]
)
def test_what_does_not_exist_is_named(series: SeriesKey) -> None:
    data = rnn_data(Provider(1))
    for method in (data.summaries, data.kept_steps):
        with pytest.raises(NotFoundError, match="'x'"):
            method(None, "", series)
    with pytest.raises(NotFoundError, match=r"0, 1, 2.*got 7"):
        rnn_data(Provider(3)).kept_step(None, "", SERIES, 7)
