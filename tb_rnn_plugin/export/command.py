"""The `export` command: its arguments, and what it does with them.

A figure (.png, .svg, .html) is drawn by the tab's own code, in a browser without a window, on a TensorBoard that is
there for as long as that takes. Arrays (.npz) are read from the event files.
"""

import argparse
import base64
import contextlib
import html
import json
import sys
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tb_rnn_plugin.export import server
from tb_rnn_plugin.export.arrays import write_arrays
from tb_rnn_plugin.export.browser import BrowserError, Page, find_browser, open_page

_FIGURES = (".png", ".svg", ".html")
_ARRAYS = ".npz"
_PREFIX = "p.rnn."
_VIEWS = ("overview", "heatmap", "curves", "scatter", "histograms", "weights")
_MOST_RUNS = 8
_WINDOW = (200, 10_000)
# As many as a question may have.
_RUNS_AT_ONCE = 64

_HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ margin: 0; background: {background} }} svg {{ display: block; max-width: 100%; height: auto }}</style>
{svg}</html>
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `export` understands to a parser of its own."""
    parser.add_argument(
        "logdir", type=Path, metavar="LOGDIR", help="the log directory, as given to tensorboard --logdir"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="what to write: FILE.png, .svg, .html or .npz"
    )
    what = parser.add_argument_group("what is drawn; the tab's own choice where left out")
    what.add_argument(
        "--run", dest="runs", action="append", default=[], metavar="RUN", help="a run; repeat it for several, up to 8"
    )
    what.add_argument("--layer", help="the layer")
    what.add_argument("--quantity", help="the quantity: output_gradient, activation, weights, …")
    what.add_argument("--view", help=f"{', '.join(_VIEWS[:-1])} or {_VIEWS[-1]} (default: heatmap)")
    what.add_argument("--step", type=int, help="the training step, or the nearest that there is (default: the last)")
    what.add_argument(
        "--sample",
        dest="samples",
        action="append",
        type=int,
        default=[],
        metavar="SAMPLE",
        help="a sample; repeat it for several",
    )
    what.add_argument("--earlier", metavar="STEP", help='a step to stand beside it: a number, or "first"')
    what.add_argument("--minus", metavar="RUN", help='what is taken away: a run, or "earlier" for the earlier step')
    what.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any other choice, as the tab's address has it"
    )
    what.add_argument("--link", help="an address that the tab's “Copy link” gave; the options above go before it")
    how = parser.add_argument_group("how it is drawn")
    how.add_argument("--dark", action="store_true", help="on a dark background")
    how.add_argument("--width", type=int, default=1200, help="the width of the figure in CSS pixels (default: 1200)")
    how.add_argument("--height", type=int, default=800, help="the height to fill with drawings (default: 800)")
    how.add_argument("--scale", type=float, default=2.0, help="pixels of a PNG for each CSS pixel (default: 2)")
    how.add_argument("--browser", help="the Chromium or Chrome to draw with")
    how.add_argument("--timeout", type=float, default=120.0, help="seconds that each part may take (default: 120)")


def run(arguments: argparse.Namespace) -> int:
    """Writes the file; gives the exit status, 0 for success."""
    try:
        _check(arguments)
        if arguments.output.suffix.lower() == _ARRAYS:
            steps = write_arrays(
                arguments.logdir,
                arguments.output,
                runs=arguments.runs,
                layer=arguments.layer,
                quantity=arguments.quantity,
                step=arguments.step,
                samples=arguments.samples,
            )
            shown = ", ".join(f"{name} step {step}" for name, step in steps.items())
        else:
            step = _draw(arguments)
            shown = "no step" if step is None else f"step {step}"
    except (BrowserError, LookupError, OSError, ValueError, server.ServerError) as error:
        print(f"export: {error}", file=sys.stderr)  # noqa: T201  # a command's way to speak
        return 1
    print(f"{arguments.output}: {shown}")  # noqa: T201
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """What can be known to be wrong before anything is started."""
    suffix = arguments.output.suffix.lower()
    if suffix not in {*_FIGURES, _ARRAYS}:
        raise ValueError(f"--output: expected a file {', '.join(_FIGURES)} or {_ARRAYS}, got {arguments.output}.")
    if not arguments.logdir.is_dir():
        raise ValueError(f"LOGDIR: there is no directory {arguments.logdir}.")
    if not arguments.output.absolute().parent.is_dir():
        raise ValueError(f"--output: there is no directory {arguments.output.absolute().parent}.")
    if len(arguments.runs) > _MOST_RUNS and suffix != _ARRAYS:
        raise ValueError(f"--run: expected at most {_MOST_RUNS}, got {len(arguments.runs)}.")
    if arguments.view not in {None, *_VIEWS}:
        raise ValueError(f"--view: expected one of {', '.join(_VIEWS)}; got {arguments.view!r}.")
    if min(arguments.samples, default=0) < 0:
        raise ValueError(f"--sample: expected 0 or more, got {min(arguments.samples)}.")
    if arguments.earlier not in {None, "first"} and not arguments.earlier.isdecimal():
        raise ValueError(f'--earlier: expected a step or "first", got {arguments.earlier!r}.')
    least, most = _WINDOW
    for name in ("width", "height"):
        if not least <= getattr(arguments, name) <= most:
            raise ValueError(f"--{name}: expected {least} to {most}, got {getattr(arguments, name)}.")
    if not 0 < arguments.scale <= 10:
        raise ValueError(f"--scale: expected more than 0 and at most 10, got {arguments.scale:g}.")


def choices_of(arguments: argparse.Namespace) -> dict[str, str]:
    """What the tab's address is to say.

    Raises:
        ValueError: If a NAME=VALUE is none.
    """
    chosen = {} if arguments.link is None else _choices_in(arguments.link)
    for pair in arguments.set:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise ValueError(f"--set: expected NAME=VALUE, got {pair!r}.")
        chosen[name] = value
    minus = arguments.minus
    named = {
        "runs": ",".join(_escaped(name) for name in arguments.runs),
        "layer": arguments.layer,
        "quantity": arguments.quantity,
        "view": arguments.view,
        "step": arguments.step,
        "samples": ",".join(map(str, arguments.samples)),
        "earlier": arguments.earlier,
        "minus": minus if minus in {None, "earlier"} else f"run:{minus}",
    }
    if arguments.link is None:
        chosen.setdefault("view", "heatmap")
    chosen.update({name: str(value) for name, value in named.items() if value not in {None, ""}})
    return chosen


def _choices_in(link: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in link.partition("#")[2].split("&")]
    found = {name[len(_PREFIX) :]: urllib.parse.unquote(value) for name, _, value in pairs if name.startswith(_PREFIX)}
    if not found:
        raise ValueError(f"--link: expected an address with {_PREFIX}… after its #, got {link!r}.")
    return found


def _escaped(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _draw(arguments: argparse.Namespace) -> int | None:
    """Draws the figure and writes it; gives the step that it shows."""
    chosen = choices_of(arguments)
    browser = find_browser(arguments.browser)
    with server.serving(arguments.logdir.resolve(), arguments.timeout) as address:
        _check_names(address, arguments)
        with open_page(browser, arguments.timeout) as page:
            drawn = _figure(page, address, chosen, arguments)
    _write(arguments.output, drawn, dark=arguments.dark)
    step: int | None = drawn["step"]
    return step


def _check_names(address: str, arguments: argparse.Namespace) -> None:
    """The tab falls back to something else where a name is unknown; a figure must not.

    Raises:
        ValueError: If there is no such run, layer, quantity or sample.
    """
    runs: dict[str, Any] = {run["run"]: run for run in server.ask(address, "index")["runs"]}
    if not runs:
        raise ValueError(f"LOGDIR: {arguments.logdir} holds no RNN data.")
    _expect("--run", arguments.runs, runs)
    shown = {name: runs[name] for name in arguments.runs} or runs
    _expect("--minus", [arguments.minus] if arguments.minus not in {None, "earlier"} else [], shown)
    layers = {layer["layer"]: layer for run in shown.values() for layer in run["layers"]}
    _expect("--layer", [arguments.layer] if arguments.layer else [], layers)
    of_layer = [layer for run in shown.values() for layer in run["layers"] if arguments.layer in {None, layer["layer"]}]
    quantities = {quantity["quantity"]: quantity for layer in of_layer for quantity in layer["quantities"]}
    _expect("--quantity", [arguments.quantity] if arguments.quantity else [], quantities)
    if arguments.samples:
        sequences = {
            (layer["layer"], quantity["quantity"])
            for layer in of_layer
            for quantity in layer["quantities"]
            if quantity["kind"] == "sequence" and arguments.quantity in {None, quantity["quantity"]}
        }
        kept = max((_samples_kept(address, list(shown), *sequence) for sequence in sequences), default=0)
        if sequences and kept <= max(arguments.samples):
            raise ValueError(f"--sample: expected one of the {kept} that were kept; got {max(arguments.samples)}.")


def _samples_kept(address: str, runs: Sequence[str], layer: str, quantity: str) -> int:
    """Of how many samples the arrays of a sequence were kept, in any of the runs and at any step."""
    kept = 0
    for first in range(0, len(runs), _RUNS_AT_ONCE):
        asked = [("layer", layer), ("quantity", quantity), *(("run", run) for run in runs[first:][:_RUNS_AT_ONCE])]
        with contextlib.suppress(LookupError):  # not every run has every sequence
            found = server.ask(address, "series", asked)["series"]
            kept = max([kept, *(count for series in found for count in series["samples_kept"])])
    return kept


def _expect(option: str, names: Sequence[str], present: dict[str, Any]) -> None:
    for name in names:
        if name not in present:
            raise ValueError(f"{option}: expected one of {', '.join(present)}; got {name!r}.")


def _figure(page: Page, address: str, chosen: dict[str, str], arguments: argparse.Namespace) -> dict[str, Any]:
    theme = "dark" if arguments.dark else "light"
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    page.command(
        "Emulation.setDeviceMetricsOverride",
        width=arguments.width,
        height=arguments.height,
        deviceScaleFactor=arguments.scale,
        mobile=False,
    )
    places = "&".join(f"{_PREFIX}{name}={_escaped(value)}" for name, value in chosen.items())
    page.go_to(f"{address}/data/plugin_entry.html?name=rnn#{places}")
    form = "png" if arguments.output.suffix.lower() == ".png" else "svg"
    call = f"m => m.pageFigure({json.dumps(form)}, {json.dumps(arguments.scale)})"
    drawn: dict[str, Any] = page.evaluate(f"import(new URL('index.js', document.baseURI).href).then({call})")
    return drawn


def _write(output: Path, drawn: dict[str, Any], *, dark: bool) -> None:
    content = drawn["content"]
    if output.suffix.lower() == ".png":
        output.write_bytes(base64.b64decode(content))
    elif output.suffix.lower() == ".svg":
        output.write_text(content, encoding="utf-8")
    else:
        background = "#303030" if dark else "#fff"
        page = _HTML.format(title=html.escape(drawn["title"]), background=background, svg=content)
        output.write_text(page, encoding="utf-8")
