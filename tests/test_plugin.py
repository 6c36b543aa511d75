"""The tab, and its index and series, over HTTP and under both loaders."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import __version__, metadata, plugin
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import QuantitySummary, SeriesMetadata
from tb_rnn_plugin.serving.query import ListedRun, ListedSeries, Listing, SeriesKey
from tests import logs
from tests.serving import TensorBoard, decoded, wait_for


class TestIndex:
    def test_runs_stand_where_tensorboard_has_them(self, board: TensorBoard) -> None:
        runs = board.get("/data/runs").json
        found = board.get("index").json["runs"]
        assert [run["run"] for run in found] == [run for run in runs if run != "no rnn data"]
        assert all(runs[run["position"]] == run["run"] for run in found)

    def test_an_unchanged_index_is_a_304(self, board: TensorBoard) -> None:
        # Another test may have begun a run that is still being read.
        def unchanged() -> bool:
            first = board.get("index")
            assert first.headers["etag"] == f'"{first.json["revision"]}"'
            again = board.get("index", etag=first.headers["etag"])
            return again.status == 304 and again.body == b""

        wait_for("an index that stays as it is", unchanged)
        assert board.get("index", etag='"another"').status == 200

    def test_what_is_not_ours_is_left_out(self, board: TensorBoard) -> None:
        index = board.index()
        assert "no rnn data" not in index
        assert [layer["layer"] for layer in index["damaged"]["layers"]] == ["good", *logs.DAMAGE[:-1]]

    def test_a_convolutional_layer_says_how_its_channels_lie(self) -> None:
        record = LayerRecord("conv", cell="lstm", units=2, space=(3, 4), sequences={"activation": np.zeros((1, 1, 24))})
        series = SeriesMetadata(layer=metadata.layer_message(record, 0), quantity="activation")
        listing = Listing([ListedRun("run", 0, [ListedSeries(series, 0, 0.0)])], experiment_has_runs=True)
        (layer,) = plugin.index_impl(listing)["runs"][0]["layers"]
        assert layer["space"] == [3, 4]

    def test_nothing_at_all(self, empty_board: TensorBoard) -> None:
        content = empty_board.get("index").json
        assert content.pop("revision")
        assert content == {"version": __version__, "experiment_has_runs": False, "runs": []}

    def test_nothing_is_asked_twice_from_a_browsers_cache(self, board: TensorBoard) -> None:
        assert board.get("index").headers["cache-control"] == "private, no-cache"


class TestSeries:
    def test_several_runs_and_one_that_does_not_have_it(self, board: TensorBoard) -> None:
        answer = board.get("series", run=["small", "many", "directory"], layer="a/b", quantity="activation")
        assert [one["run"] for one in answer.json["series"]] == ["small", "many"]
        (missing,) = answer.json["missing"]
        assert missing["run"] == "directory"
        assert missing["reason"]

    def test_layers_and_quantities_may_be_given_for_each_run(self, board: TensorBoard) -> None:
        answer = board.get(
            "series", run=["small", "directory"], layer=["a/b", logs.LAYER], quantity=["activation", "weights"]
        )
        assert [(one["layer"], one["quantity"]) for one in answer.json["series"]] == [
            ("a/b", "activation"),
            (logs.LAYER, "weights"),
        ]

    def test_an_unchanged_series_is_a_304(self, board: TensorBoard) -> None:
        wanted = {"run": "small", "layer": "a/b", "quantity": "activation"}
        first = board.get("series", **wanted)
        assert board.get("series", **wanted, etag=first.headers["etag"]).status == 304


@pytest.mark.parametrize("kind", [*logs.DAMAGE, "good"])
def test_damage_is_not_a_500_and_stays_where_it_is(board: TensorBoard, kind: str) -> None:
    wanted: dict[str, Any] = {"run": "damaged", "layer": kind, "quantity": "activation"}
    series, arrays = board.get("series", **wanted), board.get("arrays", **wanted, step=0)
    damaged_light = kind in {"text", "rank 1", "floats"}
    assert series.status == 200
    (found,) = series.json["series"]
    # Of a tag that it does not like, the default loader keeps nothing.
    assert found["steps"] == ([] if damaged_light else [0])
    if kind in {"blobs", "no blobs", "rank 0", "float blobs", "huge"}:
        assert (arrays.status, list(arrays.json)) == (404, ["error"])
    else:
        (entries, missing) = decoded(arrays)
        assert [entry.info["sample"] for entry in entries] == ([0] if kind == "cut" else [0, 1])
        assert len(missing) == (kind == "cut")


def test_the_tab_is_listed_once_there_is_data(board: TensorBoard, empty_board: TensorBoard) -> None:
    for one, enabled in ((board, True), (empty_board, False)):
        listed = one.get("/data/plugins_listing").json["rnn"]
        assert listed["enabled"] is enabled
        assert listed["tab_name"] == "RNN"


def test_routes_below_a_path_prefix(flagged_board: TensorBoard) -> None:
    base = "/static/data/data/plugin/rnn/"
    assert flagged_board.get(f"{base}index.js").status == 200
    assert flagged_board.get(f"{base}static/nothing.js").json == {"error": "there is no static file 'nothing.js'."}
    answer = flagged_board.get(f"{base}arrays", **{**logs.SMALL_ARRAYS, "run": "."})
    ((array,), _) = decoded(answer)
    assert np.array_equal(array.values, logs.small(11).sequences["activation"][0])


def test_largest_of_what_is_not_finite_is_null() -> None:
    series = SeriesKey("r", "l", "activation")
    content = plugin.series_impl(series, [], [])
    assert content["largest"] == []
    assert plugin._largest_magnitude(QuantitySummary()) is None
