"""Screenshots of the tab, from a real TensorBoard in a headless Chromium."""

import shutil
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from demo.gallery.examples import Picture

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic")
_FRAME = "iframe[src*='name=rnn']"
_DRAWN = ".view [role='img'][data-stale='false'], .view svg[role='img'], .view canvas[role='img']"


def take(pictures: Iterable[Picture], address: str, directory: Path) -> None:
    """Takes every picture into a PNG file of its name."""
    directory.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        executable = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
        browser = playwright.chromium.launch(executable_path=executable, args=list(_ARGUMENTS))
        for picture in pictures:
            print(f"{picture.name}.png: {picture.caption}", flush=True)
            _take(browser, picture, address, directory / f"{picture.name}.png")
        browser.close()


def _take(browser: Browser, picture: Picture, address: str, path: Path) -> None:
    width, height = picture.size
    page = browser.new_page(viewport={"width": width, "height": height})
    choices = {**picture.choices, "runs": ",".join(picture.runs)}
    written = "&".join(f"p.rnn.{name}={urllib.parse.quote(value, safe='')}" for name, value in choices.items())
    page.goto(f"{address}/#rnn&{written}")
    tab = page.frame_locator(_FRAME)
    tab.locator(_DRAWN).first.wait_for(timeout=60_000)
    # To each of these pages it is the first visit.
    tab.get_by_role("button", name="Got it").click()
    # Nothing is on its way any more.
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path)
    page.close()
