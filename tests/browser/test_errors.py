import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from tests.browser import accessibility
from tests.browser.tab import Tab

# Nothing here depends on how TensorBoard loaded the data.
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("loader", ["rust"], indirect=True)]


@pytest.fixture
def failing(tab: Tab) -> Iterator[Tab]:
    """The tab, for requests that fail: the browser complains of each."""
    tab.settled(4)
    yield tab
    tab.page.unroute_all()
    assert all("Failed to load resource" in error for error in tab.errors), tab.errors
    tab.errors.clear()


def route(name: str) -> re.Pattern[str]:
    return re.compile(rf"/data/plugin/rnn/{name}")


def test_servers_sentence_is_shown_and_retry_asks_again(failing: Tab) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=500, content_type="application/json", body='{"error": "the disk is on fire"}')

    failing.page.route(route("arrays"), refuse)
    failing.choose(step="0", samples="0,2")
    banner = failing.frame.get_by_role("alert")
    expect(banner).to_contain_text("the disk is on fire")
    # What was there before is still there, and says that it is not what was asked for.
    expect(failing.heatmap("lstm")).to_be_visible()
    assert accessibility.violations(failing) == []
    failing.page.unroute_all()
    failing.button("Retry").click()
    expect(banner).to_have_count(0)
    failing.settled(4, step=0)


def test_answer_of_something_in_between_is_put_in_words(failing: Tab) -> None:
    failing.page.route(
        route("series"), lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>nginx</h1>")
    )
    failing.choose(quantity="gate/update", runs="gru", samples="0,1,2")
    banner = failing.frame.get_by_role("alert")
    expect(banner).to_contain_text("TensorBoard answered 502")
    failing.page.unroute_all()
    failing.button("Retry").click()
    expect(banner).to_have_count(0)
    failing.settled(3, quantity="gate/update")


def test_server_that_went_away_is_noticed_and_its_coming_back_too(failing: Tab) -> None:
    failing.page.route(route("index"), lambda route: route.abort("connectionrefused"))
    banner = failing.frame.get_by_role("alert")
    expect(banner).to_contain_text("TensorBoard does not answer. Is it still running?")
    failing.settled(4)
    failing.page.unroute_all()
    # It asks again by itself.
    expect(banner).to_have_count(0)


def test_half_an_answer_is_refused(failing: Tab) -> None:
    failing.page.route(
        route("arrays"), lambda route: route.fulfill(status=200, content_type="application/octet-stream", body="\1")
    )
    failing.choose(quantity="gate/forget", runs="lstm", samples="2")
    expect(failing.frame.get_by_role("alert")).to_contain_text("empty")
    failing.page.unroute_all()
    failing.button("Retry").click()
    failing.settled(1, quantity="gate/forget")
