"""What is painted, against colours computed from the logged arrays."""

import re

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from tests.browser import colours, data
from tests.browser.colours import Colouring, Floats, pooled
from tests.browser.tab import Tab, names
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser

RUNS = ("lstm", "gru")
MATRICES = ["forward/kernel", "forward/recurrent_kernel", "forward/bias", "backward/kernel"]


def drawn(array: Floats) -> Floats:
    """Timesteps × channels as it is drawn: channels down, timesteps to the right."""
    return array.T


@pytest.mark.parametrize("name", colours.PUBLISHED)
def test_maps_are_those_that_were_published(name: str) -> None:
    table = colours.table(name).astype(int)
    assert table.shape == (256, 3)
    for place, colour in colours.PUBLISHED[name].items():
        assert np.abs(table[place] - colours.rgb(colour)).max() <= 1, place


@pytest.mark.parametrize("scale", ["symlog", "linear", "log"])
@pytest.mark.parametrize("map_", ["vik", "berlin", "RdBu", "bwr", "cividis", "grey"])
def test_every_pixel_has_the_colour_of_its_value(tab: Tab, scale: str, map_: str) -> None:
    tab.choose(scale=scale, colours=map_, samples="0,1,2", decades="5")
    tab.settled(6, scale=scale, map=map_, decades=5)
    arrays = {(run, i): data.gradient(run, 30)[i] for run in RUNS for i in range(3)}
    colouring = Colouring.over(list(arrays.values()), scale, map_, 5)
    for (run, sample), array in arrays.items():
        pixels = tab.pixels(tab.heatmap(run, sample))
        assert colouring.wrong(pixels, drawn(array)) == 0, (run, sample)
        assert colouring.wrong(pixels, drawn(array)[::-1]) > 0


def test_scale_is_each_panels_own_when_it_is_not_shared(tab: Tab) -> None:
    tab.choose(scale="symlog", limits="panel")
    tab.settled(4, scale="symlog")
    for run in RUNS:
        for sample in (0, 1):
            array = data.gradient(run, 30)[sample]
            colouring = Colouring.over([array], "symlog", "vik")
            assert colouring.wrong(tab.pixels(tab.heatmap(run, sample)), drawn(array)) == 0


@pytest.mark.parametrize("map_", ["vik", "cividis"])
def test_narrow_range_is_told_apart(tab: Tab, map_: str) -> None:
    tab.choose(runs="lstm", quantity="gate/forget", scale="linear", colours=map_, samples="0")
    canvas = tab.settled(1, quantity="gate/forget", scale="linear", map=map_)
    array = data.narrow("lstm", 30)[0]
    pixels = tab.pixels(canvas)
    colouring = Colouring.over([array], "linear", map_)
    assert colouring.wrong(pixels, drawn(array)) == 0
    if map_ == "cividis":
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


@pytest.mark.parametrize("scale", ["symlog", "linear"])
def test_reflected_half_runs_the_other_way(tab: Tab, scale: str) -> None:
    tab.choose(runs="lstm", scale=scale, reflect="on")
    tab.settled(2, reflected="true", scale=scale)
    arrays = [data.gradient("lstm", 30)[sample] for sample in (0, 1)]
    colouring = Colouring.over(arrays, scale, "vik")
    for sample, array in enumerate(arrays):
        mirrored = np.concatenate([array[:, :4], array[::-1, 4:]], axis=1)
        assert colouring.wrong(tab.pixels(tab.heatmap("lstm", sample)), drawn(mirrored)) == 0


@pytest.mark.parametrize("scale", ["symlog", "linear"])
def test_matrices(tab: Tab, scale: str) -> None:
    tab.choose(quantity="weights", scale=scale)
    tab.settled(9, quantity="weights", scale=scale)
    arrays = {
        (run, f"{direction}/{name}"): np.atleast_2d(matrix)
        for run in RUNS
        for direction, matrices in data.matrices(run, 30).items()
        for name, matrix in matrices.items()
    }
    assert len(arrays) == 9
    colouring = Colouring.over(list(arrays.values()), scale, "vik")
    for (run, matrix), array in arrays.items():
        assert colouring.wrong(tab.pixels(tab.heatmap(run, matrix)), array) == 0, (run, matrix)


def test_single_timestep(tab: Tab) -> None:
    tab.choose(runs="gru", layer=data.LAST_ONLY, samples="1", scale="linear")
    canvas = tab.settled(1, layer=data.LAST_ONLY, scale="linear")
    array = data.last_gradient()[1]
    assert Colouring.over([array], "linear", "vik").wrong(tab.pixels(canvas), drawn(array)) == 0


def block(text: str | None) -> int:
    """How many "4–7" are."""
    first, _, last = str(text).partition("–")
    return int(last or first) - int(first) + 1


def test_more_cells_than_pixels_are_pooled_to_the_largest(tab: Tab) -> None:
    tab.choose(runs="wide", scale="symlog")
    canvas = tab.settled(1, layer=data.WIDE, shape="3000x800")
    pixels = tab.pixels(canvas)
    assert pixels.shape[1] < 3000
    assert pixels.shape[0] < 800
    tab.point(canvas, 0, 0)
    found = re.search(r"largest of channels (\S+) \(forward\), t = (\S+?):", tab.readout.inner_text())
    assert found is not None, tab.readout.inner_text()
    columns, rows = block(found[1]), block(found[2])
    array = data.wide()[0]
    # No block holds channels of both directions.
    halves = [pooled(half, rows, columns) for half in np.split(array, 2, axis=1)]
    expected = drawn(np.concatenate(halves, axis=1))
    assert Colouring.over([array], "symlog", "vik").wrong(pixels, expected) == 0
    assert np.isnan(expected).sum() == 1
    assert np.isinf(expected).sum() == 1
    expect(tab.frame.get_by_text("1 NaN, 1 Inf")).to_be_visible()


def cells_seen(tab: Tab, run: str, sample: int) -> colours.Pixels:
    """The screen's pixel in the middle of each cell."""
    canvas = tab.heatmap(run, sample)
    height, width = tab.pixels(canvas).shape[:2]
    screen = tab.seen(canvas)
    down = ((np.arange(height) + 0.5) * screen.shape[0] / height).astype(int)
    across = ((np.arange(width) + 0.5) * screen.shape[1] / width).astype(int)
    found: colours.Pixels = screen[down[:, None], across]
    return found


@pytest.mark.parametrize("run", RUNS)
def test_screen_shows_every_cell(tab: Tab, run: str) -> None:
    tab.choose(runs=run, scale="symlog", samples="0")
    tab.settled(1, scale="symlog")
    array = data.gradient(run, 30)[0]
    assert Colouring.over([array], "symlog", "vik").wrong(cells_seen(tab, run, 0), drawn(array)) == 0


def test_two_device_pixels_a_css_pixel(browser: Browser, nets_board: TensorBoard) -> None:
    with browser.new_context(viewport={"width": 1100, "height": 800}, device_scale_factor=2) as context:
        tab = Tab.on(context, nets_board.port)
        tab.load(runs=names(["lstm", "wide"]), scale="symlog", samples="1")
        canvas = tab.settled(1, scale="symlog")
        array = data.gradient("lstm", 30)[1]
        colouring = Colouring.over([array], "symlog", "vik")
        assert colouring.wrong(tab.pixels(canvas), drawn(array)) == 0
        assert colouring.wrong(cells_seen(tab, "lstm", 1), drawn(array)) == 0
        at_two = tab.seen(canvas).shape
        box = canvas.bounding_box()
        assert box is not None
        assert abs(at_two[1] - 2 * box["width"]) <= 2
        assert tab.errors == []
