"""The light summary, against plain loops in Python's own floats."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest

from tb_rnn_plugin import encoding
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import LinearHistogram, Statistics
from tb_rnn_plugin.statistics.summary_statistics import (
    PROFILE_QUANTILES,
    array_statistics,
    even_sample,
    matrix_statistics,
    quantity_summary,
    thin,
)

RNG = np.random.default_rng(2)
NORMAL = RNG.normal(size=(3, 8, 5)).astype(np.float32)
F32 = np.finfo(np.float32)

ARRAYS: dict[str, FloatArray] = {
    "normal": NORMAL,
    "vanished": NORMAL * np.float32(1e-22),  # their squares are below float32
    "subnormal": (NORMAL * 1e-41).astype(np.float32),
    "just subnormal": (NORMAL * 1e-39).astype(np.float32),
    "huge": (np.sign(NORMAL) * F32.max).astype(np.float32),
    "wide": (NORMAL * 10.0 ** RNG.integers(-40, 37, size=NORMAL.shape)).astype(np.float32),
    "zero": np.zeros_like(NORMAL),
    "minus zero": -np.zeros_like(NORMAL),
    "constant": np.full_like(NORMAL, -0.1),
    "almost constant": (1 + RNG.integers(0, 3, size=NORMAL.shape) * F32.eps).astype(np.float32),
    "far from zero": (1e6 + NORMAL).astype(np.float32),
    "one": NORMAL[:1, :1, :1],
    "negative powers of two": -np.ldexp(np.float32(1), np.arange(-60, 60)).astype(np.float32).reshape(3, 8, 5),
    "powers of two": np.ldexp(np.float32(1), np.arange(-60, 60)).astype(np.float32).reshape(3, 8, 5),
}
NOT_FINITE = NORMAL.copy()
NOT_FINITE[1, 4, 2] = np.nan
NOT_FINITE[0, 6, 1:3] = np.inf, -np.inf
ARRAYS |= {
    "nan and inf": NOT_FINITE,
    "all nan": np.full_like(NORMAL, np.nan),
    "a negative nan": np.full_like(NORMAL, -np.nan),
}


def histogram_of(values: FloatArray, bins: int) -> LinearHistogram:
    return array_statistics(values, bins=bins).values


def bin_edges(histogram: LinearHistogram) -> list[float]:
    return [math.ldexp(histogram.first_bin + i, histogram.exponent) for i in range(len(histogram.counts) + 1)]


@pytest.mark.parametrize("name", ARRAYS)
def test_statistics_against_loops(name: str) -> None:
    check_statistics(array_statistics(ARRAYS[name], bins=32, direction="forward", matrix="kernel"), ARRAYS[name])


@pytest.mark.parametrize("names", list(itertools.pairwise(ARRAYS)), ids=" beside ".join)
def test_statistics_of_gates_against_loops(names: tuple[str, str]) -> None:
    """Each gate on its own, whatever lies beside it; of any number of gates."""
    blocks = [ARRAYS[name].reshape(-1, 1) for name in (*names, names[0])]
    rows = min(map(len, blocks))
    blocks = [block[:rows] for block in blocks]
    found = matrix_statistics(
        np.concatenate(blocks, axis=1), ("update", "reset", "candidate"), bins=32, direction="forward", matrix="kernel"
    )
    assert [statistics.gate for statistics in found] == ["update", "reset", "candidate"]
    for statistics, block in zip(found, blocks, strict=True):
        check_statistics(statistics, block)
        alone = array_statistics(block, bins=32)
        assert statistics.values == alone.values
        assert statistics.magnitudes == alone.magnitudes


@pytest.mark.parametrize("names", list(itertools.pairwise(ARRAYS)), ids=" beside ".join)
def test_norms_of_channels_against_loops(names: tuple[str, str]) -> None:
    blocks = [ARRAYS[name].reshape(-1, ARRAYS[name].shape[-1]) for name in names]
    rows, columns = np.min([block.shape for block in blocks], axis=0)
    matrix = np.concatenate([block[:rows, :columns] for block in blocks], axis=1)
    found = matrix_statistics(matrix, ("update", "candidate"), bins=16, direction="forward", matrix="kernel")
    for statistics, block in zip(found, np.split(matrix, 2, axis=1), strict=True):
        norms = [math.sqrt(math.fsum(v * v for v in column)) for column in block.T.tolist()]
        finite = [min(norm, float(F32.max)) for norm in norms if math.isfinite(norm)]
        expected = [_quantile(finite, q) for q in (0, 0.1, 0.5, 0.9, 1)] if finite else []
        assert list(statistics.channel_norms) == pytest.approx(expected, rel=2e-6, abs=1.5e-45)


def _quantile(numbers: list[float], quantile: float) -> float:
    """Between the two that are nearest in order, as numpy's default does it."""
    ordered = sorted(numbers)
    place = quantile * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] * (1 - (place - below)) + ordered[above] * (place - below)


