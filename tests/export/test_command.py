"""`python -m tb_rnn_plugin export`: what it refuses, and what it draws."""

import argparse
import base64
import re
import shutil
import urllib.parse
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext

from tb_rnn_plugin.__main__ import main
from tb_rnn_plugin.export import command
from tests.browser import pair_data
from tests.browser.colours import Colouring, Pixels
from tests.browser.conftest import browser_type_launch_args, context  # noqa: F401  # fixtures
from tests.browser.tab import READ_PICTURE, pixels_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("export") / "logs"
    pair_data.write(directory)
    return directory


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(["logs", "-o", "figure.png", *arguments])


def test_choices_are_those_of_the_tabs_address() -> None:
    arguments = parsed(
        *("--run", "a,b", "--run", "c&d", "--layer", "encoder", "--view", "curves", "--step", "0", "--sample", "0"),
        *("--sample", "3", "--earlier", "first", "--minus", "c&d", "--set", "scale=log", "--set", "channels=0-3, 7"),
    )
    assert command.choices_of(arguments) == {
        "runs": "a%2Cb,c%26d",
        "layer": "encoder",
        "view": "curves",
        "step": "0",
        "samples": "0,3",
        "earlier": "first",
        "minus": "run:c&d",
        "scale": "log",
        "channels": "0-3, 7",
    }
    assert command.choices_of(parsed("--minus", "earlier")) == {"view": "heatmap", "minus": "earlier"}


def test_link_is_taken_and_overruled() -> None:
    link = "http://127.0.0.1:6006/#rnn&p.rnn.view=curves&p.rnn.layer=a%2Fb&p.rnn.step=30&other=1"
    assert command.choices_of(parsed("--link", link, "--step", "10")) == {
        "view": "curves",
        "layer": "a/b",
        "step": "10",
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-o", "figure.pdf"], "--output: expected a file .png, .svg, .html or .npz, got figure.pdf."),
        (["-o", "no/such/figure.png"], "--output: there is no directory"),
        (["--width", "20"], "--width: expected 200 to 10000, got 20."),
        (["--view", "pie"], "--view: expected one of overview, heatmap, curves, scatter, histograms, weights; got"),
        (["--sample", "1", "--sample", "-1"], "--sample: expected 0 or more, got -1."),
        (["--scale", "0"], "--scale: expected more than 0 and at most 10, got 0."),
        (["--earlier", "last"], "--earlier: expected a step or \"first\", got 'last'."),
        (["--set", "scale"], "--set: expected NAME=VALUE, got 'scale'."),
        (["--link", "http://127.0.0.1:6006/#scalars"], "--link: expected an address with p.rnn.… after its #"),
        (["--browser", "no-such-program"], "browser: 'no-such-program' is no program."),
        ([f for i in range(9) for f in ("--run", str(i))], "--run: expected at most 8, got 9."),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_started(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], sentence: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(logs), "-o", "figure.png", *arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_log_directory_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "none"), "-o", str(tmp_path / "a.npz")]) == 1
    assert "LOGDIR: there is no directory" in capsys.readouterr().err


