import pytest
from playwright.sync_api import Locator, expect

from tests.browser import accessibility, data
from tests.browser.colours import Colouring
from tests.browser.tab import Tab, switch_theme

# Nothing here depends on how TensorBoard loaded the data.
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("loader", ["rust"], indirect=True)]


def test_theme_of_tensorboard_is_followed_at_once(tab: Tab) -> None:
    tab.settled(4, map="vik")
    try:
        switch_theme(tab, "Dark")
        tab.settled(4, map="berlin")
        expect(tab.frame.locator("body")).to_have_css("background-color", "rgb(48, 48, 48)")
        arrays = {(run, i): data.gradient(run, 30)[i] for run in ("lstm", "gru") for i in (0, 1)}
        colouring = Colouring.over(list(arrays.values()), "symlog", "berlin")
        for (run, sample), array in arrays.items():
            assert colouring.wrong(tab.pixels(tab.heatmap(run, sample)), array.T) == 0
        expect(tab.frame.get_by_label("Colours", exact=True).locator("option:checked")).to_have_text(
            "automatic (berlin)"
        )
        assert accessibility.violations(tab) == []
    finally:
        switch_theme(tab, "Light")
    tab.settled(4, map="vik")
    expect(tab.frame.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"quantity": "weights"},
        {"limits": "panel", "reflect": "on", "samples": "0,1,2"},
        {"step": "10"},
        {"layer": data.LAST_ONLY},
        {"runs": ","},
    ],
    ids=["default", "matrices", "own scales", "nearest", "single timestep", "no run"],
)
def test_axe_finds_nothing(tab: Tab, choices: dict[str, str]) -> None:
    tab.choose(**choices)
    if choices.get("runs") == ",":
        expect(tab.frame.get_by_text("No run is selected.")).to_be_visible()
    else:
        expect(tab.heatmaps.first).to_have_attribute("data-stale", "false")
        expect(tab.frame.locator("[data-stale=true]")).to_have_count(0)
    assert accessibility.violations(tab) == []


def test_everything_has_its_role_and_name(tab: Tab) -> None:
    tab.settled(4)
    for role, name in (
        ("tab", "Heatmap"),
        ("tabpanel", "Heatmap"),
        ("complementary", "What is shown"),
        ("group", "Runs"),
        ("group", "Samples"),
        ("checkbox", "lstm"),
        ("checkbox", "Sample 0"),
        ("combobox", "Limits"),
        ("checkbox", "absolute values"),
        ("combobox", "Sort channels"),
        ("combobox", "Timesteps run"),
        ("checkbox", "mean magnitudes beside"),
        ("group", "In sight"),
        ("button", "Zoom in"),
        ("button", "Zoom out"),
        ("button", "Show all"),
        ("group", "Pinned to Curves"),
        ("checkbox", "reflect backward half"),
        ("checkbox", "follow latest"),
        ("combobox", "Layer"),
        ("combobox", "Quantity"),
        ("combobox", "Scale"),
        ("combobox", "Decades"),
        ("combobox", "Colours"),
        ("slider", "Step"),
        ("button", "Play"),
        ("button", "Previous step"),
        ("button", "Next step"),
        ("button", "all"),
    ):
        expect(tab.frame.get_by_role(role, name=name, exact=True)).to_have_count(1)  # type: ignore[arg-type]
    expect(tab.frame.get_by_role("img", name="Colour bar, vik")).to_have_count(1)
    expect(tab.readout).to_have_role("status")


def focused_name(tab: Tab) -> str:
    """The accessible name of what has the focus; "" where only the page as a whole has it."""
    return str(
        tab.frame.locator("body").evaluate(
            """body => {
              const e = document.activeElement;
              return e === body ? "" : e.getAttribute("aria-label") ?? e.labels?.[0]?.innerText.trim() ?? e.innerText;
            }"""
        )
    )


def focus_by_tab(tab: Tab, name: str) -> Locator:
    """Presses Tab until the control of this name has the focus."""
    for _ in range(120):
        tab.page.keyboard.press("Tab")
        if tab.page.evaluate("document.activeElement.tagName") != "IFRAME":
            continue
        # A drawing begins with the name of its run, which is a checkbox's too.
        found = focused_name(tab)
        if found == name or (", " in name and found.startswith(name)):
            return tab.frame.locator(":focus")
    raise AssertionError(f"Tab never reaches {name}")


def test_all_is_done_by_keyboard_alone(tab: Tab) -> None:
    tab.settled(4)
    press = tab.page.keyboard.press
    # Where a test before this one left the page, the next key may lead out of the frame.
    tab.frame.get_by_text("Runs", exact=True).click()
    focus_by_tab(tab, "gru")
    press(" ")
    tab.settled(2, run="lstm")
    focus_by_tab(tab, "Quantity")
    press("a")
    tab.settled(2, quantity="activation")
    focus_by_tab(tab, "Sample 1")
    press(" ")
    tab.settled(1)
    focus_by_tab(tab, "Scale")
    press("s")
    tab.settled(1, scale="symlog")
    focus_by_tab(tab, "reflect backward half")
    press(" ")
    tab.settled(1, reflected="true")
    focus_by_tab(tab, "lstm, step 30")
    press("ArrowRight")
    expect(tab.readout).to_contain_text("lstm sample 0, channel 0 (forward), t = 0:")
    slider = focus_by_tab(tab, "Step")
    press("ArrowLeft")
    tab.settled(1, step=20)
    assert slider.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    focus_by_tab(tab, "follow latest")
    press(" ")
    tab.settled(1, step=30)
