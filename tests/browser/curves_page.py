"""The Curves view as a test sees it, and where each curve has to run, computed from what was logged."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Locator, expect

from tests.browser import data
from tests.browser.tab import Tab, painted_pixels

RUNS = ("lstm", "gru")
DECADES = 6
INSET = 2

Floats = npt.NDArray[np.float64]


def paint(canvas: Locator) -> npt.NDArray[np.uint8]:
    """Red, green, blue and opacity of every pixel, once it is painted."""
    expect(canvas).to_have_attribute("data-painted", "true")
    return painted_pixels(canvas)


class Axis:
    """From a value to a height between 0 and 1, by the formulas of colour_scale.ts."""

    def __init__(self, arrays: Sequence[npt.NDArray[np.floating]], kind: str, *, zero: bool = True) -> None:
        finite = np.concatenate([array[np.isfinite(array)].ravel() for array in arrays]).astype(float)
        self.kind = kind
        self.limit = float(np.abs(finite).max())
        ends = self.place([finite.min(), finite.max(), *([0] if zero else [])])
        self.bottom, self.top = (0.0, 1.0) if kind == "log" else (float(ends.min()), float(ends.max()))

    def place(self, values: npt.ArrayLike) -> Floats:
        v = np.asarray(values, float)
        if self.kind == "linear":
            return np.asarray(v / self.limit)
        if self.kind == "log":
            with np.errstate(divide="ignore"):
                return np.asarray(np.clip(1 + np.log10(np.abs(v) / self.limit) / DECADES, 0, 1))
        c = self.limit * 10.0**-DECADES
        return np.asarray(np.sign(v) * np.log1p(np.abs(v) / c) / np.log1p(self.limit / c))

    def height(self, values: npt.ArrayLike) -> Floats:
        return np.asarray((self.place(values) - self.bottom) / (self.top - self.bottom))


def points(values: npt.NDArray[np.floating], axis: Axis, size: tuple[int, int], first: int, last: int) -> Floats:
    """Places along the lines of a curve, a quarter of a pixel apart: (n, 2) of x and y."""
    height, width = size
    x = INSET + (np.arange(len(values)) - first) / (last - first) * (width - 2 * INSET)
    finite = np.where(np.isfinite(values), values, 0)
    y = INSET + (1 - axis.height(finite)) * (height - 2 * INSET)
    found = []
    for i in range(len(values) - 1):
        if np.isfinite(values[i]) and np.isfinite(values[i + 1]):
            steps = np.linspace(0, 1, 2 + int(4 * np.hypot(x[i + 1] - x[i], y[i + 1] - y[i])))[:, None]
            found.append((1 - steps) * [x[i], y[i]] + steps * [x[i + 1], y[i + 1]])
    along = np.concatenate(found)
    return along[(along[:, 0] >= 0) & (along[:, 0] <= width)]


def expect_curves(
    canvas: Locator, curves: Sequence[npt.NDArray[np.floating]], axis: Axis, zoom: tuple[int, int] | None = None
) -> None:
    """Everything painted lies on a curve or on the zero line, and everything of the curves is painted."""
    pixels = paint(canvas)
    size = (pixels.shape[0], pixels.shape[1])
    first, last = zoom or (0, len(curves[0]) - 1)
    expected = np.concatenate([points(curve, axis, size, first, last) for curve in curves])
    zero = int(np.floor(INSET + (1 - float(axis.height(0.0))) * (size[0] - 2 * INSET)))
    painted = np.argwhere(pixels[..., 3] > 40)
    painted = painted[painted[:, 0] != zero]
    centres = painted[:, ::-1] + 0.5
    # A pixel by itself is a dash between two gaps; there are none in what is compared here.
    away = np.array([np.hypot(*(expected - centre).T).min() for centre in centres])
    assert away.max() < 1.8, (away.max(), centres[away.argmax()])
    rows = np.clip(expected[:, 1].astype(int), 1, size[0] - 2)
    columns = np.clip(expected[:, 0].astype(int), 1, size[1] - 2)
    around = np.max([pixels[rows + i, columns + j, 3] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
    assert around.min() > 40


def panels(tab: Tab) -> Locator:
    return tab.frame.get_by_role("img", name=re.compile(", step .* over ")).and_(tab.frame.locator("canvas"))


def panel(tab: Tab, run: str, item: int) -> Locator:
    return panels(tab).and_(tab.frame.locator(f"canvas[data-run='{run}'][data-item='{item}']"))


def settled(tab: Tab, count: int, **attributes: object) -> Locator:
    """Waits until so many exact panels are there, and no other."""
    wanted = {"stale": "false", "dtype": "float32", **attributes}
    found = tab.frame.locator("canvas.curves" + "".join(f"[data-{key}='{value}']" for key, value in wanted.items()))
    expect(found).to_have_count(count)
    expect(panels(tab)).to_have_count(count)
    return found


def gradients(run: str, samples: Sequence[int] = (0, 1), step: int = 30) -> list[npt.NDArray[np.floating]]:
    return [data.gradient(run, step)[sample] for sample in samples]