def test_without_a_browser_it_says_how_to_get_one(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr("tb_rnn_plugin.export.browser._MAC", ())
    assert main(["export", str(logs), "-o", str(tmp_path / "figure.svg")]) == 1
    said = capsys.readouterr().err
    assert "there is no Chromium or Chrome on this machine" in said
    assert "-o arrays.npz needs none" in said
    # Arrays need no browser.
    assert main(["export", str(logs), "--run", "first", "-o", str(tmp_path / "arrays.npz")]) == 0
    assert "first step 20" in capsys.readouterr().out
    with np.load(tmp_path / "arrays.npz") as found:
        assert (found[f"first/{pair_data.LAYER}/output_gradient"] == pair_data.gradient("first", 20)).all()


def decoded(context: BrowserContext, png: bytes) -> Pixels:  # noqa: F811
    page = context.new_page()
    try:
        found = page.evaluate(READ_PICTURE, f"data:image/png;base64,{base64.b64encode(png).decode()}")
        return pixels_of(found)
    finally:
        page.close()


def rasters(context: BrowserContext, svg: ET.Element) -> list[Pixels]:  # noqa: F811
    """Those of drawings: the colour bar beside them is not of cells."""
    cells = [image for image in svg.iter(f"{SVG}image") if "pixelated" in image.attrib.get("style", "")]
    return [decoded(context, base64.b64decode(image.attrib["href"].partition(",")[2])) for image in cells]


@pytest.mark.browser
def test_figure_has_the_colours_of_the_logged_values(
    logs: Path, tmp_path: Path, context: BrowserContext, capsys: pytest.CaptureFixture[str]  # noqa: F811
) -> None:  # fmt: skip
    figure = tmp_path / "figure.svg"
    choice = ["--run", "first", "--run", "second", "--layer", pair_data.LAYER, "--step", "10", "--sample", "1"]
    assert main(["export", str(logs), *choice, "--width", "900", "-o", str(figure)]) == 0
    assert f"{figure}: step 10" in capsys.readouterr().out
    arrays = [pair_data.gradient("first", 10)[1], pair_data.gradient("second", 12)[1]]
    colouring = Colouring.over([*arrays], "symlog", "vik")
    drawn = rasters(context, ET.fromstring(figure.read_text()))
    for raster, array in zip(drawn, arrays, strict=True):
        assert colouring.wrong(raster, array.T) == 0


@pytest.mark.browser
def test_png_and_html_of_a_link_in_the_dark(
    logs: Path, tmp_path: Path, context: BrowserContext  # noqa: F811
) -> None:  # fmt: skip
    values = {
        "view": "heatmap",
        "runs": "first,second",
        "layer": pair_data.LAYER,
        "minus": "run:second",
        "samples": "0",
    }
    link = "http://127.0.0.1:1/#rnn&" + "&".join(
        f"p.rnn.{k}={urllib.parse.quote(v, safe='')}" for k, v in values.items()
    )
    same = ["export", str(logs), "--link", link, "--dark", "--width", "700", "--height", "400"]
    assert main([*same, "-o", str(tmp_path / "figure.html")]) == 0
    page = (tmp_path / "figure.html").read_text()
    assert page.startswith("<!doctype html>")
    assert f"<title>{pair_data.LAYER}: Output gradient, ∂L/∂y</title>" in page
    found = re.search(r"<svg.*</svg>", page, re.DOTALL)
    assert found is not None
    svg = ET.fromstring(found[0])
    wanted = pair_data.gradient("first", 20)[0] - pair_data.gradient("second", 20)[0]
    assert Colouring.over([wanted], "symlog", "berlin").wrong(rasters(context, svg)[0], wanted.T) == 0
    assert main([*same, "--scale", "3", "-o", str(tmp_path / "figure.png")]) == 0
    pixels = decoded(context, (tmp_path / "figure.png").read_bytes())
    assert pixels.shape[:2] == (3 * int(svg.attrib["height"]), 3 * int(svg.attrib["width"]))
    assert tuple(pixels[2, 2]) == (48, 48, 48)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--run", "nobody"], "--run: expected one of first, second, third; got 'nobody'."),
        (["--layer", "attic"], "--layer: expected one of rnn/shared"),
        (["--run", "first", "--minus", "second"], "--minus: expected one of first; got 'second'."),
        (["--sample", "0", "--sample", "99"], "--sample: expected one of the 2 that were kept; got 99."),
        (
            ["--run", "first", "--layer", pair_data.LAST, "--quantity", "weights"],
            "--quantity: expected one of output_gradient;",
        ),
    ],
)
def test_names_that_are_not_there_are_not_drawn_as_something_else(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["export", str(logs), *arguments, "-o", str(tmp_path / "figure.png")]) == 1
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
