"""The RNN tab in a browser: opened, set by its address, and read by role and name."""

import base64
import contextlib
import re
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from playwright.sync_api import BrowserContext, Error, FrameLocator, Locator, Page, Request, Route, ViewportSize, expect

from tests.browser.colours import Pixels

FRAME = "iframe[src*='name=rnn']"
ROUTES = "/data/plugin/rnn/"
VIEWPORT: ViewportSize = {"width": 1400, "height": 900}
# What the tab's own addresses all say.
REST_AT_DEFAULT = {"rest": "default"}

_READ_CANVAS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (const byte of data) text += String.fromCharCode(byte);
  return [canvas.height, canvas.width, btoa(text)];
}"""

READ_PICTURE = """async address => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").drawImage(image, 0, 0);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (const byte of data) text += String.fromCharCode(byte);
  return [canvas.height, canvas.width, btoa(text)];
}"""

# The tab listens first: once we hear of the new address, so has it.
_SET_ADDRESS = """hash => new Promise(done => {
  if (location.hash === hash) return done();
  addEventListener("hashchange", () => setTimeout(done), { once: true });
  location.hash = hash;
})"""

_TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation",
  event => console.error("CSP", event.violatedDirective, event.blockedURI));
"""


# The tab asks for the index every five seconds; most of a minute would be spent on waiting for that.
_HURRY = """if (location.search.includes("name=rnn")) {
  const plain = window.setInterval;
  window.setInterval = (work, every, ...rest) => plain(work, every === 5000 ? 700 : every, ...rest);
}"""


_INTRODUCED = """if (location.search.includes("name=rnn")) {
  const views = ["overview", "heatmap", "curves", "scatter", "histograms", "weights"];
  localStorage.setItem("tb_rnn_plugin.introduced", JSON.stringify(views));
}"""


def _with_opacity(read: list[object]) -> Pixels:
    height, width, text = read
    return np.frombuffer(base64.b64decode(str(text)), np.uint8).reshape(int(str(height)), int(str(width)), 4)


def pixels_of(read: list[object]) -> Pixels:
    """(rows, columns, 3), from what READ_PICTURE gives."""
    return _with_opacity(read)[..., :3]


def painted_pixels(canvas: Locator) -> Pixels:
    """(rows, columns, 4): red, green, blue and opacity of every pixel of a canvas, as it was painted."""
    return _with_opacity(canvas.evaluate(_READ_CANVAS))


def address(**choices: str) -> str:
    """A hash, as the tab itself writes it: what it leaves out is at its default, whatever the browser remembers."""
    values = {"view": "heatmap", **choices, **REST_AT_DEFAULT}
    return "#rnn&" + "&".join(f"p.rnn.{key}={urllib.parse.quote(value, safe='')}" for key, value in values.items())


def names(values: Iterable[str]) -> str:
    """A list of runs as the address has it."""
    return ",".join(urllib.parse.quote(value, safe="") for value in values)


def switch_theme(tab: "Tab", theme: str) -> None:
    """By TensorBoard's own menu."""
    tab.page.get_by_role("button", name="Menu for changing light or dark theme").click()
    tab.page.get_by_role("menuitem", name=theme).click()


