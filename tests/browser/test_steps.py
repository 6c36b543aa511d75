import pytest
from playwright.sync_api import expect

from tests.browser import data
from tests.browser.colours import Colouring
from tests.browser.tab import Tab

pytestmark = pytest.mark.browser

LAST = "30"


def expect_steps(tab: Tab, lstm: int, gru: int) -> None:
    expect(tab.heatmap("lstm")).to_have_attribute("data-step", str(lstm))
    expect(tab.heatmap("gru")).to_have_attribute("data-step", str(gru))


def expect_right(tab: Tab, lstm: int, gru: int) -> None:
    """What is drawn is what was logged at these steps."""
    tab.settled(4)
    arrays = {(run, i): data.gradient(run, at)[i] for run, at in (("lstm", lstm), ("gru", gru)) for i in (0, 1)}
    colouring = Colouring.over(list(arrays.values()), "symlog", "vik")
    for (run, sample), array in arrays.items():
        assert colouring.wrong(tab.pixels(tab.heatmap(run, sample)), array.T) == 0


def test_slider_goes_through_the_steps_of_all_runs(tab: Tab) -> None:
    tab.settled(4)
    slider = tab.frame.get_by_role("slider", name="Step")
    seen: list[str] = []
    for place in range(5):
        slider.fill(str(place))
        expect(slider).not_to_have_attribute("aria-valuetext", seen[-1] if seen else "")
        seen.append(slider.get_attribute("aria-valuetext") or "")
    assert seen == ["step 0", "step 10", "step 12", "step 20", "step 30"]
    slider.fill("0")
    expect_steps(tab, 0, 0)
    expect_right(tab, 0, 0)
    # The address gets the step that the slider comes to rest at.
    tab.page.wait_for_function("/p\\.rnn\\.step=0(&|$)/.test(location.hash)")


def test_run_without_the_step_shows_its_nearest_and_says_so(tab: Tab) -> None:
    tab.choose(step="10")
    expect_steps(tab, 10, 12)
    expect_right(tab, 10, 12)
    expect(tab.frame.get_by_text("step 12 (its nearest)", exact=True)).to_have_count(1)
    expect(tab.frame.get_by_text("step 10", exact=True)).to_have_count(1)


def test_step_that_nobody_wrote_goes_to_the_nearest_and_says_so(tab: Tab) -> None:
    tab.choose(step="17")
    expect_steps(tab, 20, 20)
    expect(tab.frame.get_by_text("step 17 has no arrays: showing 20")).to_be_visible()


def test_arrow_keys_and_buttons(tab: Tab) -> None:
    tab.settled(4)
    tab.frame.locator("body").press("ArrowLeft")
    expect_steps(tab, 20, 20)
    tab.frame.locator("body").press("ArrowLeft")
    expect_steps(tab, 10, 12)
    assert tab.choices["step"] == "12"
    tab.button("Previous step").click()
    expect(tab.frame.get_by_text("step 12 (its nearest)")).to_have_count(1)
    tab.button("Previous step").click()
    expect_steps(tab, 0, 0)
    tab.button("Previous step").click()
    expect_steps(tab, 0, 0)
    tab.frame.locator("body").press("ArrowRight")
    expect_steps(tab, 10, 12)
    tab.button("Next step").click()
    tab.button("Next step").click()
    expect_steps(tab, 20, 20)
    expect_right(tab, 20, 20)


@pytest.mark.parametrize("way", ["space", "button"])
def test_play_shows_every_step_and_stops_at_the_last(tab: Tab, way: str) -> None:
    canvas = tab.settled(4).first
    canvas.evaluate("""canvas => {
      window.stepsSeen = [];
      const observer = new MutationObserver(() => window.stepsSeen.push(canvas.dataset.step));
      observer.observe(canvas, { attributes: true, attributeFilter: ["data-step"] });
      window.stopSeeing = () => observer.disconnect();
    }""")
    if way == "space":
        tab.frame.locator("body").press(" ")
    else:
        tab.button("Play").click()
    expect(tab.button("Pause")).to_be_visible()
    expect(tab.button("Play")).to_be_visible()
    expect_steps(tab, 30, 30)
    expect_right(tab, 30, 30)
    assert canvas.evaluate("() => window.stepsSeen") == ["0", "10", "20", "30"]
    canvas.evaluate("() => window.stopSeeing()")


def test_space_pauses(tab: Tab) -> None:
    tab.settled(4)
    tab.frame.locator("body").press(" ")
    tab.frame.locator("body").press(" ")
    expect(tab.button("Play")).to_be_visible()
    expect(tab.box("follow latest")).not_to_be_checked()


def test_scrubbing_takes_half_the_bytes_and_settles_exactly(tab: Tab) -> None:
    # A quantity and a sample that no other test has left in the cache.
    tab.choose(quantity="activation", samples="2")
    tab.settled(2, quantity="activation")
    tab.requests.clear()
    tab.frame.get_by_role("slider", name="Step").fill("0")
    tab.settled(2, quantity="activation", step=0)
    asked = tab.asked("arrays")
    at_once = [url for url in asked if "step=0" in url]
    assert "dtype=bfloat16" in at_once[0]
    assert "dtype=float32" in at_once[-1]
    assert all("quantity=activation" in url for url in asked)


def test_follow_latest_is_in_the_address(tab: Tab) -> None:
    tab.settled(4)
    follow = tab.box("follow latest")
    expect(follow).to_be_checked()
    follow.uncheck()
    expect(follow).not_to_be_checked()
    assert tab.choices["step"] == LAST
    tab.button("Previous step").click()
    expect_steps(tab, 20, 20)
    follow.check()
    expect_steps(tab, 30, 30)
    assert "step" not in tab.choices
