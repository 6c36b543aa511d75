from collections.abc import Iterator

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from tests.browser import data
from tests.browser.tab import Tab, names

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("loader", ["rust"], indirect=True)]


@pytest.fixture
def sized(tab: Tab) -> Iterator[Tab]:
    """The tab, to be given other sizes."""
    tab.settled(4)
    yield tab
    tab.page.set_viewport_size({"width": 1400, "height": 900})


def box(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found is not None
    return found


@pytest.mark.parametrize("width", [900, 1400, 2560])
def test_drawings_fill_their_column_and_nothing_is_cut_off(sized: Tab, width: int) -> None:
    sized.page.set_viewport_size({"width": width, "height": 900})
    sized.choose(scale="linear")
    sized.settled(4, scale="linear")
    view = box(sized.frame.get_by_role("tabpanel"))
    bar = box(sized.frame.get_by_role("img", name="Colour bar"))
    lstm, gru = box(sized.heatmap("lstm")), box(sized.heatmap("gru"))
    assert bar["x"] + bar["width"] <= view["x"] + view["width"]
    assert lstm["x"] + lstm["width"] < gru["x"]
    assert gru["x"] + gru["width"] < bar["x"]
    # No cell is wider than 20 pixels; what room that leaves is used to nine tenths.
    column = gru["x"] - lstm["x"] - 108
    for drawing, timesteps in ((lstm, 20), (gru, 24)):
        assert drawing["width"] >= 0.9 * min(column, 20 * timesteps) - 1


def test_samples_of_a_run_stay_together_under_its_name(sized: Tab) -> None:
    sized.page.set_viewport_size({"width": 1000, "height": 600})
    sized.choose(runs=names([*data.TINY, "lstm"]), layer="tiny")
    sized.settled(6, layer="tiny")
    sized.choose(samples="0,1,2")
    sized.settled(6, layer=data.LAYER)
    for run in ("lstm", "gru"):
        drawn = [box(sized.heatmap(run, sample)) for sample in range(3)]
        assert len({one["x"] for one in drawn}) == 1
        assert drawn[0]["y"] < drawn[1]["y"] < drawn[2]["y"]
    # The name stays in sight when the last sample is scrolled to.
    sized.heatmap("lstm", 2).scroll_into_view_if_needed()
    heading = sized.frame.locator(".run-heading").filter(has_text="lstm")
    expect(heading).to_be_in_viewport(ratio=1)
    assert box(heading)["y"] < box(sized.heatmap("lstm", 2))["y"]


def test_matrix_that_a_run_lacks_takes_a_line(tab: Tab) -> None:
    tab.choose(quantity="weights")
    tab.settled(9, quantity="weights")
    expect(tab.frame.get_by_text("no backward/kernel", exact=True)).to_be_visible()
    assert box(tab.frame.get_by_text("no backward/kernel", exact=True))["height"] < 30
    places = [
        box(tab.heatmap("lstm", f"{direction}/{name}"))["y"]
        for direction in ("forward", "backward")
        for name in ("kernel", "recurrent_kernel", "bias")
    ]
    assert places == sorted(places)
    # With nobody to have it, nobody lacks it.
    tab.choose(quantity="weights", runs="gru")
    tab.settled(3, quantity="weights")
    expect(tab.frame.get_by_text("no backward")).to_have_count(0)


def test_matrices_that_no_run_of_a_block_has_share_one_line(sized: Tab) -> None:
    sized.page.set_viewport_size({"width": 860, "height": 900})
    sized.choose(quantity="weights", limits="panel")
    sized.settled(9, quantity="weights")
    expect(sized.frame.get_by_text("no backward")).to_have_text(
        "no backward/kernel, backward/recurrent_kernel, backward/bias here"
    )


def test_layer_is_described_in_two_short_lines(tab: Tab) -> None:
    tab.settled(4)
    line = tab.frame.get_by_text("LSTM, GRU; 4, 6 units; some bidirectional; keras")
    expect(line).to_be_visible()
    assert box(line)["height"] < 40
