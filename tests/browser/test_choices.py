import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser import data
from tests.browser.tab import Tab, names
from tests.serving import TensorBoard

pytestmark = pytest.mark.browser


def test_eight_runs_at_first_and_a_ninth_is_refused(tab: Tab) -> None:
    boxes = tab.frame.get_by_role("group", name="Runs").get_by_role("checkbox")
    expect(boxes).to_have_count(9)
    checked = [run for run in data.RUNS if tab.box(run).is_checked()]
    (ninth,) = set(data.RUNS) - set(checked)
    # Not check(): that would insist on its coming on.
    tab.box(ninth).click()
    expect(tab.frame.get_by_text("At most 8 runs are shown at once. Take one off first.")).to_be_visible()
    expect(tab.box(ninth)).not_to_be_checked()
    tab.box(data.TINY[0]).uncheck()
    expect(tab.frame.get_by_text("At most 8 runs")).to_have_count(0)
    tab.box(ninth).check()
    expect(tab.box(ninth)).to_be_checked()
    # Runs may be taken off by other ways too, as by the link of a finding.
    tab.box(data.TINY[0]).click()
    expect(tab.frame.get_by_text("At most 8 runs")).to_be_visible()
    tab.choose(runs="lstm")
    expect(tab.frame.get_by_text("At most 8 runs")).to_have_count(0)


def test_runs_are_taken_off_and_put_back(tab: Tab) -> None:
    tab.settled(4)
    tab.box("gru").uncheck()
    tab.settled(2, run="lstm")
    tab.box("gru").check()
    tab.settled(4)
    for run in data.RUNS:
        tab.box(run).uncheck()
    expect(tab.frame.get_by_text("No run is selected.")).to_be_visible()
    tab.box("gru").check()
    tab.settled(2, run="gru")


def test_runs_can_be_searched(tab: Tab) -> None:
    tab.settled(4)
    tab.frame.get_by_role("searchbox", name="Search runs").fill("0.3")
    expect(tab.frame.get_by_role("group", name="Runs").get_by_role("checkbox")).to_have_count(1)
    tab.frame.get_by_role("searchbox", name="Search runs").fill("")
    expect(tab.frame.get_by_role("group", name="Runs").get_by_role("checkbox")).to_have_count(9)


def test_run_that_lacks_what_is_chosen_says_so(tab: Tab) -> None:
    tab.settled(4)
    expect(tab.frame.get_by_text("no layer encoder/bilstm", exact=True).first).to_be_visible()


def test_eight_runs_side_by_side(tab: Tab) -> None:
    tab.choose(runs=names([*data.TINY, "lstm", "gru"]), layer="tiny")
    tab.settled(6, layer="tiny", step=0)


def test_layer_and_quantity(tab: Tab) -> None:
    tab.settled(4)
    tab.select("Quantity", "activation")
    tab.settled(4, quantity="activation")
    tab.select("Layer", data.LAST_ONLY)
    # The other layer has no activation.
    tab.settled(2, layer=data.LAST_ONLY, quantity="output_gradient", shape="1x5")
    tab.select("Layer", data.LAYER)
    tab.settled(4, layer=data.LAYER, quantity="activation")
    assert tab.choices == {"view": "heatmap", "layer": data.LAYER, "quantity": "activation"}


def test_single_timestep_is_explained(tab: Tab) -> None:
    tab.choose(runs="gru", layer=data.LAST_ONLY)
    tab.settled(2, shape="1x5")
    expect(tab.frame.get_by_text("only the last timestep").first).to_be_visible()


def test_samples(tab: Tab) -> None:
    tab.settled(4)
    tab.box("Sample 2").check()
    tab.settled(6)
    tab.box("Sample 0").uncheck()
    tab.settled(4)
    expect(tab.heatmap("lstm", 0)).to_have_count(0)
    expect(tab.frame.get_by_text("Drawn: 1–2. Kept: 3 of 3 in the batch.")).to_be_visible()
    tab.button("all").click()
    tab.settled(6)


