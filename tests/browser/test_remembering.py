"""A browser remembers how things are drawn, for addresses that leave it open; a link is the same in every browser."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.tab import Tab
from tests.browser.test_take_away import copied
from tests.serving import TensorBoard

# Nothing here depends on how TensorBoard loaded the data.
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("loader", ["rust"], indirect=True)]

PLAIN = "#rnn&p.rnn.view=heatmap&p.rnn.runs=lstm"
PLACE = "tb_rnn_plugin.drawing"
RESET = "Reset drawing"


@pytest.fixture
def someone(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that remembers nothing yet."""
    with closing(browser.new_context(viewport={"width": 1400, "height": 900})) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield context


def opened(context: BrowserContext, board: TensorBoard, address: str = PLAIN) -> Tab:
    tab = Tab.on(context, board.port)
    tab.page.goto(address if address.startswith("http") else tab.url + address)
    return tab


def test_plain_address_gets_what_was_chosen_before(someone: BrowserContext, nets_board: TensorBoard) -> None:
    tab = opened(someone, nets_board)
    tab.settled(2, map="vik", decades=6)
    tab.select("Colours", "bwr")
    tab.select("Decades", "3")
    tab.box("mean magnitudes beside").uncheck()
    tab.box("Sample 2").check()
    tab.settled(3, map="bwr", decades=3)
    # What is looked at is not remembered.
    other = opened(someone, nets_board)
    other.settled(2, map="bwr", decades=3)
    expect(other.box("mean magnitudes beside")).not_to_be_checked()
    # An address wins, were it by a default.
    said = opened(someone, nets_board, f"{PLAIN}&p.rnn.colours=automatic&p.rnn.marginals=on")
    said.settled(2, map="vik", decades=3)
    expect(said.box("mean magnitudes beside")).to_be_checked()
    assert [*tab.errors, *other.errors, *said.errors] == []


def test_link_is_the_same_in_a_browser_that_remembers_something_else(
    someone: BrowserContext, browser: Browser, nets_board: TensorBoard
) -> None:
    tab = opened(someone, nets_board)
    tab.select("Decades", "4")
    seen = [tab.pixels(canvas).tobytes() for canvas in tab.settled(2, map="vik", decades=4).all()]
    link = copied(tab)
    with closing(browser.new_context(viewport={"width": 1400, "height": 900})) as context:
        theirs = opened(context, nets_board)
        theirs.select("Colours", "bwr")
        theirs.select("Decades", "3")
        theirs.settled(2, map="bwr", decades=3)
        theirs = opened(context, nets_board, link)
        canvases = theirs.settled(2, map="vik", decades=4)
        assert [theirs.pixels(canvas).tobytes() for canvas in canvases.all()] == seen
        theirs.page.reload()
        theirs.settled(2, map="vik", decades=4)
        # A link that is looked at changes nobody's taste.
        opened(context, nets_board).settled(2, map="bwr", decades=3)
        assert theirs.errors == []


def test_back_leads_to_what_was_there(someone: BrowserContext, nets_board: TensorBoard) -> None:
    tab = opened(someone, nets_board)
    tab.settled(2, map="vik")
    tab.choose(runs="gru")
    tab.settled(2, run="gru", map="vik")
    tab.select("Colours", "bwr")
    tab.settled(2, run="gru", map="bwr")
    tab.page.go_back()
    tab.settled(2, run="lstm", map="vik")
    tab.page.go_forward()
    tab.settled(2, run="gru", map="bwr")
    tab.page.reload()
    tab.settled(2, run="gru", map="bwr")
    assert tab.errors == []


def test_reset_leads_back_to_the_defaults(someone: BrowserContext, nets_board: TensorBoard) -> None:
    tab = opened(someone, nets_board)
    tab.settled(2, map="vik")
    expect(tab.button(RESET)).to_have_count(0)
    tab.select("Colours", "bwr")
    tab.select("Limits", "panel")
    tab.settled(2, map="bwr")
    tab.button(RESET).click()
    tab.settled(2, map="vik")
    expect(tab.frame.get_by_label("Limits", exact=True)).to_have_value("shared")
    expect(tab.button(RESET)).to_have_count(0)
    assert tab.choices == {"view": "heatmap", "runs": "lstm"}
    other = opened(someone, nets_board)
    other.settled(2, map="vik")
    expect(other.button(RESET)).to_have_count(0)
    assert [*tab.errors, *other.errors] == []


@pytest.mark.parametrize(
    "storage",
    [
        f"localStorage.setItem('{PLACE}', '{{')",
        f"localStorage.setItem('{PLACE}', JSON.stringify({{colours: 7, decades: 'NaN', scale: ['log'], step: '10'}}))",
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })",
        "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }",
    ],
    ids=["no JSON", "wrong types", "refused", "full"],
)
def test_storage_that_is_of_no_use_changes_nothing(
    someone: BrowserContext, nets_board: TensorBoard, storage: str
) -> None:
    someone.add_init_script(f"if (location.search.includes('name=rnn')) {{ {storage}; }}")
    # At a first visit the test itself stores nothing.
    tab = Tab.on(someone, nets_board.port, first_visit=True)
    tab.page.goto(tab.url + PLAIN)
    tab.settled(2, map="vik", decades=6, scale="symlog")
    tab.select("Colours", "bwr")
    tab.settled(2, map="bwr")
    tab.page.reload()
    tab.settled(2, map="bwr")
    assert tab.errors == []
