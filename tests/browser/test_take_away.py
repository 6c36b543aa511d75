"""What is taken away: arrays against the logged ones, pictures against the canvas, links against the screen."""

import base64
import csv
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests.browser import accessibility, data, pair_data, weight_data
from tests.browser.colours import Colouring, Pixels
from tests.browser.tab import READ_PICTURE, Tab, pixels_of, switch_theme
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"
WHOLE_VIEW = "whole view"


def take(tab: Tab, form: str, panel: str | None = None) -> tuple[str, bytes]:
    """The name and the content of a download, of the panel with a name or of what is chosen already."""
    group = tab.frame.get_by_role("group", name="Download")
    if panel is not None:
        chooser = group.get_by_label("What to download", exact=True)
        chooser.focus()
        chooser.select_option(label=panel)
    with tab.page.expect_download() as found:
        group.get_by_role("button", name=form, exact=True).click()
    return found.value.suggested_filename, Path(found.value.path()).read_bytes()


def loaded(content: bytes) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = np.load(io.BytesIO(content))
    return array


def table(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode())))


def same(found: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32]) -> bool:
    """To the last bit, as far as numbers have bits: all NaN are one."""
    return found.shape == wanted.shape and found.dtype == np.float32 and np.array_equal(found, wanted, equal_nan=True)


def test_npy_and_csv_of_a_sample_are_what_was_logged(tab: Tab) -> None:
    tab.choose(runs="lstm,gru", step="20")
    tab.settled(4, step=20)
    name, content = take(tab, "NPY", "lstm, sample 1")
    assert name == "lstm_encoder-bilstm_output_gradient_step20_sample1.npy"
    wanted = data.gradient("lstm", 20)[1]
    assert np.isnan(wanted).any()
    assert same(loaded(content), wanted)
    name, content = take(tab, "CSV")
    assert name == "lstm_encoder-bilstm_output_gradient_step20_sample1.csv"
    head, *rows = table(content)
    assert head == ["timestep", *(f"channel {channel}" for channel in range(8))]
    assert [row[0] for row in rows] == [str(row) for row in range(20)]
    assert same(np.array([[np.float32(value) for value in row[1:]] for row in rows]), wanted)


def test_pooled_drawing_is_taken_away_whole(tab: Tab) -> None:
    tab.choose(runs="wide", layer=data.WIDE, samples="0")
    tab.settled(1)
    _, content = take(tab, "NPY", "wide, sample 0")
    assert same(loaded(content), data.wide()[0])


def test_difference_is_taken_away(pairs: Tab) -> None:
    pairs.choose(runs="first,second", minus="run:second", step="10")
    pairs.settled(2, minus="second")
    name, content = take(pairs, "NPY", "first − second, sample 1")
    assert name == "first-minus-second_rnn-shared_output_gradient_step10-minus-step12_sample1.npy"
    assert same(loaded(content), pair_data.gradient("first", 10)[1] - pair_data.gradient("second", 12)[1])


def test_matrices_and_their_norms(weights: Tab) -> None:
    weights.choose(view="weights", runs="lstm", quantity="weights", step="30")
    weights.settled(6, run="lstm")
    name, content = take(weights, "NPY", "lstm, forward/kernel")
    assert name == "lstm_encoder-bilstm_weights_step30_forward-kernel.npy"
    assert same(loaded(content), weight_data.weights("lstm", 30)["forward"]["kernel"])
    # A bias has one axis, as it was logged.
    _, content = take(weights, "NPY", "lstm, backward/bias")
    assert same(loaded(content), weight_data.weights("lstm", 30)["backward"]["bias"])
    assert table(take(weights, "CSV")[1])[0][:2] == ["row", "input 0"]
    _, content = take(weights, "NPY", "lstm, backward kernel, forget gate, l2 norm")
    norms = np.load(io.BytesIO(content))
    assert norms.dtype.names == ("run", "step", "l2_norm")
    assert norms["run"].tolist() == ["lstm"] * 4
    assert norms["step"].tolist() == list(weight_data.STEPS["lstm"])
    columns = slice(weight_data.UNITS, 2 * weight_data.UNITS)
    kernels = [weight_data.weights("lstm", step)["backward"]["kernel"] for step in weight_data.STEPS["lstm"]]
    wanted = [float(np.linalg.norm(kernel[:, columns].astype(float))) for kernel in kernels]
    assert norms["l2_norm"] == pytest.approx(wanted, rel=1e-5)


