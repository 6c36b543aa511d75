"""What is in sight: zoomed and moved by every means, drawn from the logged cells, fetched anew where pooled."""

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import accessibility, data
from tests.browser.colours import Colouring, Floats, pooled
from tests.browser.tab import Tab

pytestmark = pytest.mark.browser

Region = tuple[int, int, int, int]


def text(region: Region) -> str:
    return ",".join(map(str, region))


def turned(array: Floats, split: int | None) -> Floats:
    """Each channel by its direction's own time."""
    return array if split is None else np.concatenate([array[:, :split], array[::-1, split:]], axis=1)


def cut(array: Floats, region: Region) -> Floats:
    first_row, last_row, first_column, last_column = region
    return array[first_row : last_row + 1, first_column : last_column + 1]


def colouring(runs: tuple[str, ...], samples: tuple[int, ...] = (0, 1), map_: str = "vik") -> Colouring:
    return Colouring.over([data.gradient(run, 30)[i] for run in runs for i in samples], "symlog", map_)


def drag(
    tab: Tab, canvas: Locator, start: tuple[float, float], end: tuple[float, float], *, shift: bool = False
) -> None:
    """From one place to another, in shares of the drawing."""
    box = canvas.bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    if shift:
        tab.page.keyboard.down("Shift")
    tab.page.mouse.move(*places[0])
    tab.page.mouse.down()
    tab.page.mouse.move(*places[1], steps=4)
    tab.page.mouse.up()
    if shift:
        tab.page.keyboard.up("Shift")


def in_address(tab: Tab, region: Region | None) -> None:
    """Waits until the address says so."""
    said = "" if region is None else text(region)
    tab.page.wait_for_function(
        "said => decodeURIComponent((location.hash.match(/p.rnn.region=([^&]*)/) ?? ['', ''])[1]) === said", arg=said
    )


@pytest.mark.parametrize("region", [(3, 11, 1, 6), (0, 4, 0, 2), (5, 19, 4, 7), (6, 6, 2, 2), (18, 23, 3, 5)])
@pytest.mark.parametrize("reflect", ["off", "on"])
@pytest.mark.parametrize("across", ["timesteps", "channels"])
def test_region_of_the_address_is_what_is_drawn(tab: Tab, region: Region, reflect: str, across: str) -> None:
    tab.choose(region=text(region), reflect=reflect, across=across, scale="symlog")
    canvases = tab.settled(4)
    colours = colouring(("lstm", "gru"))
    for run, split in (("lstm", 4), ("gru", None)):
        for sample in (0, 1):
            array = turned(data.gradient(run, 30)[sample], split if reflect == "on" else None)
            expected = cut(array, region)
            pixels = tab.pixels(tab.heatmap(run, sample))
            assert colours.wrong(pixels, expected.T if across == "timesteps" else expected) == 0, (run, sample)
    # All drawings are of the region, and fill their room.
    assert all((canvas.bounding_box() or {"width": 0})["width"] > 200 for canvas in canvases.all())


@pytest.mark.parametrize("across", ["timesteps", "channels"])
def test_whole_array_with_time_to_the_right_or_down(tab: Tab, across: str) -> None:
    tab.choose(scale="symlog", across=across, reflect="on")
    tab.settled(4)
    for run, split in (("lstm", 4), ("gru", None)):
        array = turned(data.gradient(run, 30)[0], split)
        expected = array.T if across == "timesteps" else array
        assert colouring(("lstm", "gru")).wrong(tab.pixels(tab.heatmap(run)), expected) == 0
    if across == "timesteps":
        return
    # The cell that is pointed at: row 2 of the backward half is timestep 17.
    tab.point(tab.heatmap("lstm"), 5, 2)
    expect(tab.readout).to_contain_text("channel 5 (backward), t = 17:")


def test_drag_zooms_all_panels_to_the_rectangle_and_asks_for_nothing(tab: Tab) -> None:
    tab.choose(scale="symlog")
    tab.settled(4)
    tab.wait_until_all_is_fetched()
    tab.requests.clear()
    drag(tab, tab.heatmap("lstm"), (0.11, 0.3), (0.49, 0.7))
    region = (2, 9, 2, 5)
    in_address(tab, region)
    tab.settled(4)
    for run in ("lstm", "gru"):
        expected = cut(data.gradient(run, 30)[1], region).T
        assert colouring(("lstm", "gru")).wrong(tab.pixels(tab.heatmap(run, 1)), expected) == 0
    expect(tab.frame.get_by_text("timesteps 2–9, channels 2–5")).to_be_visible()
    tab.point(tab.heatmap("lstm"), 3, 2)
    expect(tab.readout).to_contain_text("channel 4 (backward), t = 5:")
    tab.button("Show all").click()
    in_address(tab, None)
    assert colouring(("lstm", "gru")).wrong(tab.pixels(tab.heatmap("lstm")), data.gradient("lstm", 30)[0].T) == 0
    assert tab.asked("arrays") == []


