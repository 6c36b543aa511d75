"""2048 channels by 4096 timesteps: opened, a NaN among them seen and zoomed to, sorted, a channel pinned."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, expect

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests import serving
from tests.browser.colours import Colouring
from tests.browser.tab import Tab
from tests.serving import wait_for

pytestmark = pytest.mark.browser

TIMESTEPS, CHANNELS = 4096, 2048
PLANTED = (1234, 777)
GREEN = (0, 255, 0)

_REGION_IS = """([timesteps, channels]) => {
  const region = /p\\.rnn\\.region=([\\d,]+)/.exec(decodeURIComponent(location.hash))?.[1] ?? "";
  const [first, last, left, right] = region.split(",").map(Number);
  return last - first + 1 === timesteps && right - left + 1 === channels;
}"""


@pytest.fixture(scope="module")
def values() -> FloatArray:
    array = np.random.default_rng(0).standard_normal((TIMESTEPS, CHANNELS), dtype=np.float32)
    array *= np.logspace(-4, 0, CHANNELS, dtype=np.float32)
    array[PLANTED] = np.nan
    return array


@pytest.fixture(scope="module")
def big(
    context: BrowserContext, tmp_path_factory: pytest.TempPathFactory, loader: str, values: FloatArray
) -> Iterator[Tab]:
    directory = tmp_path_factory.mktemp(f"big-{loader}") / "logs"
    record = LayerRecord("big", cell="lstm", units=CHANNELS, sequences={"output_gradient": values[None]})
    rnn_summary.write(record, 0, directory / "run")
    rnn_summary.close()
    with serving.tensorboard(directory, loader) as board:
        wait_for("the run", lambda: board.last_step("run") == 0)
        with Tab.opened(context, board.port) as tab:
            yield tab
            assert tab.errors == []


def greens(tab: Tab) -> list[tuple[int, int]]:
    """Rows and columns of the picture that have the colour of NaN."""
    pixels = tab.pixels(tab.heatmaps.first)
    return [(int(row), int(column)) for row, column in np.argwhere((pixels == GREEN).all(axis=-1))]


def test_the_planted_nan_is_seen_and_zoomed_to(big: Tab, values: FloatArray) -> None:
    big.choose(scale="symlog")
    big.settled(1, shape=f"{TIMESTEPS}x{CHANNELS}")
    expect(big.frame.get_by_text("1 NaN", exact=True)).to_be_visible()
    ((row, column),) = greens(big)
    big.point(big.heatmaps.first, column, row)
    expect(big.readout).to_contain_text("NaN")
    big.page.keyboard.down("Control")
    for _ in range(30):
        # The cell stays under the pointer, though not in its middle: it is pointed at anew.
        big.page.mouse.wheel(0, -400)
        big.settled(1)
        ((row, column),) = greens(big)
        big.point(big.heatmaps.first, column, row)
        if "largest of" not in big.readout.inner_text() and big.pixels(big.heatmaps.first).size < 3 * 400:
            break
    big.page.keyboard.up("Control")
    expect(big.readout).to_contain_text(f"channel {PLANTED[1]}, t = {PLANTED[0]}: NaN")
    pixels = big.pixels(big.settled(1))
    # The address follows.
    big.page.wait_for_function(_REGION_IS, arg=[pixels.shape[1], pixels.shape[0]])
    first, last, left, right = map(int, big.choices["region"].split(","))
    expected = values[first : last + 1, left : right + 1]
    assert expected.shape[0] < 100
    assert Colouring.over([values], "symlog", "vik").wrong(pixels, expected.T) == 0


@pytest.mark.parametrize("sort", ["magnitude", "first_active", "similarity"])
def test_it_is_sorted_and_read_by_its_own_numbers(big: Tab, values: FloatArray, sort: str) -> None:
    region = (1200, 1239, 1260, 1279)
    big.choose(scale="symlog", sort=sort, region=",".join(map(str, region)))
    canvas = big.settled(1, order=sort)
    big.point(canvas, 3, 5)
    channel = int(big.readout.inner_text().split("channel ")[1].split(",")[0])
    colouring = Colouring.over([values], "symlog", "vik")
    row = big.pixels(canvas)[5:6]
    assert colouring.wrong(row, values[1200:1240, channel][None]) == 0
    if sort == "magnitude":
        means = np.nanmean(np.abs(values.astype(float)), axis=0)
        assert channel == np.argsort(-means, kind="stable")[1265]
    big.page.mouse.down()
    big.page.mouse.up()
    expect(big.button(f"Unpin channel {channel}")).to_be_visible()