def test_norms_of_channels_are_of_matrices_alone() -> None:
    assert not array_statistics(NORMAL, bins=16).channel_norms


def check_statistics(statistics: Statistics, array: FloatArray) -> None:
    values = array.ravel().tolist()
    finite = [v for v in values if math.isfinite(v)]
    assert (statistics.direction, statistics.matrix) == ("forward", "kernel")
    assert statistics.count == len(values)
    assert statistics.nan_count == sum(math.isnan(v) for v in values)
    assert statistics.inf_count == sum(math.isinf(v) for v in values)
    if not finite:
        assert not statistics.HasField("values")
        return
    mean = math.fsum(finite) / len(finite)
    limit = float(F32.max)
    expected = {
        "minimum": min(finite),
        "maximum": max(finite),
        "mean": mean,
        "standard_deviation": math.sqrt(math.fsum((v - mean) ** 2 for v in finite) / len(finite)),
        "l1_norm": min(math.fsum(abs(v) for v in finite), limit),
        "l2_norm": min(math.sqrt(math.fsum(v * v for v in finite)), limit),
    }
    scale = max(abs(v) for v in finite)
    for field, value in expected.items():
        # A mean is the sum of both signs: as right as the numbers are large.
        tolerance = scale * (1e-7 if field == "mean" else 1e-13) + 1.5e-45
        assert getattr(statistics, field) == pytest.approx(value, rel=1e-6, abs=tolerance), field
    if any(finite):
        assert statistics.l2_norm > 0


@pytest.mark.parametrize("bins", [2, 16, 64])
@pytest.mark.parametrize("name", [name for name in ARRAYS if "all" not in name and "negative" not in name])
def test_linear_histogram_counts_what_numpy_counts(name: str, bins: int) -> None:
    values = ARRAYS[name][np.isfinite(ARRAYS[name])]
    histogram = histogram_of(values, bins)
    edges = bin_edges(histogram)
    # The last bin of np.histogram holds its upper edge too; ours never has a value there.
    assert list(histogram.counts) == np.histogram(values.astype(np.float64), edges)[0].tolist()
    assert sum(histogram.counts) == values.size
    assert len(histogram.counts) <= bins
    assert edges[0] <= float(values.min()) <= float(values.max()) < edges[-1]
    assert histogram.counts[0]
    assert histogram.counts[-1]
    if float(values.max()) - float(values.min()) > max(float(np.abs(values).max()) * 1e-3, float(F32.tiny)):
        assert len(histogram.counts) > bins // 4


def test_bins_nest_so_that_histograms_of_two_steps_add_up_exactly() -> None:
    narrow, wide = NORMAL.ravel(), NORMAL.ravel() * np.float32(37) + np.float32(3)
    of_narrow, of_wide = histogram_of(narrow, 64), histogram_of(wide, 64)
    assert of_narrow.exponent < of_wide.exponent
    summed = dict(enumerate(of_wide.counts, of_wide.first_bin))
    for i, count in enumerate(of_narrow.counts, of_narrow.first_bin):
        coarse = i >> (of_wide.exponent - of_narrow.exponent)
        summed[coarse] = summed.get(coarse, 0) + count
    first, last = min(summed), max(summed)
    edges = [math.ldexp(i, of_wide.exponent) for i in range(first, last + 2)]
    both = np.histogram(np.concatenate([narrow, wide]).astype(np.float64), edges)[0]
    assert [summed.get(i, 0) for i in range(first, last + 1)] == both.tolist()


@pytest.mark.parametrize("name", ARRAYS)
def test_magnitude_histogram_against_loops(name: str) -> None:
    histogram = array_statistics(ARRAYS[name], bins=16).magnitudes
    counts: dict[tuple[bool, int], int] = {}
    zero = 0
    for value in ARRAYS[name].ravel().tolist():
        if not math.isfinite(value):
            continue
        # Lower edges belong to a bin, upper ones don't: of negative values those are of the larger magnitude.
        magnitude = value if value >= 0 else math.nextafter(-value, 0.0)
        if magnitude < 2.0**-126:
            zero += 1
        else:
            key = value > 0, math.frexp(magnitude)[1] - 1
            counts[key] = counts.get(key, 0) + 1
    assert histogram.zero == zero
    found = {
        (sign, i): count
        for sign, bins in ((True, histogram.positive), (False, histogram.negative))
        for i, count in enumerate(bins, histogram.first_exponent)
        if count
    }
    assert found == counts


