"""Matrices zoomed into: each by itself, in all runs, drawn from the logged cells, fetched anew where pooled."""

import itertools
import re
import urllib.parse

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import accessibility, weight_data
from tests.browser.colours import Colouring, Floats, pooled
from tests.browser.tab import Tab, names
from tests.browser.test_take_away import loaded, same, take
from tests.browser.test_weights import everything, logged
from tests.browser.test_zoom import Region, cut, drag

pytestmark = pytest.mark.browser

KERNEL = "forward/kernel"
Regions = dict[str, Region]


def text(regions: Regions) -> str:
    """As the address has it."""
    return names(str(part) for matrix, region in regions.items() for part in (matrix, *region))


def in_address(tab: Tab, regions: Regions) -> None:
    """Waits until the address says so."""
    tab.page.wait_for_function(
        "said => decodeURIComponent((location.hash.match(/p.rnn.regions=([^&]*)/) ?? ['', ''])[1]) === said",
        arg=text(regions),
    )


def shown(array: Floats, region: Region | None) -> Floats:
    return array if region is None else cut(array, region)


def expect_drawn(tab: Tab, arrays: dict[tuple[str, str], Floats], regions: Regions, step: int = 30) -> None:
    """Every matrix has the colours of what is in sight of it, on the scale of all that there is."""
    colouring = Colouring.over(list(arrays.values()), "linear", "vik")
    tab.settled(len(arrays), step=step, scale="linear", map="vik")
    for (run, item), array in arrays.items():
        pixels = tab.pixels(tab.heatmap(run, item))
        assert colouring.wrong(pixels, shown(array, regions.get(item))) == 0, (run, item)


def gate_names(tab: Tab, drawing: Locator) -> list[tuple[str, float]]:
    """What stands below a drawing, and for what share of it."""
    box = drawing.bounding_box()
    assert box is not None
    plot = tab.frame.locator(".plot").filter(has=drawing)
    found = []
    for name in plot.locator(".gates span").all():
        own = name.bounding_box()
        assert own is not None
        found.append((name.inner_text(), own["width"] / box["width"]))
    return found


def box_of(drawing: Locator) -> tuple[float, float, float]:
    """Its place across, its width and its height."""
    box = drawing.bounding_box()
    assert box is not None
    return box["x"], box["width"], box["height"]


@pytest.mark.parametrize(
    "regions",
    [
        {KERNEL: (1, 3, 6, 19)},
        {KERNEL: (4, 4, 23, 23), "forward/bias": (0, 0, 3, 11), "backward/recurrent_kernel": (0, 6, 0, 30)},
        {"forward/recurrent_kernel": (2, 7, 20, 31)},
    ],
)
def test_regions_of_the_address_are_what_is_drawn(weights: Tab, regions: Regions) -> None:
    """The GRU's matrices are 24 wide, the LSTM's 32: of a region each has what it has."""
    weights.choose(view="weights", quantity="weights", scale="linear", colours="vik", regions=text(regions))
    expect_drawn(weights, everything("weights"), regions)


