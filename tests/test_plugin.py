"""The routes, over HTTP and under both loaders."""

import re
import struct
import urllib.parse
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import __version__, metadata, plugin
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import QuantitySummary, SeriesMetadata
from tb_rnn_plugin.serving import static_files
from tb_rnn_plugin.serving.query import ListedRun, ListedSeries, Listing, SeriesKey
from tests import logs
from tests.serving import TensorBoard, decoded, wait_for
from tests.test_pooling import brute_force

ARRAYS: dict[str, Any] = {"run": "directory", "layer": logs.LAYER, "quantity": "output_gradient", "step": 50}
GRADIENT = logs.records(50)[0].sequences["output_gradient"]


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


class TestArrays:
    def test_samples_in_the_order_asked_for(self, board: TensorBoard) -> None:
        found = board.arrays(**ARRAYS, sample=[4, 1, 4])
        assert [one.info["sample"] for one in found] == [4, 1]
        assert [one.data for one in found] == [GRADIENT[4].tobytes(), GRADIENT[1].tobytes()]
        assert [(one.info["nan"], one.info["inf"]) for one in found] == [(0, 0), (1, 1)]

    def test_matrices(self, board: TensorBoard) -> None:
        wanted = {**ARRAYS, "quantity": "weights", "matrix": ["backward/bias", "forward/recurrent_kernel"]}
        found = board.arrays(**wanted)
        weights = logs.records(50)[0].weights
        assert [one.info["matrix"] for one in found] == wanted["matrix"]
        assert [one.info["shape"] for one in found] == [[1, 1024], [256, 1024]]
        assert found[0].data == weights["backward"]["bias"].tobytes()
        assert found[1].data == weights["forward"]["recurrent_kernel"].tobytes()

    def test_several_runs_each_at_a_step_of_its_own(self, board: TensorBoard) -> None:
        answer = board.get(
            "arrays",
            run=["directory", "many", "directory"],
            layer=logs.LAYER,
            quantity="activation",
            step=[50, 0, 100],
            sample=0,
        )
        found, missing = decoded(answer)
        assert [one.info["step"] for one in found] == [50, 100]
        assert [one.values.tobytes() for one in found] == [
            logs.records(step)[0].sequences["activation"][0].tobytes() for step in (50, 100)
        ]
        assert [(one["run"], one["step"]) for one in missing] == [("many", 0)]

    def test_a_sample_that_was_not_kept_is_missing(self, board: TensorBoard) -> None:
        found, missing = decoded(board.get("arrays", **ARRAYS, sample=[0, 6]))
        assert [one.info["sample"] for one in found] == [0]
        assert [one["sample"] for one in missing] == [6]
        assert "sample 5" in missing[0]["reason"]

    @pytest.mark.parametrize("size", [{"max_rows": 7}, {"max_columns": 100}, {"max_rows": 1, "max_columns": 1}])
    def test_pooling(self, board: TensorBoard, size: dict[str, int]) -> None:
        for found in board.arrays(**ARRAYS, **size):
            info = found.info
            expected = brute_force(GRADIENT[info["sample"]], info["row_block"], info["column_block"])
            assert info["full_shape"] == [40, 512]
            assert info["shape"] == list(expected.shape)
            assert info["shape"][0] <= size.get("max_rows", 40)
            assert info["shape"][1] <= size.get("max_columns", 512)
            assert np.array_equal(found.values, expected, equal_nan=True)

    def test_bfloat16_is_the_upper_half(self, board: TensorBoard) -> None:
        found = board.arrays(**ARRAYS, sample=0, dtype="bfloat16")[0]
        assert found.info["bytes"] == 40 * 512 * 2
        assert np.allclose(found.values, GRADIENT[0], rtol=2**-8, atol=0)
        with_nan = board.arrays(**ARRAYS, sample=1, dtype="bfloat16")[0].values
        assert (np.isnan(with_nan) == np.isnan(GRADIENT[1])).all()

    def test_the_etag_is_of_what_was_asked(self, board: TensorBoard) -> None:
        etags = [
            board.get("arrays", **{**ARRAYS, "sample": 0, **other}).headers["etag"]
            for other in (
                {},
                {"sample": 1},
                {"step": 100},
                {"max_rows": 5},
                {"dtype": "bfloat16"},
                {"first_row": 1},
                {"rows": 39},
                {"first_column": 1},
                {"columns": 511},
                {"split": 256},
                {"split": 256, "reflect": "on"},
                {"order": "magnitude"},
                {"order": "similarity"},
                {"order": "similarity", "order_sample": 1},
                {"order": "similarity", "order_step": 100},
                SMALL,
            )
        ]
        assert len(set(etags)) == len(etags)
        assert board.get("arrays", **ARRAYS, sample=0, etag=etags[0]).status == 304

    @pytest.mark.parametrize(
        "region",
        [
            {"first_row": 5, "rows": 7, "first_column": 250, "columns": 20},
            {"first_row": 39},
            {"rows": 1, "columns": 1, "max_rows": 1, "max_columns": 1},
            {"first_column": 200, "columns": 9999, "max_columns": 30, "max_rows": 9},
            {"first_row": 1, "rows": 20, "first_column": 100, "columns": 300, "reflect": "on", "max_columns": 40},
            {"reflect": "on"},
        ],
    )
    def test_a_region(self, board: TensorBoard, region: dict[str, Any]) -> None:
        for found in board.arrays(**ARRAYS, **region, split=256):
            info = found.info
            array = GRADIENT[info["sample"]]
            halves = [array[:, :256], array[::-1, 256:] if "reflect" in region else array[:, 256:]]
            first_row, first_column = region.get("first_row", 0), region.get("first_column", 0)
            rows = slice(first_row, first_row + region.get("rows", 40))
            ends = first_column, min(512, first_column + region.get("columns", 512))
            cut = [halves[0][rows, ends[0] : min(256, ends[1])], halves[1][rows, max(0, ends[0] - 256) : ends[1] - 256]]
            if ends[1] <= 256:
                cut = cut[:1]
            pooled = [brute_force(part, info["row_block"], info["column_block"]) for part in cut]
            assert np.array_equal(found.values, np.concatenate(pooled, axis=1), equal_nan=True)
            assert info["shape"] == list(found.values.shape)
            assert (info["first_row"], info["first_column"]) == (first_row, first_column)
            assert (info["rows"], info["columns"]) == (len(cut[0]), ends[1] - ends[0])
            assert info["full_shape"] == [40, 512]
            finite = array[np.isfinite(array)]
            assert (np.float32(info["low"]), np.float32(info["high"])) == (finite.min(), finite.max())
            assert (info["nan"], info["inf"]) == ((1, 1) if info["sample"] == 1 else (0, 0))

    def test_mean_magnitudes_come_with_every_sample(self, board: TensorBoard) -> None:
        answer = board.get("arrays", **ARRAYS, sample=[0, 1], split=256, max_rows=8)
        body = answer.body[4 + int.from_bytes(answer.body[:4], "little") :]
        for found in decoded(answer)[0]:
            place = found.info["marginals"]
            assert place["offset"] % 8 == 0
            means = np.frombuffer(body[place["offset"] : place["offset"] + place["bytes"]], "<f4")
            array = np.abs(GRADIENT[found.info["sample"]].astype(float))
            array[~np.isfinite(array)] = np.nan
            rows = [np.nanmean(half.reshape(8, -1), axis=1) for half in (array[:, :256], array[:, 256:])]
            assert means == pytest.approx(np.concatenate([*rows, np.nanmean(array, axis=0)]), rel=1e-5)
            assert found.info["channel_norms"] is None

    def test_norms_of_channels_come_with_every_matrix(self, board: TensorBoard) -> None:
        answer = board.get(
            "arrays", **{**ARRAYS, "quantity": "weights"}, matrix="forward/kernel", first_column=250, columns=12, rows=2
        )
        body = answer.body[4 + int.from_bytes(answer.body[:4], "little") :]
        (found,) = decoded(answer)[0]
        kernel = logs.records(ARRAYS["step"])[0].weights["forward"]["kernel"].astype(float)
        norms = np.sqrt((kernel**2).sum(axis=0))
        place = found.info["channel_norms"]
        assert place["offset"] % 8 == 0
        sent = np.frombuffer(body[place["offset"] : place["offset"] + place["bytes"]], "<f4")
        assert sent == pytest.approx(norms[250:262], rel=1e-6)
        assert found.info["largest_channel_norm"] == pytest.approx(norms.max(), rel=1e-6)
        assert found.info["marginals"] is None

    def test_channels_in_order(self, board: TensorBoard) -> None:
        means = np.abs(np.where(np.isfinite(GRADIENT[1]), GRADIENT[1], 0).astype(float)).sum(axis=0)
        order = np.concatenate([np.argsort(-means[:256]), 256 + np.argsort(-means[256:])])
        ordered = {"order": "magnitude", "order_sample": 1, "split": 256}
        for found in board.arrays(**ARRAYS, sample=[0, 1], first_column=250, columns=20, **ordered):
            assert found.info["channels"] == order[250:270].tolist()
            assert found.info["order"] == "magnitude"
            assert np.array_equal(found.values, GRADIENT[found.info["sample"]][:, order[250:270]], equal_nan=True)
        earlier = {**ARRAYS, "step": 100, "order_step": 50}
        (found,) = board.arrays(**earlier, sample=0, **ordered)
        assert found.info["channels"] == order.tolist()
        assert np.array_equal(found.values, logs.records(100)[0].sequences["output_gradient"][0][:, order])
        for measure in ("first_active", "similarity"):
            (found,) = board.arrays(**ARRAYS, sample=0, order=measure)
            assert sorted(found.info["channels"]) == list(range(512))
            assert np.array_equal(found.values, GRADIENT[0][:, found.info["channels"]])

    def test_runs_that_a_region_or_an_order_is_beyond_are_missing(self, board: TensorBoard) -> None:
        wanted: dict[str, Any] = {
            "run": ["directory", "small"],
            "layer": [logs.LAYER, "a/b"],
            "quantity": "activation",
            "step": [50, 11],
        }
        found, missing = decoded(board.get("arrays", **wanted, sample=0, first_column=100))
        assert [one.info["run"] for one in found] == ["directory"]
        assert [(one["run"], one["reason"]) for one in missing] == [
            ("small", "there are no columns from 100 on: there are 3.")
        ]
        found, missing = decoded(board.get("arrays", **wanted, sample=0, order="magnitude", order_sample=5))
        assert [one.info["run"] for one in found] == ["directory"]
        assert missing[0]["reason"].startswith("order_sample: there is no sample 5")

    def test_a_head_request_has_no_body(self, board: TensorBoard) -> None:
        answer = board.get("arrays", **ARRAYS, method="HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers["content-length"]) > GRADIENT.nbytes


SMALL: dict[str, Any] = {"run": "small", "layer": "a/b", "quantity": "activation", "step": 11}
QUERY = urllib.parse.urlencode(ARRAYS)
SERIES = "run=small&layer=a/b&quantity=activation"

BAD = {
    "series": 400,
    "series?run=small": 400,
    "series?run=small&layer=a/b": 400,
    "series?" + "&".join(["run=small"] * 65) + "&layer=a/b&quantity=activation": 400,
    f"series?{SERIES}&layer=c&layer=d": 400,
    "series?run=none&layer=a/b&quantity=activation": 404,
    "series?run=small&layer=none&quantity=activation": 404,
    "series?run=small&layer=a/b&quantity=none": 404,
    "series?run=%ff%fe&layer=%00&quantity=%f0%9f%98%80": 404,
    "series?run=" + "x" * 5000 + "&layer=a/b&quantity=activation": 404,
    "arrays": 400,
    f"arrays?{SERIES}": 400,
    f"arrays?{SERIES}&step=": 400,
    f"arrays?{SERIES}&step=-1": 400,
    f"arrays?{SERIES}&step=1.5": 400,
    f"arrays?{SERIES}&step=1e3": 400,
    f"arrays?{SERIES}&step=%2B1": 400,
    f"arrays?{SERIES}&step=0x1": 400,
    f"arrays?{SERIES}&step=1_0": 400,
    f"arrays?{SERIES}&step=+11": 400,
    f"arrays?{SERIES}&step=%D9%A1": 400,  # an Arabic digit
    f"arrays?{SERIES}&step=%C2%B2": 400,  # a superscript, which is a digit to str.isdigit
    f"arrays?{SERIES}&step=" + "9" * 30: 400,
    f"arrays?{SERIES}&step=" + "9" * 18: 404,
    f"arrays?{SERIES}&step=12": 404,
    f"arrays?{SERIES}&step=11&step=10": 400,
    f"arrays?{QUERY}&sample=-1": 400,
    f"arrays?{QUERY}&sample=x": 400,
    f"arrays?{QUERY}&sample=6": 404,
    f"arrays?{QUERY}&sample=99999999999999999999": 400,
    f"arrays?{QUERY}" + "&sample=0" * 65: 400,
    f"arrays?{QUERY}&matrix=forward/kernel": 404,
    f"arrays?{QUERY}&matrix=kernel": 400,
    f"arrays?{QUERY}&matrix=/": 400,
    f"arrays?{QUERY}&sample=0&matrix=forward/kernel": 400,
    f"arrays?{QUERY}&max_rows=0": 400,
    f"arrays?{QUERY}&max_rows=8193": 400,
    f"arrays?{QUERY}&max_columns=1000000000": 400,
    f"arrays?{QUERY}&max_columns=1e9": 400,
    f"arrays?{QUERY}&max_columns=-5": 400,
    f"arrays?{QUERY}&max_columns=": 400,
    f"arrays?{QUERY}&dtype=float16": 400,
    f"arrays?{QUERY}&dtype=": 400,
    f"arrays?{QUERY}&first_row=-1": 400,
    f"arrays?{QUERY}&first_row=": 400,
    f"arrays?{QUERY}&first_row=1.5": 400,
    f"arrays?{QUERY}&first_row=" + "9" * 18: 404,
    f"arrays?{QUERY}&first_row=" + "9" * 19: 400,
    f"arrays?{QUERY}&first_row=40": 404,
    f"arrays?{QUERY}&first_column=512": 404,
    f"arrays?{QUERY}&rows=0": 400,
    f"arrays?{QUERY}&rows=x": 400,
    f"arrays?{QUERY}&columns=0": 400,
    f"arrays?{QUERY}&columns=-3": 400,
    f"arrays?{QUERY}&split=0": 400,
    f"arrays?{QUERY}&split=half": 400,
    f"arrays?{QUERY}&reflect=on": 400,
    f"arrays?{QUERY}&reflect=1&split=256": 400,
    f"arrays?{QUERY}&order=size": 400,
    f"arrays?{QUERY}&order_sample=1": 400,
    f"arrays?{QUERY}&order_step=50": 400,
    f"arrays?{QUERY}&order=magnitude&order_step=x": 400,
    f"arrays?{QUERY}&order=magnitude&order_step=50&order_step=100": 400,
    f"arrays?{QUERY}&order=magnitude&order_step=51": 404,
    f"arrays?{QUERY}&order=magnitude&order_sample=-1": 400,
    f"arrays?{QUERY}&order=magnitude&order_sample=6": 404,
    "arrays?run=directory&layer=encoder/bilstm&quantity=weights&step=50&order=magnitude": 400,
    "arrays?" + "&".join(["run=directory"] * 9) + f"&{QUERY}": 400,
    "static/nothing.js": 404,
    "static/../plugin.py": 404,
    "static/%2e%2e/plugin.py": 404,
    "static/..%2fplugin.py": 404,
    "static/..%5cplugin.py": 404,
    "static/%2e%2e%2f%2e%2e%2fetc/passwd": 404,
    "static//etc/passwd": 404,
    "static/%2fetc%2fpasswd": 404,
    "static/./../__init__.py": 404,
    "static/%00": 404,
    "static/" + "x" * 5000: 404,
    "static/a/static/../../../plugin.py": 404,
}


@pytest.mark.parametrize("route", BAD, ids=lambda route: re.sub(r"(.{60}).*", r"\1…", route))
def test_nonsense_is_answered_as_json(board: TensorBoard, route: str) -> None:
    answer = board.get(route)
    assert (answer.status, list(answer.json)) == (BAD[route], ["error"]), answer
    assert answer.json["error"]


@pytest.mark.parametrize("route", [route for route in BAD if route.startswith(("series", "arrays"))][::5])
def test_nonsense_and_no_data_at_all(empty_board: TensorBoard, route: str) -> None:
    answer = empty_board.get(route)
    assert answer.status in {400, 404}
    assert answer.json["error"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("route", ["index", f"series?{SERIES}", f"arrays?{QUERY}", "index.js", "static/index.js"])
def test_other_methods_are_405(board: TensorBoard, method: str, route: str) -> None:
    answer = board.get(route, method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert method in answer.json["error"]


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


@pytest.mark.parametrize(
    ("route", "wanted"), [("series", ARRAYS), ("arrays", ARRAYS), ("health", {"run": "small"}), ("index.js", {})]
)
def test_a_304_has_the_headers_that_tensorboard_wants(board: TensorBoard, route: str, wanted: dict[str, Any]) -> None:
    first = board.get(route, **wanted)
    again = board.get(route, **wanted, etag=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    for header in ("content-type", "x-content-type-options", "cache-control", "etag"):
        assert again.headers[header] == first.headers[header]


def test_nothing_was_logged_as_failed(board: TensorBoard) -> None:
    log = board.log.read_text()
    assert "Traceback" not in log
    assert "security_validator" not in log  # TensorBoard's word on responses that lack a header


def test_the_entry_is_a_module(board: TensorBoard) -> None:
    answer = board.get("index.js")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert b"render" in answer.body
    assert board.get("index.js", etag=answer.headers["etag"]).status == 304


def test_the_tab_is_listed_once_there_is_data(board: TensorBoard, empty_board: TensorBoard) -> None:
    for one, enabled in ((board, True), (empty_board, False)):
        listed = one.get("/data/plugins_listing").json["rnn"]
        assert listed["enabled"] is enabled
        assert listed["tab_name"] == "RNN"


def test_routes_below_a_path_prefix(flagged_board: TensorBoard) -> None:
    base = "/static/data/data/plugin/rnn/"
    assert flagged_board.get(f"{base}index.js").status == 200
    assert flagged_board.get(f"{base}static/nothing.js").json == {"error": "there is no static file 'nothing.js'."}
    answer = flagged_board.get(f"{base}arrays", **{**SMALL, "run": "."})
    ((array,), _) = decoded(answer)
    assert np.array_equal(array.values, logs.small(11).sequences["activation"][0])


def test_the_note_in_place_of_a_missing_frontend_is_sound_javascript() -> None:
    lines = static_files._NOT_BUILT.splitlines()
    assert all(line.count('"') % 2 == 0 for line in lines)
    assert static_files._NOT_BUILT.count("{") == static_files._NOT_BUILT.count("}")


def test_the_binary_head_is_padded_with_spaces(board: TensorBoard) -> None:
    body = board.get("arrays", **SMALL).body
    (length,) = struct.unpack_from("<I", body)
    head = body[4 : 4 + length]
    assert (4 + length) % 8 == 0
    assert head.rstrip(b" ").endswith(b"}")


def test_largest_of_what_is_not_finite_is_null() -> None:
    series = SeriesKey("r", "l", "activation")
    content = plugin.series_impl(series, [], [])
    assert content["largest"] == []
    assert plugin._largest_magnitude(QuantitySummary()) is None