def test_drag_in_a_reflected_half_zooms_to_the_cells_under_it(tab: Tab) -> None:
    tab.choose(runs="lstm", samples="0", reflect="on", scale="symlog")
    canvas = tab.settled(1)
    before = tab.pixels(canvas)
    drag(tab, canvas, (0.26, 0.4), (0.74, 0.9))
    in_address(tab, (5, 14, 3, 7))
    tab.settled(1)
    assert np.array_equal(tab.pixels(tab.heatmap("lstm")), before[3:8, 5:15])


def test_drag_with_shift_moves_what_is_in_sight(tab: Tab) -> None:
    tab.choose(region="4,11,2,5", scale="symlog")
    canvas = tab.settled(4).first
    drag(tab, canvas, (0.75, 0.9), (0.25, 0.4), shift=True)
    in_address(tab, (8, 15, 4, 7))
    expected = cut(data.gradient("lstm", 30)[0], (8, 15, 4, 7)).T
    assert colouring(("lstm", "gru")).wrong(tab.pixels(tab.heatmap("lstm")), expected) == 0
    # No further than there is anything.
    drag(tab, tab.heatmap("lstm"), (0.9, 0.9), (0.1, 0.1), shift=True)
    in_address(tab, (12, 19, 4, 7))


def test_wheel_zooms_only_with_ctrl(tab: Tab) -> None:
    tab.settled(4)
    tab.point(tab.heatmap("gru"), 10, 3)
    tab.page.mouse.wheel(0, -400)
    tab.page.keyboard.down("Control")
    tab.page.mouse.wheel(0, -400)
    tab.page.keyboard.up("Control")
    expect(tab.button("Show all")).to_be_enabled()
    tab.page.wait_for_function("location.hash.includes('p.rnn.region')")
    first, last, left, right = map(int, tab.choices["region"].split(","))
    # Of 24 timesteps and 8 channels e^-0.8 are left, with the cell under the pointer among them.
    assert last - first + 1 == round(24 * np.exp(-0.8))
    assert right - left + 1 == round(8 * np.exp(-0.8))
    assert first <= 10 <= last
    assert left <= 3 <= right
    tab.page.keyboard.down("Control")
    for _ in range(12):
        tab.page.mouse.wheel(0, 300)
    tab.page.keyboard.up("Control")
    in_address(tab, None)


def test_keys_zoom_and_move(tab: Tab) -> None:
    tab.choose(scale="symlog")
    tab.settled(4)
    press = tab.page.keyboard.press
    tab.heatmap("lstm").focus()
    for key in ("Escape", "ArrowRight", "+"):
        press(key)
    in_address(tab, (0, 11, 0, 3))
    for key in ("Shift+ArrowRight", "Shift+ArrowDown"):
        press(key)
    in_address(tab, (3, 14, 1, 4))
    # The cell that was pointed at is out of sight: the arrow keys begin at the first one in sight, and go on at the
    # edge.
    for key in ("Escape", "ArrowRight", "ArrowUp", "ArrowLeft"):
        press(key)
    in_address(tab, (2, 13, 0, 3))
    expect(tab.readout).to_contain_text("channel 0 (forward), t = 2:")
    press("-")
    in_address(tab, None)
    press("+")
    expect(tab.button("Zoom out")).to_be_enabled()
    press("0")
    in_address(tab, None)
    assert "step" not in tab.choices


def test_buttons_zoom(tab: Tab) -> None:
    tab.settled(4)
    expect(tab.button("Zoom out")).to_be_disabled()
    tab.button("Zoom in").click()
    in_address(tab, (6, 17, 2, 5))
    tab.button("Zoom out").click()
    in_address(tab, None)


def test_nonsense_regions_fall_back(tab: Tab) -> None:
    for region in ("1,2,3", "5,2,0,3", "-1,4,0,3", "a,b,c,d"):
        tab.choose(region=region)
        tab.settled(4)
        expect(tab.button("Show all")).to_be_disabled()
    # Beyond every array there is nothing, and the way back.
    tab.choose(region="900,999,900,999")
    expect(tab.frame.get_by_text("has nothing of what is in sight").first).to_be_visible()
    tab.button("Show all").click()
    tab.settled(4)


def wide_colouring() -> Colouring:
    return Colouring.over([data.wide()[0]], "symlog", "vik")