def record(**sequences: FloatArray) -> LayerRecord:
    return LayerRecord(
        "lstm",
        cell="lstm",
        units=5,
        sequences=sequences,
        weights={"forward": {"kernel": RNG.normal(size=(4, 20)), "bias": RNG.normal(size=20)}},
    )


def test_directions_are_counted_apart() -> None:
    both = np.concatenate([NORMAL, NORMAL * 2], axis=-1)
    layer = LayerRecord("b", cell="lstm", units=5, directions=("forward", "backward"), sequences={"activation": both})
    (forward, backward), profiles = quantity_summary(layer, "activation")
    assert (forward.direction, backward.direction) == ("forward", "backward")
    assert backward.l2_norm == pytest.approx(2 * forward.l2_norm)
    assert [profile.direction for profile in profiles] == ["forward", "backward"]


def test_matrices_are_counted_gate_by_gate() -> None:
    layer = record()
    parts, profiles = quantity_summary(layer, "weights")
    found = {(part.matrix, part.gate): part for part in parts}
    assert list(found) == [(m, g) for m in ("kernel", "bias") for g in ("input", "forget", "cell", "output")]
    for (matrix, gate), part in found.items():
        assert part.l1_norm == pytest.approx(np.abs(layer.gate(gate, matrix)).sum(), rel=1e-6)
        assert part.count == layer.gate(gate, matrix).size
    assert profiles == []


def test_a_matrix_that_is_not_made_of_gates_is_counted_whole() -> None:
    layer = LayerRecord(
        "p",
        cell="lstm",
        units=4,
        projection=4,
        weights={"forward": {"projection_kernel": np.ones((4, 4)), "peephole": np.ones(3)}},
    )
    parts, _ = quantity_summary(layer, "weights")
    assert [(part.matrix, part.gate) for part in parts] == [("projection_kernel", ""), ("peephole", "")]


def test_the_first_timestep_that_is_not_finite() -> None:
    assert first_nonfinite(NOT_FINITE) == 4
    assert first_nonfinite(NOT_FINITE[:1]) == 6
    assert first_nonfinite(NORMAL) is None


def first_nonfinite(array: FloatArray) -> int | None:
    (part,), _ = quantity_summary(record(activation=array), "activation")
    return part.first_nonfinite_timestep if part.HasField("first_nonfinite_timestep") else None


@pytest.mark.parametrize("name", ["normal", "vanished", "huge", "zero", "nan and inf"])
def test_norm_profile_against_loops(name: str) -> None:
    array = ARRAYS[name]
    _, (profile,) = quantity_summary(record(activation=array), "activation")
    assert (profile.timesteps, profile.mean_block, profile.quantile_block) == (array.shape[1], 1, 1)
    assert list(profile.quantiles) == pytest.approx(PROFILE_QUANTILES)
    norms = [[math.sqrt(sum(v * v for v in channels)) for channels in sample] for sample in array.tolist()]
    for t, mean in enumerate(profile.mean):
        column = [sample[t] for sample in norms]
        assert mean == pytest.approx(as_float32(sum(column) / len(column)), rel=1e-6, nan_ok=True)
        quantiles = [profile.quantile_values[i * profile.timesteps + t] for i in range(3)]
        if all(map(math.isfinite, column)):
            assert quantiles == pytest.approx([as_float32(q) for q in loop_quantiles(column)], rel=1e-6)
        else:
            assert not math.isfinite(quantiles[2])


def loop_quantiles(column: list[float]) -> Iterator[float]:
    ordered = sorted(column)
    for q in PROFILE_QUANTILES:
        place = q * (len(ordered) - 1)
        low = math.floor(place)
        yield ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def as_float32(value: float) -> float:
    return value if not math.isfinite(value) or value <= float(F32.max) else math.inf