def test_norms_of_channels_are_taken_away_as_their_quantiles(weights: Tab) -> None:
    weights.choose(view="weights", runs="lstm", quantity="weights", norm="channels", step="30")
    weights.settled(6, run="lstm")
    expect(weights.frame.get_by_role("img", name=re.compile("L2 norms of channels over steps"))).to_have_count(24)
    name, content = take(weights, "NPY", "lstm, backward kernel, forget gate, channel norms")
    assert name == "lstm_encoder-bilstm_weights_steps0-30_backward-kernel-forget-gate_channel-norms.npy"
    norms = np.load(io.BytesIO(content))
    assert norms.dtype.names == ("run", "step", "least", "quantile_10", "median", "quantile_90", "largest")
    columns = slice(weight_data.UNITS, 2 * weight_data.UNITS)
    for step, line in zip(weight_data.STEPS["lstm"], norms, strict=True):
        kernel = weight_data.weights("lstm", step)["backward"]["kernel"][:, columns].astype(float)
        wanted = np.quantile(np.linalg.norm(kernel, axis=0), (0, 0.1, 0.5, 0.9, 1))
        assert list(line)[:2] == ["lstm", step]
        assert list(line)[2:] == pytest.approx(wanted, rel=1e-5)


def test_histogram_is_taken_away_as_its_bins(weights: Tab) -> None:
    weights.choose(view="histograms", runs="lstm,gru", quantity="weights", scale="linear", step="20")
    expect(weights.frame.get_by_role("img", name=re.compile("forward kernel, forget gate"))).to_be_visible()
    name, content = take(weights, "CSV", "lstm, forward kernel, forget gate")
    assert name == "lstm_encoder-bilstm_weights_step20_forward-kernel-forget-gate.csv"
    head, *rows = table(content)
    assert head == ["run", "step", "low", "high", "count"]
    columns = slice(weight_data.UNITS, 2 * weight_data.UNITS)
    values = weight_data.weights("lstm", 20)["forward"]["kernel"][:, columns].ravel()
    assert sum(int(row[4]) for row in rows) == values.size
    for run, step, low, high, count in rows:
        assert (run, step) == ("lstm", "20")
        assert int(count) == int(((values >= float(low)) & (values < float(high))).sum())
    bins = np.load(io.BytesIO(take(weights, "NPY")[1]))
    assert [[str(part) for part in line] for line in bins.tolist()] == [
        [run, step, str(float(low)), str(float(high)), count] for run, step, low, high, count in rows
    ]


def test_curves_and_dots(pairs: Tab) -> None:
    pairs.choose(runs="first", view="curves")
    expect(pairs.frame.locator("canvas.curves[data-painted='true']")).to_have_count(6)
    name, content = take(pairs, "NPY", "first, channel 4 (backward)")
    assert name == "first_rnn-shared_output_gradient_step20_channel4-backward.npy"
    assert same(loaded(content), pair_data.gradient("first", 20)[:, :, 4].T)
    pairs.choose(runs="first", view="scatter", layer=pair_data.LAST)
    expect(pairs.frame.locator("canvas.dots[data-stale='false']")).to_have_count(1)
    _, content = take(pairs, "NPY", "first, samples 0, 1")
    assert same(loaded(content), pair_data.last("first", 20)[:, 0])
    head, *rows = table(take(pairs, "CSV")[1])
    assert (head[:2], [row[0] for row in rows]) == (["sample", "channel 0"], ["0", "1"])
    _, content = take(pairs, "CSV", "first, distribution")
    counted = [int(row[4]) for row in table(content)[1:] if row[1] == "20"]
    assert sum(counted) == pair_data.last("first", 20).size


