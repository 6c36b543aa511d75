"""The gradient of the inputs, and reach with its one channel a direction: recorded on request, drawn as the others."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, expect

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tests import serving
from tests.browser.colours import Colouring
from tests.browser.curves_page import Axis, expect_curves, panel, settled
from tests.browser.tab import Tab
from tests.logs import floats

pytestmark = pytest.mark.browser

SAMPLES, TIMESTEPS, INPUTS = 2, 20, 3
STEPS = (0, 10)
DIRECTIONS = {"one": ("forward",), "two": ("forward", "backward")}


def fading(run: str, channels: int, step: int) -> FloatArray:
    """Of every direction so many, over six decades."""
    values = floats(40 + step, SAMPLES, TIMESTEPS, channels * len(DIRECTIONS[run]))
    return values * np.logspace(-6, 0, TIMESTEPS, dtype=np.float32)[:, None]


def sequences(run: str, step: int) -> dict[str, FloatArray]:
    return {
        "reach/12": np.abs(fading(run, 1, 50 + step)),
        "reach/7": np.abs(fading(run, 1, 20 + step)),
        "reach": np.abs(fading(run, 1, step)),
        "input_gradient": fading(run, INPUTS, step),
        "activation": fading(run, 4, step),
    }


@pytest.fixture(scope="module")
def reaching(context: BrowserContext, tmp_path_factory: pytest.TempPathFactory, loader: str) -> Iterator[Tab]:
    directory: Path = tmp_path_factory.mktemp(f"reach-{loader}") / "logs"
    for run, directions in DIRECTIONS.items():
        for step in STEPS:
            made = LayerRecord("layer", cell="gru", units=4, directions=directions, sequences=sequences(run, step))
            rnn_summary.write(made, step, directory / run)
    rnn_summary.close()
    with (
        serving.with_all_steps(directory, loader, dict.fromkeys(DIRECTIONS, STEPS[-1])) as served,
        Tab.opened(context, served.port) as tab,
    ):
        yield tab
        assert tab.errors == []


def test_heatmaps_of_one_channel_a_direction(reaching: Tab) -> None:
    tab = reaching
    tab.choose(quantity="reach")
    tab.settled(4, quantity="reach", scale="log", map="cividis")
    arrays = {(run, sample): sequences(run, 10)["reach"][sample] for run in DIRECTIONS for sample in range(SAMPLES)}
    colouring = Colouring.over(list(arrays.values()), "log", "cividis", 6)
    for (run, sample), array in arrays.items():
        assert array.shape[1] == len(DIRECTIONS[run])
        assert colouring.wrong(tab.pixels(tab.heatmap(run, sample)), array.T) == 0
    options = tab.frame.get_by_label("Quantity", exact=True).locator("option")
    titles = [
        "Activation",
        "Input gradient, dL/dx",
        "Reach, ‖∂h_T/∂h_t‖",
        "Reach of timestep 7",
        "Reach of timestep 12",
    ]
    expect(options).to_have_text(titles)
    for sort in ("magnitude", "first_active", "similarity"):
        tab.choose(quantity="reach/7", sort=sort, reflect="on")
        tab.settled(4, quantity="reach/7")
        for sample in range(SAMPLES):
            array = sequences("two", 10)["reach/7"][sample]
            mirrored = np.stack([array[:, 0], array[::-1, 1]])
            own = Colouring.over([sequences(run, 10)["reach/7"] for run in DIRECTIONS], "log", "cividis", 6)
            assert own.wrong(tab.pixels(tab.heatmap("two", sample)), mirrored) == 0
    name = re.compile("^one, step 10, layer reach of timestep 7, sample 0: sorted channels by timesteps, from ")
    expect(tab.heatmap("one", 0)).to_have_accessible_name(name)
    tab.choose(runs="one", quantity="reach", earlier="first", minus="earlier")
    tab.settled(2, quantity="reach", scale="symlog", map="vik")  # differences have signs
    changes = sequences("one", 10)["reach"] - sequences("one", 0)["reach"]
    own = Colouring.over([changes], "symlog", "vik", 6)
    assert own.wrong(tab.pixels(tab.heatmap("one", 0)), changes[0].T) == 0
    tab.choose(quantity="input_gradient")
    tab.settled(4, quantity="input_gradient", scale="symlog")
    inputs = {(run, sample): sequences(run, 10)["input_gradient"][sample] for run, sample in arrays}
    of_inputs = Colouring.over(list(inputs.values()), "symlog", "vik", 6)
    for (run, sample), array in inputs.items():
        assert of_inputs.wrong(tab.pixels(tab.heatmap(run, sample)), array.T) == 0


def test_curves_of_inputs_and_of_one_channel(reaching: Tab) -> None:
    tab = reaching
    for quantity, scale, channels in (("reach", "log", 1), ("input_gradient", "symlog", INPUTS)):
        tab.choose(view="curves", quantity=quantity)
        settled(tab, 3 * channels, scale=scale)
        of = {run: sequences(run, 10)[quantity] for run in DIRECTIONS}
        axis = Axis(list(of.values()), scale)
        for run, array in of.items():
            for channel in range(channels * len(DIRECTIONS[run])):
                expect_curves(panel(tab, run, channel), list(array[:, :, channel]), axis)
    expect(panel(tab, "two", 4)).to_have_accessible_name(
        re.compile(r"^two, step 10, layer input gradient, channel 4 \(backward\): 2 samples over 20 timesteps")
    )
