"""Screenshots of the tab, from a real TensorBoard in a headless Chromium."""

import contextlib
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from demo.picture import Picture
from tb_rnn_plugin.export.browser import installed_browser

_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic")
_FRAME = "iframe[src*='name=rnn']"
_DRAWN = ".view [role='img'][data-stale='false'], .view svg[role='img'], .view canvas[role='img']"


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """The machine's Chromium or Chrome while the block runs, else Playwright's own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=list(_ARGUMENTS))
        yield browser
        browser.close()


def take(browser: Browser, picture: Picture, address: str, directory: Path) -> None:
    """Takes a picture of the TensorBoard at an address into a PNG file of its name."""
    print(f"{picture.name}.png: {picture.caption}", flush=True)
    directory.mkdir(parents=True, exist_ok=True)
    width, height = picture.size
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{address}/#rnn&{_written(picture)}")
    tab = page.frame_locator(_FRAME)
    tab.locator(_DRAWN).first.wait_for(timeout=60_000)
    # To each of these pages it is the first visit.
    tab.get_by_role("button", name="Got it").click()
    # Nothing is on its way any more.
    page.wait_for_load_state("networkidle")
    page.screenshot(path=directory / f"{picture.name}.png")
    page.close()


def _written(picture: Picture) -> str:
    """What the address says. A name of a run may hold a comma: it is escaped by itself first, as the tab does."""
    runs = ",".join(urllib.parse.quote(run, safe="") for run in picture.runs)
    choices = {**picture.choices, "runs": runs}
    return "&".join(f"p.rnn.{name}={urllib.parse.quote(value, safe='')}" for name, value in choices.items())
