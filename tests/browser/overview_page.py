"""The Overview as a test sees it, and what it has to show, computed from what was logged."""

import re

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Locator

from tests.browser import overview_data
from tests.browser.colours import Pixels, rgb, table
from tests.browser.tab import Tab, painted_pixels

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


def expect_colours(tab: Tab, whole: str, decades: int) -> None:
    """Each map's every pixel has the colour of its norm: steps to the right, down how many timesteps back."""
    for run, direction in MAPS:
        pixels = painted_pixels(map_of(tab, run, direction))
        assert pixels.shape[:2] == (30, 12)
        there = pixels[..., 3] == 255
        assert (pixels[~there][:, 3] == 0).all()
        assert (there == has_norm(run, direction)).all()
        assert wrong_cells(pixels[..., :3], run, direction, whole, decades) == 0, (run, direction)
    assert np.isnan(logged("poisoned", "forward")).sum() == 4


def _by_lag(run: str, direction: str) -> Floats:
    """(lags, steps), as a map has them."""
    norms = logged(run, direction)
    return norms[:, ::-1].T if direction == "forward" else norms.T


def has_norm(run: str, direction: str) -> npt.NDArray[np.bool_]:
    """(30, 12): where something was logged; all maps have the axes of the largest."""
    there = np.zeros((30, 12), bool)
    lags = _by_lag(run, direction)
    there[: lags.shape[0], : lags.shape[1]] = True
    return there


def wrong_cells(colours: Pixels, run: str, direction: str, whole: str, decades: int) -> int:
    """How many cells with a norm do not have its colour, in a map of (30, 12, 3) cells."""
    half = table(whole)[FADES_FROM - np.round(np.arange(256) * FADES_FROM / 255).astype(int)]
    limit = max(float(np.nanmax(logged(*one))) for one in MAPS)
    lags = _by_lag(run, direction)
    there = colours[: lags.shape[0], : lags.shape[1]]
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.clip(1 + np.log10(lags / limit) / decades, 0, 1)
    levels = np.minimum(255, np.floor(256 * np.nan_to_num(place))).astype(int)
    right = np.zeros(lags.shape, bool)
    for off in (-1, 0, 1):
        right |= (half[np.clip(levels + off, 0, 255)] == there).all(axis=-1)
    right = np.where(np.isnan(lags), (there == rgb("ff00ff")).all(axis=-1), right)
    return int((~right).sum())