@pytest.mark.parametrize("reflect", ["off", "on"])
def test_pooled_cells_are_fetched_anew_where_they_are_looked_into(tab: Tab, reflect: str) -> None:
    region = (1220, 1259, 380, 419)
    tab.choose(runs="wide", scale="symlog", reflect=reflect)
    tab.settled(1, layer=data.WIDE)
    tab.requests.clear()
    tab.choose(runs="wide", scale="symlog", reflect=reflect, region=text(region))
    canvas = tab.settled(1, layer=data.WIDE)
    (asked,) = [url for url in tab.asked("arrays") if "first_row" in url]
    assert "max_rows" not in asked
    array = turned(data.wide()[0], 400 if reflect == "on" else None)
    assert wide_colouring().wrong(tab.pixels(canvas), cut(array, region).T) == 0
    # A little further nothing has to be fetched.
    tab.requests.clear()
    near = (1222, 1261, 381, 420)
    tab.choose(runs="wide", scale="symlog", reflect=reflect, region=text(near))
    assert wide_colouring().wrong(tab.pixels(tab.settled(1)), cut(array, near).T) == 0
    tab.wait_until_all_is_fetched()
    assert tab.asked("arrays") == []


def test_between_all_and_cells_there_are_levels(tab: Tab) -> None:
    """A region that is still larger than the screen is pooled, in blocks that begin anew at the second direction."""
    region = (0, 2047, 300, 555)
    tab.choose(runs="wide", scale="symlog", region=text(region))
    canvas = tab.settled(1, layer=data.WIDE)
    pixels = tab.pixels(canvas)
    tab.point(canvas, 0, 0)
    found = re.search(r"channels? (\S+) \(forward\), t = (\S+?):", tab.readout.inner_text())
    assert found is not None, tab.readout.inner_text()
    sizes = [int(last or first) - int(first) + 1 for first, _, last in (part.partition("–") for part in found.groups())]
    columns, rows = sizes
    assert rows > 1
    array = data.wide()[0][:2048]
    halves = [pooled(half, rows, columns) for half in (array[:, 300:400], array[:, 400:556])]
    assert wide_colouring().wrong(pixels, np.concatenate(halves, axis=1).T) == 0


def test_what_is_there_is_stretched_until_the_region_has_come(tab: Tab) -> None:
    region = (1200, 1299, 40, 139)
    tab.choose(runs="wide", scale="symlog")
    tab.settled(1, layer=data.WIDE)
    with tab.held("first_row="):
        tab.choose(runs="wide", scale="symlog", region=text(region))
        canvas = tab.frame.locator("canvas.heatmap[data-stale=true]")
        expect(canvas).to_have_count(1)
        expect(tab.frame.get_by_text("Loading…")).to_be_visible()
        few = tab.pixels(canvas)
        # Stretched over the room that the cells will have.
        stretched = canvas.bounding_box()

    def coarse(rows: int, columns: int) -> Floats:
        """Those of the whole array's blocks that meet the region."""
        whole = np.concatenate([pooled(half, rows, columns) for half in np.split(data.wide()[0], 2, axis=1)], axis=1)
        return whole[1200 // rows : 1299 // rows + 1, 40 // columns : 139 // columns + 1].T

    # In whichever blocks the whole was fetched: that hangs on the size of the window.
    blocks = [coarse(rows, columns) for rows in (2, 3, 4, 6) for columns in (2, 4)]
    assert any(one.shape == few.shape[:2] and wide_colouring().wrong(few, one) == 0 for one in blocks)
    fine = tab.settled(1, layer=data.WIDE)
    assert fine.bounding_box() == stretched
    assert wide_colouring().wrong(tab.pixels(fine), cut(data.wide()[0], region).T) == 0


def test_from_a_region_one_comes_back_to_the_whole_at_once(tab: Tab) -> None:
    tab.choose(runs="wide", scale="symlog", region="1200,1299,40,139")
    tab.settled(1, layer=data.WIDE)
    # The whole was fetched ahead.
    tab.wait_until_all_is_fetched()
    tab.requests.clear()
    tab.button("Show all").click()
    tab.settled(1, layer=data.WIDE, fetched="0,2999,0,799")
    assert tab.asked("arrays") == []


def test_scale_stays_while_one_zooms(tab: Tab) -> None:
    tab.choose(scale="symlog")
    limits = {canvas.get_attribute("data-limit") for canvas in tab.settled(4).all()}
    tab.choose(scale="symlog", region="0,3,0,2")
    assert {canvas.get_attribute("data-limit") for canvas in tab.settled(4).all()} == limits


@pytest.mark.parametrize("choices", [{"reflect": "on"}, {"across": "channels"}])
def test_axe_finds_nothing_in_a_region(tab: Tab, choices: dict[str, str]) -> None:
    tab.choose(**choices, region="3,11,1,6", channels="2,5")
    tab.settled(4)
    assert accessibility.violations(tab) == []


def test_region_is_in_the_index_range_of_the_largest(tab: Tab) -> None:
    """Run "lstm" ends at timestep 19: of a region beyond it there is nothing to draw, and that is said."""
    tab.choose(region="20,23,0,3")
    tab.settled(2, run="gru")
    expect(tab.frame.get_by_text("sample 0 has nothing of what is in sight")).to_be_visible()
