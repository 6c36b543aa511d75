"""The Scatter view: dots and distributions of a single timestep, against the logged numbers."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests import serving
from tests.browser import accessibility
from tests.browser.tab import Tab, painted_pixels, switch_theme
from tests.logs import floats
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser

LAST = "decoder/last"
ENCODER = "encoder"
CHANNELS = {"lstm": 10, "gru": 6}
STEPS = {"lstm": (0, 10, 20), "gru": (0, 12, 20)}
SAMPLES = 3
INSET = 4
SPREAD = 0.6


@functools.cache
def gradient(run: str, step: int) -> FloatArray:
    """(samples, 1, channels), wider with each step; in the GRU's there are values that are no numbers."""
    values = floats(40 + step + len(run), SAMPLES, 1, CHANNELS[run]) * np.float32(1e-3 * (1 + step))
    if run == "gru":
        values[1, 0, 2] = np.nan
        values[0, 0, 5] = -np.inf
    return values


def write(directory: Path) -> None:
    for run, steps in STEPS.items():
        both = ("forward", "backward") if run == "lstm" else ("forward",)
        for step in steps:
            last = LayerRecord(
                LAST,
                cell=run,
                units=CHANNELS[run] // len(both),
                directions=both,
                sequences={"output_gradient": gradient(run, step)},
            )
            encoder = LayerRecord(ENCODER, cell=run, units=4, sequences={"output_gradient": floats(step, 2, 12, 4)})
            rnn_summary.write([last, encoder], step, directory / run)
    rnn_summary.close()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, loader: str) -> Iterator[TensorBoard]:
    directory = tmp_path_factory.mktemp(f"last-{loader}") / "logs"
    write(directory)
    with serving.with_all_steps(directory, loader, {run: steps[-1] for run, steps in STEPS.items()}) as served:
        yield served


@pytest.fixture(scope="module")
def page_of_board(context: BrowserContext, board: TensorBoard) -> Iterator[Tab]:
    with Tab.opened(context, board.port, view="scatter", layer=LAST) as tab:
        yield tab


@pytest.fixture
def scatter(page_of_board: Tab) -> Iterator[Tab]:
    """The view at its defaults, of the layer whose last timestep alone there is."""
    with page_of_board.at_rest({"view": "scatter", "layer": LAST}) as tab:
        yield tab


def plots(tab: Tab) -> Locator:
    return tab.frame.get_by_role("img", name=re.compile(r": \d+ channels, ")).and_(tab.frame.locator("canvas"))


def plot(tab: Tab, run: str) -> Locator:
    return plots(tab).and_(tab.frame.locator(f"canvas[data-run='{run}']"))


def settled(tab: Tab, count: int, **attributes: object) -> None:
    wanted = {"stale": "false", "dtype": "float32", **attributes}
    found = tab.frame.locator("canvas.dots" + "".join(f"[data-{key}='{value}']" for key, value in wanted.items()))
    expect(found).to_have_count(count)
    expect(plots(tab)).to_have_count(count)


def ends(arrays: list[FloatArray], *, zero: bool = True) -> tuple[float, float]:
    finite = np.concatenate([array[np.isfinite(array)] for array in arrays]).astype(float)
    low, high = float(finite.min()), float(finite.max())
    return (min(low, 0.0), max(high, 0.0)) if zero else (low, high)