@dataclass
class Picture:
    """An SVG with one raster in it, and where that lies, in pixels of a PNG of the same figure."""

    root: ET.Element
    scale: int = 2

    @classmethod
    def of(cls, content: bytes) -> "Picture":
        return cls(ET.fromstring(content))

    @property
    def size(self) -> tuple[int, int]:
        return int(self.root.attrib["width"]), int(self.root.attrib["height"])

    @property
    def texts(self) -> list[str]:
        return [text.text or "" for text in self.root.iter(f"{SVG}text")]

    @property
    def images(self) -> list[ET.Element]:
        """Of cells, which have edges; colour bars and profiles have none."""
        return [image for image in self.root.iter(f"{SVG}image") if "pixelated" in image.attrib.get("style", "")]

    def box(self, image: ET.Element) -> tuple[float, float, float, float]:
        left, top, *_ = (float(part) for part in self.root.attrib["viewBox"].split())
        x, y, width, height = (float(image.attrib[name]) for name in ("x", "y", "width", "height"))
        return (x - left) * self.scale, (y - top) * self.scale, width * self.scale, height * self.scale


def decoded(tab: Tab, png: bytes) -> Pixels:
    return pixels_of(tab.page.evaluate(READ_PICTURE, f"data:image/png;base64,{base64.b64encode(png).decode()}"))


def cells_in(picture: Picture, png: Pixels, image: ET.Element, shape: tuple[int, int]) -> Pixels:
    """The pixel in the middle of every cell; no cell has another colour anywhere near."""
    x, y, width, height = picture.box(image)
    rows = np.floor(y + (np.arange(shape[0]) + 0.5) * height / shape[0]).astype(int)
    columns = np.floor(x + (np.arange(shape[1]) + 0.5) * width / shape[1]).astype(int)
    middle: Pixels = png[rows][:, columns]
    for off in (-2, 2):
        assert (png[rows + off][:, columns + off] == middle).all()
    return middle


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_png_has_the_canvas_pixels_and_svg_its_text_and_lines(tab: Tab, theme: str) -> None:
    try:
        if theme == "dark":
            switch_theme(tab, "Dark")
        tab.choose(runs="lstm,gru", step="20", samples="1")
        tab.settled(2, step=20, map="berlin" if theme == "dark" else "vik")
        canvas = tab.heatmap("lstm", 1)
        name, content = take(tab, "SVG", "lstm, sample 1")
        assert name == "lstm_encoder-bilstm_output_gradient_step20_sample1.svg"
        picture = Picture.of(content)
        png = decoded(tab, take(tab, "PNG")[1])
        assert png.shape[:2] == (2 * picture.size[1], 2 * picture.size[0])
        painted = tab.pixels(canvas)
        (raster,) = picture.images
        assert (decoded(tab, base64.b64decode(raster.attrib["href"].partition(",")[2])) == painted).all()
        assert (cells_in(picture, png, raster, (painted.shape[0], painted.shape[1])) == painted).all()
        # With it the colours and their numbers, which stand at the other end of the screen.
        assert {"0", "forward", "backward", "NaN", "sample 1", "5", "15"} <= set(picture.texts)
        assert picture.texts[0] == "lstm, step 20, encoder/bilstm output gradient, sample 1"
        assert tuple(png[1, 1]) == ((48, 48, 48) if theme == "dark" else (255, 255, 255))
    finally:
        if theme == "dark":
            switch_theme(tab, "Light")


def test_whole_view(tab: Tab) -> None:
    tab.choose(runs="lstm,gru", step="20", samples="0,1")
    tab.settled(4, step=20)
    name, content = take(tab, "SVG", WHOLE_VIEW)
    assert name == "heatmap_lstm+gru_encoder-bilstm_output_gradient_step20.svg"
    picture = Picture.of(content)
    png = decoded(tab, take(tab, "PNG")[1])
    arrays = [data.gradient(run, 20)[sample] for sample in (0, 1) for run in ("lstm", "gru")]
    colouring = Colouring.over([*arrays], "symlog", "vik")
    for image, array in zip(picture.images, arrays, strict=True):
        shape = (array.shape[1], array.shape[0])
        assert colouring.wrong(cells_in(picture, png, image, shape), array.T) == 0
    texts = picture.texts
    assert texts[0] == "encoder/bilstm: Output gradient, ∂L/∂y"
    assert {"lstm", "gru"} <= set(texts)
    # What a control says is no part of a figure.
    assert not any("Point at a cell" in text or "Copy link" in text for text in texts)


