"""The histograms as a test sees them, and how high their bars have to be, counted from what was logged."""

import itertools
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import weight_data
from tests.browser.tab import Tab

MATRICES = ("kernel", "recurrent_kernel", "bias")
# Gates of both cells in the forward group, those of the LSTM alone in the backward one.
PANELS = 2 * 7 * 3 - 3 * 3

Values = npt.NDArray[np.float64]


def values_of(quantity: str, run: str, step: int, direction: str, matrix: str, gate: str) -> Values:
    """The finite numbers of one gate."""
    logged = {"weights": weight_data.weights, "weight_gradients": weight_data.gradients}[quantity](run, step)
    gates = weight_data.GATES[run]
    block = np.split(logged[direction][matrix], len(gates), axis=-1)[gates.index(gate)].astype(float)
    finite: Values = block[np.isfinite(block)]
    return finite


@dataclass
class Drawn:
    """A histogram as it was drawn: edges along the axis, heights from 0 to 100."""

    edges: Values
    heights: Values


def parsed(path: str, axis: dict[str, Any]) -> Drawn:
    start = re.match(r"M(\S+) (\S+?)V", path)
    assert start is not None, path
    base = float(start[2])
    steps = re.findall(r"V([-\d.]+)H([-\d.]+)", path)
    low, high = float(axis["low"]), float(axis["high"])
    xs = np.array([float(start[1]), *(float(x) for _, x in steps)])
    return Drawn(low + xs / 1000 * (high - low), base - np.array([float(y) for y, _ in steps]))


def attributes(drawing: Locator) -> dict[str, Any]:
    found: dict[str, Any] = drawing.evaluate("e => ({...e.dataset})")
    return found


def paths(drawing: Locator) -> list[dict[str, str]]:
    found: list[dict[str, str]] = drawing.evaluate(
        "e => [...e.querySelectorAll('path')].map((p) => ({...p.dataset, d: p.getAttribute('d')}))"
    )
    return found


def histograms(tab: Tab, count: int, kind: str = "histogram") -> list[Locator]:
    drawings = tab.frame.get_by_role("img", name=re.compile(f": {kind};"))
    expect(drawings).to_have_count(count)
    expect(tab.frame.get_by_text("Loading")).to_have_count(0)
    return drawings.all()


def panel(tab: Tab, name: str) -> Locator:
    return tab.frame.get_by_role("img", name=re.compile(re.escape(name)))


def exact(edges: Values) -> Values:
    """Edges as written to a hundredth of a thousandth of the axis, moved to the multiples of powers of two they are."""
    width = 2.0 ** round(math.log2(float(np.diff(edges).min())))
    return np.round(edges / width) * width


def is_one_value(drawn: Drawn, values: Values) -> bool:
    """Values that are all equal are one bar, narrower than a path is written; it is cut off at the top."""
    if drawn.edges[0] != drawn.edges[-1]:
        return False
    assert np.ptp(values) == 0
    assert drawn.edges[0] == pytest.approx(values[0], abs=1e-4)
    return True


def shares(values: Values, edges: Values) -> Values:
    counts = [((values >= low) & (values < high)).sum() for low, high in itertools.pairwise(edges)]
    assert sum(counts) == len(values)
    return np.array(counts) / len(values)


def limit_of(densities: list[Values], *, clipping: bool = True) -> float:
    """Where bars are cut off: at the third tallest, of a histogram whose tallest is more than half as tall again."""

    def own(tallest: list[float]) -> float:
        third = tallest[2] if len(tallest) > 2 else 0.0
        return third if clipping and tallest[0] > 1.5 * third else tallest[0]

    found = max(own(sorted(density, reverse=True)) for density in densities)
    return found or max(float(density.max()) for density in densities)


def expect_heights(drawn: Drawn, density: Values, limit: float) -> None:
    wanted = np.where(density > limit * (1 + 1e-9), 100, density / limit * 90)
    np.testing.assert_allclose(drawn.heights, wanted, atol=0.02)
