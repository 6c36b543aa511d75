"""A gradient-flow map taken away by itself: its picture and its numbers against what was logged."""

import base64
import copy
import itertools
import xml.etree.ElementTree as ET

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import expect

from tests.browser import overview_data
from tests.browser.colours import Pixels
from tests.browser.overview_page import has_norm, logged, map_of, wrong_cells
from tests.browser.tab import READ_PICTURE, Tab, pixels_of, switch_theme
from tests.browser.test_take_away import SVG, Picture, decoded, loaded, table, take

# Nothing here depends on how TensorBoard loaded the data.
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("loader", ["rust"], indirect=True)]

# In pixels: so far edges are smoothed at most.
NEAR = 2

TITLE_END = """svg => {
  const root = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  document.body.append(root);
  const { x, width } = root.querySelector(":scope > text").getBBox();
  root.remove();
  return x + width;
}"""


def drawn_over(tab: Tab, picture: Picture, raster: ET.Element) -> npt.NDArray[np.bool_]:
    """The pixels of a PNG in or near which there is more than the raster: the horizon, the step that is looked at."""
    bare = copy.deepcopy(picture.root)
    for parent in list(bare.iter()):
        for image in [child for child in parent if child.attrib == raster.attrib]:
            parent.remove(image)
    for name, pixels in zip(("width", "height"), picture.size, strict=True):
        bare.set(name, str(picture.scale * pixels))
    address = f"data:image/svg+xml;base64,{base64.b64encode(ET.tostring(bare)).decode()}"
    seen = pixels_of(tab.page.evaluate(READ_PICTURE, address))
    drawn: npt.NDArray[np.bool_] = (seen != seen[1, 1]).any(axis=-1)
    near = drawn.copy()
    for shift in itertools.product(range(-NEAR, NEAR + 1), repeat=2):
        near |= np.roll(drawn, shift, (0, 1))
    return near


def free_pixels(png: Pixels, box: tuple[float, float, float, float], taken: npt.NDArray[np.bool_]) -> Pixels:
    """(30, 12, 3): of each cell the pixel nearest to its middle where nothing else is drawn."""
    x, y, width, height = box
    rows, columns = y + np.arange(31) * height / 30, x + np.arange(13) * width / 12
    found = np.empty((30, 12, 3), np.uint8)
    for row, column in np.ndindex(30, 12):
        (top, bottom), (left, right) = rows[row : row + 2], columns[column : column + 2]
        inside = np.mgrid[int(top) + NEAR : int(bottom) - NEAR + 1, int(left) + NEAR : int(right) - NEAR + 1]
        places = inside.reshape(2, -1).T
        free = places[~taken[tuple(places.T)]]
        assert len(free) > 0, (row, column)
        off = free + 0.5 - np.array([(top + bottom) / 2, (left + right) / 2])
        found[row, column] = png[tuple(free[np.abs(off).sum(axis=1).argmin()])]
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("run", "direction"), [("healthy", "backward"), ("poisoned", "forward")])
def test_pictures_have_the_colours_of_the_norms(overview: Tab, run: str, direction: str, theme: str) -> None:
    whole = "berlin" if theme == "dark" else "vik"
    try:
        if theme == "dark":
            switch_theme(overview, "Dark")
        expect(map_of(overview, run, direction)).to_have_attribute("data-map", f"{whole}, blue half")
        name, content = take(overview, "SVG", f"{run}, gradient flow, {direction}")
        assert name == f"{run}_encoder_bptt_gradient_flow_{direction}.svg"
        picture = Picture.of(content)
        (raster,) = picture.images
        cells = decoded(overview, base64.b64decode(raster.attrib["href"].partition(",")[2]))
        assert cells.shape == (30, 12, 3)
        assert wrong_cells(cells, run, direction, whole, 6) == 0
        title = f"{run}, encoder BPTT gradient, {direction}: norm by timestep and training step"
        assert picture.texts[0] == title
        # The axes, and the colours, which stand at the other end of the screen.
        assert {"timesteps back", "training step", "0", "110", "1e-2", "1e-7", "NaN"} <= set(picture.texts)
        # Nothing of the title is cut off, and the colours begin where the map does.
        title_end = overview.page.evaluate(TITLE_END, content.decode())
        assert title_end <= float(picture.root.attrib["viewBox"].split()[0]) + picture.size[0]
        (bar,) = [image for image in picture.root.iter(f"{SVG}image") if image is not raster]
        assert float(bar.attrib["y"]) == pytest.approx(float(raster.attrib["y"]), abs=1)
        # The horizon stays a line.
        assert len(list(picture.root.iter(f"{SVG}path"))) >= 2

        png = decoded(overview, take(overview, "PNG")[1])
        assert png.shape[:2] == (2 * picture.size[1], 2 * picture.size[0])
        taken = drawn_over(overview, picture, raster)
        assert taken.shape == png.shape[:2]
        left, top, width, height = map(int, picture.box(raster))
        assert taken[top : top + height, left : left + width].any()
        seen = free_pixels(png, picture.box(raster), taken)
        assert wrong_cells(seen, run, direction, whole, 6) == 0
        assert (seen[~has_norm(run, direction)] == png[1, 1]).all()
    finally:
        if theme == "dark":
            switch_theme(overview, "Light")


def test_numbers_are_the_norms(overview: Tab) -> None:
    wanted = logged("poisoned", "forward")
    name, content = take(overview, "NPY", "poisoned, gradient flow, forward")
    assert name == "poisoned_encoder_bptt_gradient_flow_forward.npy"
    norms = loaded(content)
    assert norms.dtype == np.float32
    assert norms == pytest.approx(wanted, rel=1e-5, nan_ok=True)
    name, content = take(overview, "CSV")
    assert name == "poisoned_encoder_bptt_gradient_flow_forward.csv"
    head, *rows = table(content)
    assert head == ["step", *(f"t = {timestep}" for timestep in range(20))]
    assert [int(row[0]) for row in rows] == list(overview_data.STEPS["poisoned"])
    assert np.array_equal(np.array([row[1:] for row in rows], np.float32), norms, equal_nan=True)
