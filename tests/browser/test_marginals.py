"""Mean magnitudes beside the drawings: the length of each bar, against the logged arrays."""

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import accessibility, data
from tests.browser.colours import Colouring, Floats
from tests.browser.tab import Tab, switch_theme

pytestmark = pytest.mark.browser

DEPTH = 30

_FILLED = """(canvas, [side, fill]) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const length = side === "top" ? width : height;
  return Array.from({ length }, (_, i) => {
    let count = 0;
    for (let j = 0; j < (side === "top" ? height : width); j++) {
      const at = 4 * (side === "top" ? j * width + i : i * width + j);
      if (data[at + 3] === 255 && data[at] === fill) count++;
    }
    return count;
  });
}"""


def strip(tab: Tab, run: str, of: str, item: str = "sample 0") -> Locator:
    found = tab.frame.get_by_role("img", name=f"Mean magnitude of each {of}, {run} {item}")
    expect(found).to_have_count(1)
    return found


def lengths(found: Locator, side: str, count: int, fill: int = 0x9A) -> npt.NDArray[np.int64]:
    """How long the bar in the middle of each cell is, in pixels of a grey."""
    along = np.array(found.evaluate(_FILLED, [side, fill]))
    return np.asarray(along[((np.arange(count) + 0.5) * len(along) / count).astype(int)])


def expected(means: Floats, colouring: Colouring) -> npt.NDArray[np.int64]:
    c = colouring.limit * 1e-6
    shares = (
        np.log1p(means / c) / np.log1p(colouring.limit / c) if colouring.kind == "symlog" else means / colouring.limit
    )
    return np.asarray(np.round(DEPTH * np.clip(shares, 0, 1)), np.int64)


def close(found: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]) -> bool:
    return bool((np.abs(found - wanted) <= 1).all())


def means(array: Floats, axis: int) -> Floats:
    magnitudes = np.abs(array.astype(float))
    magnitudes[~np.isfinite(magnitudes)] = np.nan
    return np.asarray(np.nanmean(magnitudes, axis=axis))


@pytest.mark.parametrize("scale", ["symlog", "linear"])
@pytest.mark.parametrize("across", ["timesteps", "channels"])
def test_bars_are_as_long_as_the_means(tab: Tab, scale: str, across: str) -> None:
    tab.choose(scale=scale, across=across)
    tab.settled(4, scale=scale)
    colouring = Colouring.over([data.gradient(run, 30)[i] for run in ("lstm", "gru") for i in (0, 1)], scale, "vik")
    sides = (
        {"timestep": "top", "channel": "right"} if across == "timesteps" else {"timestep": "right", "channel": "top"}
    )
    for item in (0, 1):
        array = data.gradient("gru", 30)[item]
        rows, columns = expected(means(array, 1), colouring), expected(means(array, 0), colouring)
        assert close(lengths(strip(tab, "gru", "timestep", f"sample {item}"), sides["timestep"], 24), rows)
        assert close(lengths(strip(tab, "gru", "channel", f"sample {item}"), sides["channel"], 6), columns)
        assert len(np.unique(rows)) > 3
    # Cells that are not finite are left out.
    array = data.gradient("lstm", 30)[1]
    columns = expected(means(array, 0), colouring)
    assert close(lengths(strip(tab, "lstm", "channel", "sample 1"), sides["channel"], 8), columns)


def test_bars_are_cut_with_the_drawing_and_sorted_with_it(tab: Tab) -> None:
    array = data.activation("gru", 30)[0]
    tab.choose(runs="gru", samples="0", quantity="activation", region="4,9,1,3", sort="magnitude")
    tab.settled(1, order="magnitude")
    colouring = Colouring.over([array], "linear", "vik")
    by_size = np.sort(means(array, 0))[::-1]
    assert close(lengths(strip(tab, "gru", "channel"), "right", 3), expected(by_size[1:4], colouring))
    assert close(lengths(strip(tab, "gru", "timestep"), "top", 6), expected(means(array, 1)[4:10], colouring))


def test_each_direction_of_a_reflected_drawing_has_its_own_time(tab: Tab) -> None:
    tab.choose(runs="lstm", samples="0", reflect="on", scale="symlog")
    tab.settled(1)
    array = data.gradient("lstm", 30)[0]
    colouring = Colouring.over([array], "symlog", "vik")
    found = strip(tab, "lstm", "timestep")
    # The line of the backward half runs over the bars of the forward half: what it covers is not counted.
    forward = expected(means(array[:, :4], 1), colouring)
    assert (lengths(found, "top", 20) >= forward - 3).all()
    backward = expected(means(array[::-1, 4:], 1), colouring)
    heights = found.evaluate(
        """canvas => {
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          return Array.from({ length: 20 }, (_, i) => {
            const x = Math.floor((i + 0.5) * width / 20);
            for (let y = 0; y < height; y++) if (data[4 * (y * width + x)] === 0x21) return height - y;
            return 0;
          });
        }"""
    )
    assert close(np.array(heights), np.maximum(1, backward))


def test_they_are_switched_off_and_on_without_a_request(tab: Tab) -> None:
    tab.settled(4)
    strips = tab.frame.get_by_role("img", name="Mean magnitude of each")
    expect(strips).to_have_count(8)
    tab.wait_until_all_is_fetched()
    tab.requests.clear()
    tab.box("mean magnitudes beside").uncheck()
    expect(strips).to_have_count(0)
    tab.settled(4)
    assert tab.choices["marginals"] == "off"
    tab.box("mean magnitudes beside").check()
    expect(strips).to_have_count(8)
    assert tab.asked("arrays") == []


def test_in_the_dark(tab: Tab) -> None:
    tab.choose(runs="gru", samples="0", scale="symlog")
    tab.settled(1, map="vik")
    try:
        switch_theme(tab, "Dark")
        tab.settled(1, map="berlin")
        array = data.gradient("gru", 30)[0]
        rows = expected(means(array, 1), Colouring.over([array], "symlog", "berlin"))
        assert close(lengths(strip(tab, "gru", "timestep"), "top", 24, fill=0x80), rows)
        assert accessibility.violations(tab) == []
    finally:
        switch_theme(tab, "Light")


def test_matrices_have_none(tab: Tab) -> None:
    tab.choose(quantity="weights", runs="gru")
    tab.settled(3, quantity="weights")
    expect(tab.frame.get_by_role("img", name="Mean magnitude of each")).to_have_count(0)