def places(
    values: FloatArray, size: tuple[int, int], low: float, high: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Where the dots of (samples, channels) lie, and of which channel each is."""
    samples, channels = values.shape
    slot = (size[1] - 2 * INSET) / channels
    sample, channel = np.nonzero(np.isfinite(values))
    x = INSET + (channel + 0.5 + SPREAD * ((sample + 0.5) / samples - 0.5)) * slot
    y = INSET + (1 - (values[sample, channel].astype(float) - low) / (high - low)) * (size[0] - 2 * INSET)
    return np.stack([x, y], axis=1), channel


def expect_dots(canvas: Locator, values: FloatArray, low: float, high: float) -> npt.NDArray[np.uint8]:
    """There is a dot wherever there is a finite value, and nothing else but the lines. Returns the colour of each."""
    pixels = painted_pixels(canvas)
    size = (pixels.shape[0], pixels.shape[1])
    centres, _ = places(values, size, low, high)
    rows, columns = centres[:, 1].astype(int), centres[:, 0].astype(int)
    assert (pixels[rows, columns, 3] == 255).all()
    zero = int(INSET + high / (high - low) * (size[0] - 2 * INSET))
    painted = np.argwhere(pixels[..., 3] > 0)
    full = np.asarray((pixels[..., 3] > 0).all(axis=0))
    painted = painted[(painted[:, 0] != zero) & ~full[painted[:, 1]]]
    away = np.array([np.hypot(*(centres - (at[::-1] + 0.5)).T).min() for at in painted])
    assert away.max() < 3.5 + 1.5
    return pixels[rows, columns, :3]


@pytest.mark.parametrize("samples", ["0,1,2", "1"])
def test_there_is_a_dot_for_each_channel_and_sample(scatter: Tab, samples: str) -> None:
    scatter.choose(view="scatter", layer=LAST, samples=samples)
    chosen = [int(sample) for sample in samples.split(",")]
    settled(scatter, 2, samples=len(chosen))
    low, high = ends([gradient(run, 20)[chosen] for run in STEPS])
    for run in STEPS:
        expect_dots(plot(scatter, run), gradient(run, 20)[chosen, 0], low, high)
    with pytest.raises(AssertionError):
        expect_dots(plot(scatter, "lstm"), gradient("lstm", 10)[chosen, 0], low, high)


def test_plot_says_what_it_shows_and_counts_what_is_not_finite(scatter: Tab) -> None:
    settled(scatter, 2)
    expect(plot(scatter, "lstm")).to_have_accessible_name(
        re.compile(r"^lstm, step 20, decoder/last output gradient: 10 channels, 2 samples each, from −.* to [\d.e−]+$")
    )
    expect(plot(scatter, "gru")).to_have_accessible_name(re.compile(", 1 NaN, 1 Inf$"))
    expect(scatter.frame.get_by_text("1 NaN, 1 Inf", exact=True)).to_be_visible()


def test_axes_are_shared_or_each_its_own(scatter: Tab) -> None:
    settled(scatter, 2)
    scatter.box("shared across runs").uncheck()
    scatter.box("zero line").uncheck()
    settled(scatter, 2)
    for run in STEPS:
        low, high = ends([gradient(run, 20)[:2]], zero=False)
        pixels = painted_pixels(plot(scatter, run))
        centres, _ = places(gradient(run, 20)[:2, 0], (pixels.shape[0], pixels.shape[1]), low, high)
        assert (pixels[centres[:, 1].astype(int), centres[:, 0].astype(int), 3] == 255).all()
    assert scatter.choices["shared"] == "off"
    assert scatter.choices["zero"] == "off"


def test_dots_are_coloured_by_channel_or_by_run(scatter: Tab) -> None:
    scatter.choose(view="scatter", layer=LAST, samples="0,1,2")
    settled(scatter, 2, samples=3)
    low, high = ends([gradient(run, 20) for run in STEPS])
    values = gradient("lstm", 20)[:, 0]
    colours = expect_dots(plot(scatter, "lstm"), values, low, high)
    _, channels = places(values, (100, 100), low, high)
    of_channel = [{tuple(colour) for colour in colours[channels == channel]} for channel in range(10)]
    assert all(len(own) == 1 for own in of_channel)
    assert len(set.union(*of_channel)) == 10
    scatter.select("Colour of dots", "run")
    expect(scatter.frame.get_by_text("coloured by channel")).to_have_count(0)
    seen = {
        run: {tuple(c) for c in expect_dots(plot(scatter, run), gradient(run, 20)[:, 0], low, high)} for run in STEPS
    }
    assert all(len(own) == 1 for own in seen.values())
    assert seen["lstm"] != seen["gru"]
    assert scatter.choices["dots"] == "run"


def test_stepping_moves_the_dots(scatter: Tab) -> None:
    settled(scatter, 2)
    scatter.frame.locator("body").press("ArrowLeft")
    expect(plot(scatter, "gru")).to_have_attribute("data-step", "12")
    expect(plot(scatter, "lstm")).to_have_attribute("data-step", "10")
    settled(scatter, 2)
    low, high = ends([gradient("lstm", 10)[:2], gradient("gru", 12)[:2]])
    expect_dots(plot(scatter, "lstm"), gradient("lstm", 10)[:2, 0], low, high)
    expect_dots(plot(scatter, "gru"), gradient("gru", 12)[:2, 0], low, high)


def distribution(tab: Tab, run: str) -> Locator:
    return tab.frame.get_by_role("img", name=re.compile(f"^{run}: distribution of "))


def expect_outline(svg: Locator, step: int, values: FloatArray) -> None:
    """The outline's bars are as high as numpy counts their values, each an area that is its share."""
    low, high, limit = (float(svg.get_attribute(f"data-{name}") or "nan") for name in ("low", "high", "limit"))
    outline = svg.locator(f"path[data-step='{step}']").get_attribute("d") or ""
    start = re.match(r"M(-?[\d.]+) 100", outline)
    assert start is not None, outline
    bars = [(float(y), float(x)) for y, x in re.findall(r"V(-?[\d.]+)H(-?[\d.]+)", outline)]
    edges = low + np.array([float(start[1]), *(x for _, x in bars)]) / 1000 * (high - low)
    # The path's numbers are rounded: each edge is on a multiple of the bins' width, a power of two.
    width = 2.0 ** round(np.log2(np.diff(edges).mean()))
    exact = np.round(edges / width) * width
    assert np.abs(exact - edges).max() < 0.01 * width + (high - low) * 1e-5
    finite = values[np.isfinite(values)].astype(float)
    counts, _ = np.histogram(finite, np.append(exact[:-1], exact[-1] - width * 1e-12))
    assert counts.sum() == finite.size
    density = counts / (finite.size * width)
    expected = np.where(density > limit * (1 + 1e-9), 0, 100 - density / limit * 98)
    assert [y for y, _ in bars] == pytest.approx(expected.tolist(), abs=0.02)


def test_distribution_is_of_the_whole_batch_now_and_at_the_first_step(scatter: Tab) -> None:
    settled(scatter, 2)
    for run in STEPS:
        svg = distribution(scatter, run)
        values = SAMPLES * CHANNELS[run]
        expect(svg).to_have_accessible_name(f"{run}: distribution of {values} values at step 20, against step 0")
        expect_outline(svg, 20, gradient(run, 20))
        expect_outline(svg, 0, gradient(run, 0))
    with pytest.raises(AssertionError):
        expect_outline(distribution(scatter, "lstm"), 20, gradient("lstm", 10))


def test_earlier_step_is_chosen(scatter: Tab) -> None:
    settled(scatter, 2)
    scatter.select("Compare with step", "10")
    # Each run stands there twice; held against the earlier step is the later one.
    for run, step in (("lstm", 10), ("gru", 12)):
        expect(distribution(scatter, run)).to_have_count(2)
        svg = distribution(scatter, run).last
        expect(svg).to_have_accessible_name(re.compile(f"at step 20, against step {step}$"))
        expect_outline(svg, step, gradient(run, step))
    assert scatter.choices["earlier"] == "10"
    scatter.choose(view="scatter", layer=LAST, step="0")
    settled(scatter, 2, step=0)
    expect(scatter.frame.get_by_text("no earlier step")).to_have_count(2)


def test_pointing_and_keys_read_the_exact_value(scatter: Tab) -> None:
    settled(scatter, 2)
    canvas = plot(scatter, "lstm")
    box = canvas.bounding_box()
    assert box is not None
    height, width = painted_pixels(canvas).shape[:2]
    low, high = ends([gradient(run, 20)[:2] for run in STEPS])
    values = gradient("lstm", 20)[:2, 0]
    centres, channels = places(values, (height, width), low, high)
    for i in (0, 7, 13):
        sample, channel = divmod(i, 10)
        assert channels[i] == channel
        scatter.page.mouse.move(box["x"] + 1 + centres[i, 0], box["y"] + centres[i, 1])
        direction = "forward" if channel < 5 else "backward"
        expect(scatter.readout).to_contain_text(
            f"lstm sample {sample}, channel {channel} ({direction}), last timestep:"
        )
        read = re.search(r"last timestep: (\S+)", scatter.readout.inner_text().replace("−", "-"))
        assert read is not None
        assert float(read[1]) == pytest.approx(float(values[sample, channel]), rel=1e-4)
    expect(scatter.readout).to_contain_text("gru")
    plot(scatter, "gru").focus()
    scatter.page.mouse.move(5, 5)
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown"):
        scatter.page.keyboard.press(key)
    expect(scatter.readout).to_contain_text("gru sample 1, channel 2, last timestep: NaN")
    assert "step" not in scatter.choices


def test_channels_are_searched(scatter: Tab) -> None:
    settled(scatter, 2)
    scatter.frame.get_by_role("searchbox", name="Channels").fill("0-3, 8")
    expect(plot(scatter, "lstm")).to_have_attribute("data-channels", "5")
    expect(plot(scatter, "gru")).to_have_attribute("data-channels", "4")
    low, high = ends([gradient(run, 20)[:2] for run in STEPS])
    expect_dots(plot(scatter, "lstm"), gradient("lstm", 20)[:2, 0][:, [0, 1, 2, 3, 8]], low, high)


def test_more_timesteps_are_for_other_views(scatter: Tab) -> None:
    scatter.choose(view="scatter", layer=ENCODER)
    expect(scatter.frame.get_by_text("Scatter is for quantities of a single timestep")).to_contain_text(
        "the output gradient here has 12 timesteps"
    )
    expect(scatter.frame.get_by_label("Colour of dots", exact=True)).to_have_count(0)
    assert accessibility.violations(scatter) == []
    scatter.button("Curves").click()
    expect(scatter.frame.get_by_role("tab", name="Curves")).to_have_attribute("aria-selected", "true")
    expect(scatter.frame.locator("canvas.curves")).to_have_count(8)
    scatter.choose(view="scatter", layer=LAST, samples=",")
    expect(scatter.frame.get_by_text("No sample is chosen.")).to_have_count(2)


def test_curves_of_a_single_timestep_lead_here(scatter: Tab) -> None:
    scatter.choose(view="curves", layer=LAST)
    expect(scatter.frame.get_by_text("There is one timestep only")).to_be_visible()
    scatter.button("Scatter").click()
    settled(scatter, 2)


def test_only_its_own_controls_are_there(scatter: Tab) -> None:
    settled(scatter, 2)
    for label in ("Channels", "Colour of dots", "shared across runs", "zero line"):
        expect(scatter.frame.get_by_label(label, exact=True)).to_be_visible()
    for label in ("Colours", "Scale", "Panels", "reflect backward half"):
        expect(scatter.frame.get_by_label(label, exact=True)).to_have_count(0)


@pytest.mark.parametrize("width", [900, 2560])
def test_axe_finds_nothing_at_any_width_in_light_and_dark(scatter: Tab, width: int) -> None:
    try:
        scatter.page.set_viewport_size({"width": width, "height": 800})
        scatter.choose(view="scatter", layer=LAST, samples="0,1,2")
        settled(scatter, 2, samples=3)
        assert accessibility.violations(scatter) == []
        view = scatter.frame.locator(".view")
        assert view.evaluate("view => view.scrollWidth <= view.clientWidth")
        switch_theme(scatter, "Dark")
        expect(scatter.frame.locator("body")).to_have_css("background-color", "rgb(48, 48, 48)")
        low, high = ends([gradient(run, 20) for run in STEPS])
        expect_dots(plot(scatter, "gru"), gradient("gru", 20)[:, 0], low, high)
        assert accessibility.violations(scatter) == []
    finally:
        switch_theme(scatter, "Light")
        scatter.page.set_viewport_size({"width": 1400, "height": 900})
