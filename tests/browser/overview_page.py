"""The Overview as a test sees it, and what it has to show, computed from what was logged."""

import base64
import re

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Locator

from tests.browser import overview_data
from tests.browser.colours import rgb, table
from tests.browser.tab import Tab

Floats = npt.NDArray[np.float64]
MAPS = [("healthy", "forward"), ("healthy", "backward"), ("poisoned", "forward"), ("vanishing", "forward")]
# The first of the 256 colours of vik and berlin that the maps begin with.
FADES_FROM = 122


def maps(tab: Tab) -> Locator:
    return tab.frame.get_by_role("img", name=re.compile(r": norm at \d+ timesteps and"))


def map_of(tab: Tab, run: str, direction: str = "forward") -> Locator:
    return maps(tab).and_(tab.frame.locator(f"[data-run='{run}'][data-direction='{direction}']"))


def row_of(tab: Tab, run: str, layer: str = overview_data.LAYER) -> Locator:
    return tab.frame.locator(f"tr[data-run='{run}'][data-layer='{layer}']")


def cell(tab: Tab, run: str, measure: str) -> Locator:
    return row_of(tab, run).locator(f"td[data-measure='{measure}']")


def logged(run: str, direction: str) -> Floats:
    """(steps, timesteps): ‖dL/dh_t‖."""
    return np.array([overview_data.profile(run, step, direction) for step in overview_data.STEPS[run]], float)


def horizon(profile: Floats, share: float) -> int:
    """By its definition: the largest lag at which the norm is at least this share of its largest."""
    long = [lag for lag in range(len(profile)) if profile[len(profile) - 1 - lag] >= share * profile.max()]
    return max(long)


def painted(canvas: Locator) -> npt.NDArray[np.uint8]:
    """(rows, columns, 4): one pixel a cell, as it was painted."""
    height, width, text = canvas.evaluate("""canvas => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return [canvas.height, canvas.width, btoa(String.fromCharCode(...data))];
    }""")
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)


def expect_colours(tab: Tab, whole: str, decades: int) -> None:
    """Each map's every pixel has the colour of its norm: steps to the right, down how many timesteps back."""
    half = table(whole)[FADES_FROM - np.round(np.arange(256) * FADES_FROM / 255).astype(int)]
    every = [logged(run, direction) for run, direction in MAPS]
    limit = max(float(np.nanmax(norms)) for norms in every)
    for (run, direction), norms in zip(MAPS, every, strict=True):
        pixels = painted(map_of(tab, run, direction))
        assert pixels.shape[:2] == (30, 12)
        lags = norms[:, ::-1].T if direction == "forward" else norms.T
        there = pixels[: lags.shape[0], : lags.shape[1]]
        assert (there[..., 3] == 255).all()
        blank = pixels[..., 3] == 0
        assert blank.sum() == pixels[..., 3].size - lags.size
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.clip(1 + np.log10(lags / limit) / decades, 0, 1)
        levels = np.minimum(255, np.floor(256 * np.nan_to_num(place))).astype(int)
        right = np.zeros(lags.shape, bool)
        for off in (-1, 0, 1):
            right |= (half[np.clip(levels + off, 0, 255)] == there[..., :3]).all(axis=-1)
        right = np.where(np.isnan(lags), (there[..., :3] == rgb("ff00ff")).all(axis=-1), right)
        assert right.all(), (run, direction, int((~right).sum()))
    assert np.isnan(logged("poisoned", "forward")).sum() == 4
