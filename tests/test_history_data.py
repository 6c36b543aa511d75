"""What the health of runs costs: how often the data provider is asked, and for what."""

from typing import Any, cast

from tensorboard.data import provider

from tb_rnn_plugin.diagnostics.thresholds import DEFAULT
from tb_rnn_plugin.serving.history_data import HistoryData, Loss
from tb_rnn_plugin.serving.query import RnnData
from tests.test_query import Provider

LOSSES = {
    "a": {"val_loss": 1, "loss": 2},
    "b/train": {"epoch_loss": 3, "loss_2": 4},
    "train": {"my loss": 5},
    "c": {"x": 6},
}


class ProviderOfScalars(Provider):
    """With losses of some runs, too."""

    def list_scalars(self, _: Any, *, run_tag_filter: provider.RunTagFilter, **__: Any) -> Any:
        self.asked["list_scalars"] += 1
        return {run: tags for run, tags in LOSSES.items() if run in (run_tag_filter.runs or ())}

    def read_scalars(self, _: Any, *, run_tag_filter: provider.RunTagFilter, **__: Any) -> Any:
        self.asked["read_scalars"] += 1
        assert run_tag_filter.runs is not None
        assert run_tag_filter.tags is not None
        return {
            run: {tag: [provider.ScalarDatum(7, 0.0, tags[tag])] for tag in tags if tag in run_tag_filter.tags}
            for run, tags in LOSSES.items()
            if run in run_tag_filter.runs
        }


def history_data(source: Provider) -> HistoryData:
    as_provider = cast("provider.DataProvider", source)
    return HistoryData(RnnData(as_provider), as_provider)


def steps(data: HistoryData) -> list[int]:
    (run,) = data.listing(None, "").runs
    ((history,),) = [layer.quantities.values() for layer in data.layers(None, "", run, None, DEFAULT)]
    found: list[int] = history.steps.tolist()
    return found


def test_a_history_is_read_again_only_when_a_summary_was_added() -> None:
    source = Provider(3)
    data = history_data(source)
    assert steps(data) == [0, 1, 2]
    listing = {"list_runs": 1, "list_tensors": 1, "list_blob_sequences": 1}
    assert source.taken() == {**listing, "list_tensors": 2, "read_tensors": 1}
    assert steps(data) == [0, 1, 2]
    assert source.taken() == listing
    source.write(3, 3.0)
    assert steps(data) == [0, 1, 2, 3]
    assert source.taken() == {**listing, "list_tensors": 2, "read_tensors": 1}


def test_losses_of_all_runs_are_asked_for_at_once() -> None:
    source = ProviderOfScalars(1)
    found = history_data(source).losses(None, "", ["a", "b", ".", "c", "d"])
    assert found == {
        "a": Loss("a", "loss", [7], [2.0]),
        "b": Loss("b/train", "loss_2", [7], [4.0]),
        ".": Loss("train", "my loss", [7], [5.0]),
    }
    assert source.taken() == {"list_scalars": 1, "read_scalars": 1}
    assert history_data(source).losses(None, "", ["c"]) == {}
    assert source.taken() == {"list_scalars": 1}