def test_shared_scale(tab: Tab) -> None:
    canvases = tab.settled(4)
    limits = {canvas.get_attribute("data-limit") for canvas in canvases.all()}
    assert len(limits) == 1
    bars = tab.frame.get_by_role("img", name="Colour bar")
    expect(bars).to_have_count(1)
    tab.select("Limits", "panel")
    expect(bars).to_have_count(4)
    limits = {canvas.get_attribute("data-limit") for canvas in tab.settled(4).all()}
    assert len(limits) == 4


@pytest.mark.parametrize(
    ("quantity", "kind"), [("output_gradient", "symlog"), ("activation", "linear"), ("weights", "linear")]
)
def test_automatic_scale_suits_the_quantity(tab: Tab, quantity: str, kind: str) -> None:
    tab.choose(runs="lstm", quantity=quantity)
    tab.settled(6 if quantity == "weights" else 2, quantity=quantity, scale=kind)
    chosen = tab.frame.get_by_label("Scale", exact=True)
    expect(chosen).to_have_value("automatic")
    expect(chosen.locator("option:checked")).to_have_text(f"automatic ({kind})")
    assert "scale" not in tab.choices
    tab.select("Scale", kind)
    assert tab.choices["scale"] == kind


def test_scale_and_colours_ask_nothing_of_the_server(tab: Tab) -> None:
    tab.settled(4)
    tab.wait_until_all_is_fetched()
    tab.requests.clear()
    tab.select("Scale", "log")
    tab.settled(4, scale="log", map="cividis")
    tab.select("Decades", "3")
    tab.settled(4, decades="3")
    tab.select("Colours", "RdBu")
    tab.settled(4, map="RdBu")
    for limits, bars in (("panel", 4), ("run", 4), ("unit", 1), ("typed", 1), ("shared", 1)):
        tab.select("Limits", limits)
        expect(tab.frame.get_by_role("img", name="Colour bar")).to_have_count(bars)
    tab.box("reflect backward half").check()
    expect(tab.heatmap("lstm")).to_have_attribute("data-reflected", "true")
    # The index is asked for every few seconds whatever happens.
    assert tab.asked("arrays") == []
    assert tab.asked("series") == []


def test_address_brings_everything_back_in_a_new_page(
    tab: Tab, context: BrowserContext, nets_board: TensorBoard
) -> None:
    tab.settled(4)
    for run in (*data.TINY, "wide"):
        tab.box(run).set_checked(run == data.TINY[3])
    tab.select("Quantity", "activation")
    tab.select("Scale", "symlog")
    tab.select("Decades", "3")
    tab.select("Colours", "bwr")
    tab.box("Sample 0").uncheck()
    tab.select("Limits", "panel")
    tab.box("reflect backward half").check()
    tab.frame.locator("body").press("ArrowLeft")
    before = tab.settled(2, quantity="activation", step=20, scale="symlog", map="bwr", decades=3)
    seen = [tab.pixels(canvas).tobytes() for canvas in before.all()]
    assert set(tab.choices["runs"].split(",")) == set(names(["lstm", "gru", data.TINY[3]]).split(","))

    other = Tab.on(context, nets_board.port)
    other.page.goto(tab.page.url)
    after = other.settled(2, quantity="activation", step=20, scale="symlog", map="bwr", decades=3)
    assert [other.pixels(canvas).tobytes() for canvas in after.all()] == seen
    expect(other.box(data.TINY[3])).to_be_checked()
    expect(other.box(data.TINY[2])).not_to_be_checked()
    expect(other.frame.get_by_label("Limits", exact=True)).to_have_value("panel")
    assert other.choices == tab.choices
    assert other.errors == []
    other.page.close()


def test_nonsense_in_the_address_falls_back(tab: Tab) -> None:
    tab.choose(layer="no such", quantity="none", samples="99,x", scale="cubic", decades="77", colours="jet", step="x")
    expect(tab.frame.get_by_label("Layer", exact=True)).to_have_value(data.LAYER)
    expect(tab.frame.get_by_label("Colours", exact=True)).to_have_value("automatic")
    tab.button("all").click()
    tab.settled(6, step=30)