def test_curves_dots_and_histograms_stay_lines(pairs: Tab) -> None:
    pairs.choose(runs="first,second", view="curves", samples="0,1")
    expect(pairs.frame.locator("canvas.curves[data-painted='true']")).to_have_count(12)
    picture = Picture.of(take(pairs, "SVG", WHOLE_VIEW)[1])
    assert list(picture.root.iter(f"{SVG}image")) == []
    assert len(list(picture.root.iter(f"{SVG}path"))) >= 24
    assert "channel 5 (backward)" in picture.texts
    pairs.choose(runs="first", view="scatter", layer=pair_data.LAST)
    expect(pairs.frame.locator("canvas.dots[data-stale='false']")).to_have_count(1)
    picture = Picture.of(take(pairs, "SVG", "first, samples 0, 1")[1])
    assert len(list(picture.root.iter(f"{SVG}circle"))) == 12
    pairs.choose(runs="first,second", view="histograms", quantity="weights")
    histogram = pairs.frame.get_by_role("img", name=re.compile("forward kernel, forget gate: histogram"))
    # The runs come one by one; the panel is called by those that are there.
    expect(histogram.locator("path")).to_have_count(2)
    outlines = histogram.locator("path").evaluate_all("all => all.map((path) => path.getAttribute('d'))")
    picture = Picture.of(take(pairs, "SVG", "first, second, forward kernel, forget gate")[1])
    paths = {path.attrib["d"]: path for path in picture.root.iter(f"{SVG}path")}
    assert set(outlines) <= set(paths)
    # There is no style sheet in the file.
    assert all(paths[outline].attrib["stroke"].startswith("rgb(") for outline in outlines)


def test_click_into_a_panel_chooses_it(tab: Tab) -> None:
    tab.choose(runs="lstm,gru", view="weights", quantity="weights")
    canvas = tab.heatmap("gru", "forward/recurrent_kernel")
    chooser = tab.frame.get_by_label("What to download", exact=True)
    expect(chooser.locator("option:checked")).to_have_text(WHOLE_VIEW)
    expect(tab.button("CSV")).to_be_disabled()
    expect(tab.button("CSV")).to_have_attribute("title", re.compile("^Choose a panel first"))
    canvas.click()
    expect(chooser.locator("option:checked")).to_have_text("gru, forward/recurrent_kernel")
    expect(tab.button("CSV")).to_be_enabled()
    tab.frame.get_by_role("tab", name="Histograms").click()
    expect(chooser.locator("option:checked")).to_have_text(WHOLE_VIEW)


def copied(tab: Tab) -> str:
    tab.button("Copy link").click()
    expect(tab.frame.get_by_role("group", name="Download").get_by_text("Link copied")).to_be_visible()
    return str(tab.page.evaluate("navigator.clipboard.readText()"))


def drawn(tab: Tab, canvases: Locator) -> list[bytes]:
    return [tab.pixels(canvas).tobytes() for canvas in canvases.all()]


def test_link_brings_back_exactly_this(tab: Tab, context: BrowserContext, nets_board: TensorBoard) -> None:
    tab.choose(earlier="first", scale="symlog", decades="3", runs="lstm")
    before = drawn(tab, tab.settled(4, decades=3))
    link = copied(tab)
    assert link.startswith(f"http://127.0.0.1:{nets_board.port}/#rnn&")
    # What followed the data is said outright: the latest step, the first of the layers.
    for part in (
        "step=30",
        "earlier=0",
        "runs=lstm",
        "layer=encoder%2Fbilstm",
        "quantity=output_gradient",
        "samples=0%2C1",
    ):
        assert f"p.rnn.{part}" in link
    assert "step" not in tab.choices
    other = Tab.on(context, nets_board.port)
    other.page.goto(link)
    assert drawn(other, other.settled(4, decades=3)) == before
    expect(other.box("follow latest")).not_to_be_checked()
    assert other.errors == []
    other.page.close()


def test_axe_finds_nothing(tab: Tab) -> None:
    tab.settled(4)
    tab.frame.get_by_label("What to download", exact=True).focus()
    assert accessibility.violations(tab) == []
    tab.page.set_viewport_size({"width": 900, "height": 800})
    try:
        for name in ("PNG", "SVG", "CSV", "NPY", "Copy link"):
            expect(tab.button(name)).to_be_in_viewport()
    finally:
        tab.page.set_viewport_size({"width": 1400, "height": 900})
