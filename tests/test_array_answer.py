"""The arrays route, over HTTP and under both loaders."""

import struct
from typing import Any

import numpy as np
import pytest

from tests import logs
from tests.serving import TensorBoard, decoded
from tests.test_pooling import brute_force

GRADIENT = logs.records(50)[0].sequences["output_gradient"]


def test_samples_in_the_order_asked_for(board: TensorBoard) -> None:
    found = board.arrays(**logs.ARRAYS, sample=[4, 1, 4])
    assert [one.info["sample"] for one in found] == [4, 1]
    assert [one.data for one in found] == [GRADIENT[4].tobytes(), GRADIENT[1].tobytes()]
    assert [(one.info["nan"], one.info["inf"]) for one in found] == [(0, 0), (1, 1)]


def test_matrices(board: TensorBoard) -> None:
    wanted = {**logs.ARRAYS, "quantity": "weights", "matrix": ["backward/bias", "forward/recurrent_kernel"]}
    found = board.arrays(**wanted)
    weights = logs.records(50)[0].weights
    assert [one.info["matrix"] for one in found] == wanted["matrix"]
    assert [one.info["shape"] for one in found] == [[1, 1024], [256, 1024]]
    assert found[0].data == weights["backward"]["bias"].tobytes()
    assert found[1].data == weights["forward"]["recurrent_kernel"].tobytes()


def test_several_runs_each_at_a_step_of_its_own(board: TensorBoard) -> None:
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


def test_a_sample_that_was_not_kept_is_missing(board: TensorBoard) -> None:
    found, missing = decoded(board.get("arrays", **logs.ARRAYS, sample=[0, 6]))
    assert [one.info["sample"] for one in found] == [0]
    assert [one["sample"] for one in missing] == [6]
    assert "sample 5" in missing[0]["reason"]


@pytest.mark.parametrize("size", [{"max_rows": 7}, {"max_columns": 100}, {"max_rows": 1, "max_columns": 1}])
def test_pooling(board: TensorBoard, size: dict[str, int]) -> None:
    for found in board.arrays(**logs.ARRAYS, **size):
        info = found.info
        expected = brute_force(GRADIENT[info["sample"]], info["row_block"], info["column_block"])
        assert info["full_shape"] == [40, 512]
        assert info["shape"] == list(expected.shape)
        assert info["shape"][0] <= size.get("max_rows", 40)
        assert info["shape"][1] <= size.get("max_columns", 512)
        assert np.array_equal(found.values, expected, equal_nan=True)


def test_bfloat16_is_the_upper_half(board: TensorBoard) -> None:
    found = board.arrays(**logs.ARRAYS, sample=0, dtype="bfloat16")[0]
    assert found.info["bytes"] == 40 * 512 * 2
    assert np.allclose(found.values, GRADIENT[0], rtol=2**-8, atol=0)
    with_nan = board.arrays(**logs.ARRAYS, sample=1, dtype="bfloat16")[0].values
    assert (np.isnan(with_nan) == np.isnan(GRADIENT[1])).all()


def test_the_etag_is_of_what_was_asked(board: TensorBoard) -> None:
    etags = [
        board.get("arrays", **{**logs.ARRAYS, "sample": 0, **other}).headers["etag"]
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
            logs.SMALL_ARRAYS,
        )
    ]
    assert len(set(etags)) == len(etags)
    assert board.get("arrays", **logs.ARRAYS, sample=0, etag=etags[0]).status == 304


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
def test_a_region(board: TensorBoard, region: dict[str, Any]) -> None:
    for found in board.arrays(**logs.ARRAYS, **region, split=256):
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


def test_mean_magnitudes_come_with_every_sample(board: TensorBoard) -> None:
    answer = board.get("arrays", **logs.ARRAYS, sample=[0, 1], split=256, max_rows=8)
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


def test_norms_of_channels_come_with_every_matrix(board: TensorBoard) -> None:
    answer = board.get(
        "arrays",
        **{**logs.ARRAYS, "quantity": "weights"},
        matrix="forward/kernel",
        first_column=250,
        columns=12,
        rows=2,
    )
    body = answer.body[4 + int.from_bytes(answer.body[:4], "little") :]
    (found,) = decoded(answer)[0]
    kernel = logs.records(logs.ARRAYS["step"])[0].weights["forward"]["kernel"].astype(float)
    norms = np.sqrt((kernel**2).sum(axis=0))
    place = found.info["channel_norms"]
    assert place["offset"] % 8 == 0
    sent = np.frombuffer(body[place["offset"] : place["offset"] + place["bytes"]], "<f4")
    assert sent == pytest.approx(norms[250:262], rel=1e-6)
    assert found.info["largest_channel_norm"] == pytest.approx(norms.max(), rel=1e-6)
    assert found.info["marginals"] is None


def test_channels_in_order(board: TensorBoard) -> None:
    means = np.abs(np.where(np.isfinite(GRADIENT[1]), GRADIENT[1], 0).astype(float)).sum(axis=0)
    order = np.concatenate([np.argsort(-means[:256]), 256 + np.argsort(-means[256:])])
    ordered = {"order": "magnitude", "order_sample": 1, "split": 256}
    for found in board.arrays(**logs.ARRAYS, sample=[0, 1], first_column=250, columns=20, **ordered):
        assert found.info["channels"] == order[250:270].tolist()
        assert found.info["order"] == "magnitude"
        assert np.array_equal(found.values, GRADIENT[found.info["sample"]][:, order[250:270]], equal_nan=True)
    earlier = {**logs.ARRAYS, "step": 100, "order_step": 50}
    (found,) = board.arrays(**earlier, sample=0, **ordered)
    assert found.info["channels"] == order.tolist()
    assert np.array_equal(found.values, logs.records(100)[0].sequences["output_gradient"][0][:, order])
    for measure in ("first_active", "similarity"):
        (found,) = board.arrays(**logs.ARRAYS, sample=0, order=measure)
        assert sorted(found.info["channels"]) == list(range(512))
        assert np.array_equal(found.values, GRADIENT[0][:, found.info["channels"]])


def test_runs_that_a_region_or_an_order_is_beyond_are_missing(board: TensorBoard) -> None:
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


@pytest.mark.parametrize(("step", "order_step"), [(0, 1), (1, 0)])
def test_an_order_of_other_channels_than_these_is_missing(board: TensorBoard, step: int, order_step: int) -> None:
    wanted: dict[str, Any] = {"run": "widths", "layer": "attention", "quantity": "activation", "step": step}
    answer = board.get("arrays", **wanted, order="magnitude", order_step=order_step)
    widths = [logs.widths(one).sequences["activation"].shape[-1] for one in (order_step, step)]
    assert (answer.status, answer.json["error"]) == (
        404,
        f"order_step: step {order_step} has {widths[0]} channels, and here are {widths[1]}.",
    )
    (found,) = board.arrays(**wanted, order="magnitude")
    assert sorted(found.info["channels"]) == list(range(widths[1]))


def test_the_binary_head_is_padded_with_spaces(board: TensorBoard) -> None:
    body = board.get("arrays", **logs.SMALL_ARRAYS).body
    (length,) = struct.unpack_from("<I", body)
    head = body[4 : 4 + length]
    assert (4 + length) % 8 == 0
    assert head.rstrip(b" ").endswith(b"}")