@pytest.mark.parametrize(("length", "points", "block"), [(64, 64, 1), (65, 64, 2), (1000, 64, 16), (1, 64, 1)])
def test_a_long_profile_is_thinned_to_the_largest_of_each_block(length: int, points: int, block: int) -> None:
    profile = RNG.random(length)
    profile[length // 2] = np.nan
    thinned, found = thin(profile, points)
    assert found == block
    assert thinned.size == math.ceil(length / block) <= points
    for i, value in enumerate(thinned.tolist()):
        part = profile[i * block : (i + 1) * block].tolist()
        assert value == max(part) or any(map(math.isnan, part))
        assert math.isnan(value) == any(map(math.isnan, part))


def test_the_summary_of_a_long_bidirectional_layer_stays_small() -> None:
    def normal(*shape: int) -> FloatArray:
        return RNG.standard_normal(shape, dtype=np.float32)

    activation = normal(4, 1000, 512)
    matrices = {"kernel": normal(512, 1024), "recurrent_kernel": normal(256, 1024), "bias": normal(1024)}
    layer = LayerRecord(
        "bilstm",
        cell="lstm",
        units=256,
        directions=("forward", "backward"),
        sequences={
            "activation": activation,
            "output_gradient": activation * np.logspace(-20, 0, 1000, dtype=np.float32)[:, None],
            "bptt_gradient": activation * 10.0 ** RNG.integers(-37, 37, size=(4, 1000, 1)),
        },
        weights={"forward": matrices, "backward": matrices},
        weight_gradients={"forward": matrices, "backward": matrices},
    )
    sizes = {one.quantity: len(one.summary) for one in encoding.encode(layer, samples=1, dtype="float32")}
    assert sizes.pop("bptt_gradient") < 6200  # as wild as float32 can be
    assert max(sizes.values()) < 4600, sizes


def test_a_long_sequence_is_counted_in_an_even_sample_and_measured_whole() -> None:
    """Its histograms are those of all numbers, but for chance; nothing else is left to chance."""
    samples, timesteps, units = 8, 100, 256
    activation = np.tanh(RNG.standard_normal((samples, timesteps, units))).astype(np.float32)
    activation[5, 17, 3] = 40  # one number, which a sample may miss
    activation[2, 60, 9] = np.nan
    record = LayerRecord("lstm", units=units, sequences={"activation": activation})
    (statistics,), _ = quantity_summary(record, "activation")
    finite = activation[np.isfinite(activation)].astype(np.float64)

    assert (statistics.count, statistics.nan_count, statistics.maximum) == (activation.size, 1, 40)
    assert statistics.l2_norm == pytest.approx(np.sqrt(np.square(finite).sum()), rel=1e-6)
    assert statistics.first_nonfinite_timestep == 60

    counted = sum(statistics.values.counts)
    assert 65536 - 1 <= counted <= 65536
    magnitudes = statistics.magnitudes
    assert sum(magnitudes.negative) + sum(magnitudes.positive) + magnitudes.zero == counted
    bins = statistics.values
    edges = (bins.first_bin + np.arange(len(bins.counts) + 1)) * 2.0**bins.exponent
    assert edges[0] <= finite.min()
    assert finite.max() < edges[-1]
    of_all = np.histogram(finite, edges)[0]
    assert np.array(bins.counts) / counted == pytest.approx(of_all / finite.size, abs=0.01)


def test_what_is_counted_of_a_sequence_meets_every_timestep_and_no_period() -> None:
    timesteps, width = 100, 512
    rows = np.broadcast_to(np.arange(16 * timesteps, dtype=np.float32)[:, None], (16 * timesteps, width))
    chosen = even_sample(rows)[:, 0].astype(int)
    assert len(chosen) * width == 65536
    assert (np.diff(chosen) > 0).all()  # no row twice
    assert np.bincount(chosen // timesteps, minlength=16) == pytest.approx(8, abs=1)
    for period in (2, 5, 10, 20, 25):
        shares = np.bincount(chosen % period, minlength=period) / len(chosen)
        assert (shares > 0).all()
        assert shares == pytest.approx(1 / period, abs=0.1)
    assert (even_sample(rows)[:, 0] == chosen).all()


def test_shorter_sequences_are_counted_whole() -> None:
    activation = RNG.standard_normal((2, 128, 256), dtype=np.float32)
    (statistics,), _ = quantity_summary(LayerRecord("lstm", sequences={"activation": activation}), "activation")
    assert sum(statistics.values.counts) == activation.size == 65536


def test_statistics_say_what_they_are_of() -> None:
    statistics = array_statistics(NORMAL, bins=8, direction="backward", matrix="kernel", gate="cell")
    assert isinstance(statistics, Statistics)
    assert (statistics.direction, statistics.matrix, statistics.gate) == ("backward", "kernel", "cell")


def test_three_of_ten_thousand() -> None:
    """Counts, not rounded shares: see-rnn called this "2% NaN"."""
    values = np.ones(10_000, np.float32)
    values[[3, 500, 9999]] = np.nan
    statistics = array_statistics(values, bins=16)
    assert (statistics.nan_count, statistics.count) == (3, 10_000)