@dataclass
class Tab:
    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    running: set[Request] = field(default_factory=set)
    # When the last request began or ended.
    changed: float = 0.0

    @classmethod
    def on(cls, context: BrowserContext, port: int, *, first_visit: bool = False) -> "Tab":
        """A tab of someone who has been here before, unless it is the first visit: views then explain themselves."""
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.add_init_script(_TELL_VIOLATIONS)
        page.add_init_script(_HURRY)
        if not first_visit:
            page.add_init_script(_INTRODUCED)
        tab = cls(page, f"http://127.0.0.1:{port}/")

        page.on("request", tab.note_begun)
        page.on("requestfinished", tab.note_ended)
        page.on("requestfailed", tab.note_ended)
        page.on("console", lambda message: tab.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: tab.errors.append(str(error)))
        return tab

    @classmethod
    @contextlib.contextmanager
    def opened(cls, context: BrowserContext, port: int, **choices: str) -> Iterator["Tab"]:
        """A tab with these choices in its address, closed at the end."""
        tab = cls.on(context, port)
        tab.load(**choices)
        yield tab
        tab.page.close()

    @contextlib.contextmanager
    def at_rest(self, choices: Mapping[str, str] | None = None, *, focused: bool = False) -> Iterator["Tab"]:
        """The tab for one test: in front of others, with nothing pointed at, and at its first size again afterwards.

        At the end nothing must have gone wrong that the test did not itself bring about.

        Args:
            choices: What the address says, everything else at its default; None leaves the address as it is.
            focused: Whether keys go to our frame.
        """
        self.page.bring_to_front()
        self.page.mouse.move(5, 5)
        if focused:
            self.page.locator(FRAME).focus()
        self.frame.locator("body").evaluate("() => document.activeElement?.blur()")
        if choices is not None:
            self.choose(**choices)
        self.errors.clear()
        self.requests.clear()
        yield self
        self.page.set_viewport_size(VIEWPORT)
        assert self.errors == []

    def note_begun(self, request: Request) -> None:
        self.requests.append(request.url)
        if ROUTES in request.url:
            self.running.add(request)
            self.changed = time.monotonic()

    def note_ended(self, request: Request) -> None:
        if request in self.running:
            self.running.remove(request)
            self.changed = time.monotonic()

    def load(self, **choices: str) -> None:
        self.page.goto("about:blank")
        self.page.goto(self.url + address(**choices))

    def choose(self, **choices: str) -> None:
        """All choices as in the address, everything else at its default."""
        self.page.evaluate(_SET_ADDRESS, address(**choices))

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator(FRAME)

    @property
    def choices(self) -> dict[str, str]:
        """What the address says of us, but for what every address says."""
        pairs = [pair.partition("=") for pair in self.page.evaluate("location.hash").split("&")]
        said = {key[6:]: urllib.parse.unquote(value) for key, _, value in pairs if key.startswith("p.rnn.")}
        return {key: value for key, value in said.items() if key not in REST_AT_DEFAULT}

    @property
    def readout(self) -> Locator:
        return self.frame.locator("output.readout")

    @property
    def heatmaps(self) -> Locator:
        return self.frame.get_by_role("img", name=re.compile(", step ")).and_(self.frame.locator("canvas"))

    def heatmap(self, run: str, item: int | str = 0) -> Locator:
        """The drawing of a sample or of a matrix."""
        which = f"[data-sample='{item}']" if isinstance(item, int) else f"[data-matrix='{item}']"
        return self.heatmaps.and_(self.frame.locator(f"canvas[data-run='{run}']{which}"))

    def select(self, label: str, value: str) -> None:
        self.frame.get_by_label(label, exact=True).select_option(value)

    def box(self, label: str) -> Locator:
        return self.frame.get_by_role("checkbox", name=label, exact=True)

    def button(self, name: str) -> Locator:
        return self.frame.get_by_role("button", name=name, exact=True)

    def settled(self, count: int, **attributes: object) -> Locator:
        """Waits until so many exact drawings have these data attributes, and no other drawing is there."""
        wanted = {"stale": "false", "dtype": "float32", **attributes}
        selector = "canvas.heatmap" + "".join(f"[data-{key}='{value}']" for key, value in wanted.items())
        expect(self.frame.locator(selector)).to_have_count(count)
        expect(self.heatmaps).to_have_count(count)
        return self.frame.locator(selector)

    def pixels(self, canvas: Locator) -> Pixels:
        """One pixel a cell, as it was painted."""
        return painted_pixels(canvas)[..., :3]

    def seen(self, canvas: Locator) -> Pixels:
        """The device's pixels, as the canvas looks on the screen."""
        self.page.mouse.move(5, 5)
        canvas.scroll_into_view_if_needed()
        shot = base64.b64encode(canvas.screenshot()).decode()
        return pixels_of(self.page.evaluate(READ_PICTURE, f"data:image/png;base64,{shot}"))

    def point(self, canvas: Locator, x: int, y: int) -> None:
        """Puts the pointer into the middle of a cell."""
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        width, height = canvas.evaluate("canvas => [canvas.width, canvas.height]")
        self.page.mouse.move(box["x"] + (x + 0.5) * box["width"] / width, box["y"] + (y + 0.5) * box["height"] / height)

    def asked(self, route: str) -> list[str]:
        return [url for url in self.requests if ROUTES + route in url]

    def wait_until_all_is_fetched(self) -> None:
        """Waits until no request is running and none has followed the last: what is fetched ahead is there, too."""
        end = time.monotonic() + 20
        # An answer is decoded before the next is asked for; the index is asked for every 0.7 seconds.
        while self.running or time.monotonic() - self.changed < 0.25:
            assert time.monotonic() < end, f"still running: {[request.url for request in self.running]}"
            # Events are heard meanwhile.
            self.page.wait_for_timeout(20)

    @contextlib.contextmanager
    def held(self, addresses: str) -> Iterator[None]:
        """Requests whose addresses match the regular expression are held, and let go at the end."""
        pattern = re.compile(addresses)
        routes: list[Route] = []

        def hold(route: Route) -> None:
            routes.append(route)

        self.page.route(pattern, hold)
        try:
            yield
        finally:
            # First, so that what is asked for from now on is not held.
            self.page.unroute(pattern)
            for route in routes:
                # That the page has given one up since may not have been heard of yet.
                with contextlib.suppress(Error):
                    route.continue_()