def test_gates_are_named_and_parted_as_far_as_they_are_in_sight(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", regions=text({KERNEL: (1, 3, 6, 19)}))
    weights.settled(9)
    lstm, gru = (weights.heatmap(run, KERNEL) for run in ("lstm", "gru"))
    found, shares = zip(*gate_names(weights, lstm), strict=True)
    assert found == ("input", "forget", "cell")
    assert shares == pytest.approx([2 / 14, 8 / 14, 4 / 14], abs=0.01)
    assert [name for name, _ in gate_names(weights, gru)] == ["update", "reset", "candidate"]
    expect(weights.frame.locator(".plot").filter(has=lstm).locator(".divider")).to_have_count(2)
    # Numbers of units begin anew at each gate; those of the whole are not there.
    axes = weights.frame.locator(".axes").filter(has=lstm)
    units = [int(number) for number in axes.locator(".ticks.across span").all_inner_texts()]
    assert units[0] == 6
    assert all(number < weight_data.UNITS for number in units)
    assert sum(after < before for before, after in itertools.pairwise(units)) in (1, 2)
    whole = weights.frame.locator(".axes").filter(has=weights.heatmap("lstm", "backward/kernel"))
    expect(whole.locator(".ticks.across")).to_have_count(0)
    # One gate alone has no line.
    weights.choose(view="weights", quantity="weights", regions=text({KERNEL: (0, 4, 9, 14)}))
    weights.settled(9)
    assert [name for name, _ in gate_names(weights, lstm)] == ["forget"]
    expect(weights.frame.locator(".plot").filter(has=lstm).locator(".divider")).to_have_count(0)


def test_layer_without_gates_has_its_columns_numbered(weights: Tab) -> None:
    weights.choose(view="weights", layer=weight_data.CONVOLUTION, regions=text({KERNEL: (3, 9, 1, 2)}))
    weights.settled(2, layer=weight_data.CONVOLUTION)
    drawing = weights.heatmap("lstm", KERNEL)
    kernel = weight_data.convolution(30)["kernel"].reshape(-1, 4)
    colouring = Colouring.over([kernel, weight_data.convolution(30)["bias"]], "linear", "vik")
    assert colouring.wrong(weights.pixels(drawing), kernel[3:10, 1:3]) == 0
    axes = weights.frame.locator(".axes").filter(has=drawing)
    expect(axes.locator(".ticks.across span")).to_have_text(["1", "2"])


def test_drag_zooms_one_matrix_of_all_runs_and_asks_for_nothing(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", scale="linear", colours="vik")
    weights.settled(9)
    other = weights.heatmap("gru", "forward/recurrent_kernel")
    drawings = (weights.heatmap("lstm", KERNEL), other)
    boxes = [box_of(drawing) for drawing in drawings]
    weights.wait_until_all_is_fetched()
    weights.requests.clear()
    drag(weights, weights.heatmap("lstm", KERNEL), (8.5 / 32, 1.5 / 5), (15.5 / 32, 3.5 / 5))
    regions = {KERNEL: (1, 3, 8, 15)}
    in_address(weights, regions)
    expect_drawn(weights, everything("weights"), regions)
    assert weights.asked("arrays") == []
    # It is looked into where it stands: with cells of one size, and the others as before.
    for drawing, before, rel in zip(drawings, boxes, (0.1, 0), strict=True):
        assert box_of(drawing) == pytest.approx(before, rel=rel)
    expect(weights.frame.get_by_text("forward/kernel: rows 1–3, columns 8–15")).to_be_visible()
    weights.point(weights.heatmap("lstm", KERNEL), 2, 1)
    expect(weights.readout).to_contain_text("forward/kernel, row 2, forget gate, unit 2")
    value = logged("weights", "lstm", 30)[KERNEL][2, 10]
    found = re.search(r"unit 2: (\u2212?[\d.]+)", weights.readout.inner_text())
    assert found is not None
    assert float(found[1].replace("\u2212", "-")) == pytest.approx(float(value), rel=1e-4)
    # And another one besides.
    drag(weights, weights.heatmap("gru", "forward/recurrent_kernel"), (0.5 / 24, 0.5 / 8), (3.5 / 24, 6.5 / 8))
    regions["forward/recurrent_kernel"] = (0, 6, 0, 3)
    in_address(weights, regions)
    expect_drawn(weights, everything("weights"), regions)
    weights.button("Show all of forward/kernel").click()
    del regions[KERNEL]
    in_address(weights, regions)
    weights.button("Show all").click()
    in_address(weights, {})
    expect_drawn(weights, everything("weights"), {})


def test_drag_with_shift_moves_and_wheel_zooms_with_ctrl(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", runs="lstm", regions=text({KERNEL: (1, 3, 8, 15)}))
    weights.settled(6)
    drawing = weights.heatmap("lstm", KERNEL)
    drag(weights, drawing, (0.75, 0.9), (0.25, 0.5), shift=True)
    in_address(weights, {KERNEL: (2, 4, 12, 19)})
    weights.button("Show all").click()
    weights.point(drawing, 20, 2)
    weights.page.mouse.wheel(0, -400)
    assert "regions" not in weights.choices
    weights.point(drawing, 20, 2)
    weights.page.keyboard.down("Control")
    weights.page.mouse.wheel(0, -400)
    weights.page.keyboard.up("Control")
    weights.page.wait_for_function("location.hash.includes('p.rnn.regions')")
    matrix, *ends = weights.choices["regions"].split(",")
    top, bottom, left, right = map(int, ends)
    assert urllib.parse.unquote(matrix) == KERNEL
    assert right - left + 1 == round(32 * np.exp(-0.8))
    assert bottom - top + 1 == round(5 * np.exp(-0.8))
    assert left <= 20 <= right
    assert top <= 2 <= bottom


def test_keys_zoom_and_move(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", runs="lstm")
    weights.settled(6)
    item = "backward/recurrent_kernel"
    weights.heatmap("lstm", item).focus()
    press = weights.page.keyboard.press
    for key in ("Escape", "ArrowRight", "+"):
        press(key)
    in_address(weights, {item: (0, 3, 0, 15)})
    for key in ("Shift+ArrowRight", "Shift+ArrowDown"):
        press(key)
    in_address(weights, {item: (1, 4, 4, 19)})
    press("-")
    press("-")
    in_address(weights, {})
    press("+")
    expect(weights.button(f"Show all of {item}")).to_be_visible()
    press("0")
    in_address(weights, {})
    # Enter pins a channel of a sequence; a matrix has none.
    press("Enter")
    assert "channels" not in weights.choices
    assert "step" not in weights.choices


def test_buttons_zoom_the_matrix_that_was_chosen(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", runs="lstm")
    weights.settled(6)
    expect(weights.button("Zoom out")).to_be_disabled()
    weights.select("Buttons zoom", "backward/recurrent_kernel")
    weights.button("Zoom in").click()
    in_address(weights, {"backward/recurrent_kernel": (2, 5, 8, 23)})
    weights.select("Buttons zoom", KERNEL)
    expect(weights.button("Zoom out")).to_be_disabled()
    weights.button("Show all").click()
    in_address(weights, {})
    expect(weights.button("Show all")).to_be_disabled()


def test_layer_of_another_shape_begins_whole(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", runs="lstm", regions=text({KERNEL: (1, 3, 8, 15)}))
    weights.settled(6)
    weights.select("Layer", weight_data.CONVOLUTION)
    weights.settled(2, layer=weight_data.CONVOLUTION)
    in_address(weights, {})


@pytest.mark.parametrize("regions", ["forward/kernel,0,1,2", "forward/kernel,3,1,0,2", "forward/none,0,1,0,1"])
def test_nonsense_regions_fall_back(weights: Tab, regions: str) -> None:
    weights.choose(view="weights", quantity="weights", scale="linear", colours="vik", regions=names(regions.split(",")))
    expect_drawn(weights, everything("weights"), {})
    # Nor is anything said of a matrix that is not there.
    expect(weights.frame.locator(".zoomed-matrices")).to_have_count(0)
    expect(weights.button("Show all")).to_be_disabled()


def test_region_beyond_a_matrix_says_so(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", regions=text({KERNEL: (0, 4, 26, 31)}))
    weights.settled(8)
    expect(weights.frame.get_by_text("forward/kernel has nothing of what is in sight")).to_be_visible()


def test_both_steps_and_their_difference_are_of_the_region(weights: Tab) -> None:
    region = (1, 3, 6, 19)
    choices = {"view": "weights", "quantity": "weights", "runs": "gru", "scale": "linear", "colours": "vik"}
    weights.choose(**choices, earlier="12", regions=text({KERNEL: region}))
    weights.settled(6)
    matrices = {step: logged("weights", "gru", step) for step in (12, 30)}
    colouring = Colouring.over([m for of in matrices.values() for m in of.values()], "linear", "vik")
    for step, of in matrices.items():
        drawing = weights.frame.locator(f"canvas[data-matrix='{KERNEL}'][data-step='{step}']")
        assert colouring.wrong(weights.pixels(drawing), cut(of[KERNEL], region)) == 0
    weights.choose(**choices, earlier="12", minus="earlier", regions=text({KERNEL: region}))
    weights.settled(3, minus="gru")
    differences = {item: matrices[30][item] - matrices[12][item] for item in matrices[30]}
    colouring = Colouring.over(list(differences.values()), "linear", "vik")
    pixels = weights.pixels(weights.heatmap("gru", KERNEL))
    assert colouring.wrong(pixels, cut(differences[KERNEL], region)) == 0


def test_heatmap_draws_the_same_region(weights: Tab) -> None:
    regions = {KERNEL: (1, 3, 6, 19)}
    weights.choose(view="heatmap", quantity="weights", scale="linear", colours="vik", regions=text(regions))
    weights.settled(9)
    colouring = Colouring.over(list(everything("weights").values()), "linear", "vik")
    for run in ("lstm", "gru"):
        expected = cut(logged("weights", run, 30)[KERNEL], regions[KERNEL])
        assert colouring.wrong(weights.pixels(weights.heatmap(run, KERNEL)), expected) == 0


def test_zoomed_matrix_is_taken_away_whole(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", runs="lstm", regions=text({KERNEL: (1, 3, 8, 15)}))
    weights.settled(6)
    _, content = take(weights, "NPY", "lstm, forward/kernel")
    assert same(loaded(content), logged("weights", "lstm", 30)[KERNEL])


def wide_colouring() -> Colouring:
    matrices = [np.atleast_2d(m) for run in ("lstm", "gru") for m in weight_data.wide(run, 30).values()]
    return Colouring.over(matrices, "symlog", "vik")


WIDE = {"view": "weights", "layer": weight_data.WIDE, "quantity": "weights", "scale": "symlog", "colours": "vik"}


def wide_kernel(run: str, step: int = 30) -> Floats:
    return weight_data.wide(run, step)["kernel"]


def test_pooled_cells_are_fetched_anew_where_they_are_looked_into(weights: Tab) -> None:
    region = (282, 321, 580, 619)
    weights.choose(**WIDE)
    weights.settled(4, layer=weight_data.WIDE)
    # Whole it is pooled.
    height, width = weights.pixels(weights.heatmap("lstm", KERNEL)).shape[:2]
    assert height * width < 700 * 2400 / 4
    weights.requests.clear()
    weights.choose(**WIDE, regions=text({KERNEL: region}))
    weights.settled(4, layer=weight_data.WIDE)
    asked = [urllib.parse.parse_qs(urllib.parse.urlsplit(url).query) for url in weights.asked("arrays")]
    # The step before is fetched ahead.
    (fine,) = [query for query in asked if "first_row" in query and set(query["step"]) == {"30"}]
    assert fine["matrix"] == [KERNEL]
    assert fine["run"] == ["lstm", "gru"]
    assert "max_rows" not in fine
    for run in ("lstm", "gru"):
        pixels = weights.pixels(weights.heatmap(run, KERNEL))
        assert wide_colouring().wrong(pixels, cut(wide_kernel(run), region)) == 0
    assert [name for name, _ in gate_names(weights, weights.heatmap("gru", KERNEL))] == ["update", "reset"]
    # Where the gates meet two cells stand out.
    weights.point(weights.heatmap("lstm", KERNEL), 20, 19)
    expect(weights.readout).to_contain_text("row 301, forget gate, unit 0: −1")
    # A little further nothing has to be fetched, nor on the way back.
    weights.wait_until_all_is_fetched()
    weights.requests.clear()
    near = (284, 323, 582, 621)
    weights.choose(**WIDE, regions=text({KERNEL: near}))
    weights.settled(4, layer=weight_data.WIDE)
    pixels = weights.pixels(weights.heatmap("lstm", KERNEL))
    assert wide_colouring().wrong(pixels, cut(wide_kernel("lstm"), near)) == 0
    weights.button("Show all").click()
    weights.settled(4, layer=weight_data.WIDE)
    assert weights.pixels(weights.heatmap("lstm", KERNEL)).shape[:2] == (height, width)
    assert weights.asked("arrays") == []


def test_between_all_and_cells_there_are_levels(weights: Tab) -> None:
    """A region that is still larger than the screen is pooled, and each pixel says what it stands for."""
    region = (0, 699, 0, 1199)
    weights.choose(**WIDE, regions=text({KERNEL: region}), runs="lstm")
    weights.settled(2, layer=weight_data.WIDE)
    canvas = weights.heatmap("lstm", KERNEL)
    expect(canvas).to_have_attribute("data-fetched", "0,699,0,1279")
    pixels = weights.pixels(canvas)
    weights.point(canvas, 0, 0)
    found = re.search(r"rows? (\S+), input gate, units? (\S+):", weights.readout.inner_text())
    assert found is not None, weights.readout.inner_text()
    rows, columns = (
        int(last or first) - int(first) + 1 for first, _, last in (p.partition("–") for p in found.groups())
    )
    assert rows > 1
    coarse = pooled(wide_kernel("lstm")[:, :1280], rows, columns)[:, : -(-1200 // columns)]
    colouring = Colouring.over([np.atleast_2d(m) for m in weight_data.wide("lstm", 30).values()], "symlog", "vik")
    assert colouring.wrong(pixels, coarse) == 0


def test_whole_of_a_step_is_stretched_until_its_region_has_come(weights: Tab) -> None:
    region = (380, 419, 1190, 1229)
    weights.choose(**WIDE, runs="lstm", step="20")
    weights.settled(2, layer=weight_data.WIDE, step=20)
    stale = weights.frame.locator(f"canvas[data-matrix='{KERNEL}'][data-stale=true]")
    # The next step's region is fetched ahead: it is held from the beginning.
    with weights.held("step=30&.*first_row="):
        with weights.held("step=20&.*first_row="):
            weights.choose(**WIDE, runs="lstm", step="20", regions=text({KERNEL: region}))
            expect(stale).to_have_count(1)
            coarse, place = weights.pixels(stale), stale.bounding_box()
            assert coarse.shape[:2] < (40, 40)
            # The other matrix waits for nothing.
            expect(weights.frame.locator("canvas[data-matrix='forward/bias'][data-stale=false]")).to_have_count(1)
        weights.settled(2, layer=weight_data.WIDE, step=20)
        # So does the next step: its own coarse cells are drawn, not the finer ones of another step.
        weights.choose(**WIDE, runs="lstm", step="30", regions=text({KERNEL: region}))
        expect(stale.and_(weights.frame.locator("[data-step='30']"))).to_have_count(1)
    weights.settled(2, layer=weight_data.WIDE, step=30)
    fine = weights.heatmap("lstm", KERNEL)
    assert fine.bounding_box() == place
    colouring = Colouring.over([np.atleast_2d(m) for m in weight_data.wide("lstm", 30).values()], "symlog", "vik")
    assert colouring.wrong(weights.pixels(fine), cut(wide_kernel("lstm"), region)) == 0


def test_axe_finds_nothing_in_a_region(weights: Tab) -> None:
    weights.choose(view="weights", quantity="weights", regions=text({KERNEL: (1, 3, 6, 19)}))
    weights.settled(9)
    assert accessibility.violations(weights) == []
