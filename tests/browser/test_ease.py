"""Whoever sees the tab for the first time: every control says what it does, every view what it is for."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import accessibility, data
from tests.browser.tab import Tab
from tests.serving import TensorBoard

# Nothing here depends on how TensorBoard loaded the data.
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("loader", ["rust"], indirect=True)]

VIEWS = {
    "Overview": "Is anything wrong, where, and since when?",
    "Heatmap": "What happens in every channel at every timestep, and how far back do gradients reach?",
    "Curves": "How does a single channel behave over time?",
    "Scatter": "Which channels carry a gradient that exists at one timestep only?",
    "Histograms": "How are the numbers distributed, gate by gate, and how does that change?",
    "Weights": "What have the matrices learned, and how fast do they still move?",
}

# A control's own title, or that of the label around it; a name as a screen reader has it.
_CONTROLS = """body => [...body.querySelectorAll("select, input, button, summary")].map((control) => {
  // The options of a select are within the label around it, but are not its name.
  const textOf = (element) => {
    const copy = element?.cloneNode(true);
    copy?.querySelectorAll("select").forEach((one) => one.remove());
    return copy?.textContent.trim() ?? "";
  };
  const shown = textOf(control.labels?.[0] ?? control) || control.placeholder || "";
  return {
    html: control.outerHTML.slice(0, 160),
    inPanel: control.closest(".controls") !== null,
    name: control.ariaLabel?.trim() || shown,
    shown,
    title: (control.title || control.closest("label")?.title || "").trim(),
  };
})"""


def expect_explained(tab: Tab, *, at_least: int) -> None:
    """Every control has a name and a title; those of the panel a label that is seen too."""
    found = tab.frame.locator("body").evaluate(_CONTROLS)
    panel = [one for one in found if one["inPanel"]]
    assert len(panel) >= at_least
    assert [one for one in found if one["name"] == "" or len(one["title"]) < 10] == []
    assert [one for one in panel if one["shown"] == ""] == []


@pytest.mark.parametrize(
    ("choices", "at_least"),
    [
        ({"view": "overview"}, 20),
        ({"view": "heatmap", "limits": "typed", "region": "2,9,0,3", "channels": "1,3", "earlier": "first"}, 30),
        ({"view": "heatmap", "quantity": "weights"}, 15),
        ({"view": "curves"}, 18),
        ({"view": "curves", "open": "lstm,1", "zoom": "2,9"}, 18),
        ({"view": "scatter", "layer": data.LAST_ONLY}, 15),
        ({"view": "histograms"}, 15),
        ({"view": "histograms", "quantity": "weights", "over": "map"}, 15),
        ({"view": "weights"}, 15),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_every_control_has_a_name_and_says_what_it_does(tab: Tab, choices: dict[str, str], at_least: int) -> None:
    tab.choose(**choices)
    expect(tab.frame.locator("#view .view")).to_be_visible()
    expect(tab.frame.get_by_text("Loading")).to_have_count(0)
    expect_explained(tab, at_least=at_least)


@pytest.fixture
def first(browser: Browser, nets_board: TensorBoard) -> Iterator[Tab]:
    """The tab at a first visit, in a browser of its own."""
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        tab = Tab.on(context, nets_board.port, first_visit=True)
        yield tab
        assert tab.errors == []


def test_every_view_says_at_first_what_it_is_for(first: Tab) -> None:
    first.load(view="overview")
    panel = first.frame.get_by_role("region", name="What am I looking at?")
    for label, question in VIEWS.items():
        first.frame.get_by_role("tab", name=label).click()
        expect(panel.get_by_text(question)).to_be_visible()
        assert accessibility.violations(first) == []
    # What is dismissed stays so, in this view and at the next visit.
    first.button("Got it").click()
    expect(panel).to_have_count(0)
    first.frame.get_by_role("tab", name="Curves").click()
    expect(panel).to_be_visible()
    first.load(view="weights")
    expect(first.frame.get_by_role("tab", name="Weights", selected=True)).to_be_visible()
    expect(panel).to_have_count(0)
    # The button brings it back, by the keyboard too, and takes it away.
    button = first.button("What am I looking at?")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.focus()
    button.press("Enter")
    expect(panel.get_by_text(VIEWS["Weights"])).to_be_visible()
    button.click()
    expect(panel).to_have_count(0)
    expect_explained(first, at_least=10)


def test_a_browser_that_refuses_its_storage_is_no_obstacle(first: Tab) -> None:
    first.page.add_init_script("""if (location.search.includes("name=rnn")) {
      const refuse = () => { throw new DOMException("The document is sandboxed.", "SecurityError"); };
      Object.defineProperty(window, "localStorage", { get: refuse });
    }""")
    first.load(view="heatmap")
    first.settled(4)
    panel = first.frame.get_by_role("region", name="What am I looking at?")
    first.button("Got it").click()
    expect(panel).to_have_count(0)
    first.load(view="heatmap")
    expect(panel).to_be_visible()
