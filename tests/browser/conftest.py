"""A browser, and TensorBoards with something in them to look at.

Pages and servers are shared: each test sets the address anew.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tb_rnn_plugin.export.browser import installed_browser
from tests import serving
from tests.browser import data, overview_data, pair_data, weight_data
from tests.browser.overview_page import MAPS, cell, maps
from tests.browser.tab import VIEWPORT, Tab
from tests.serving import TensorBoard, wait_for

expect.set_options(timeout=20_000)

_QUIET = (
    "--no-sandbox --disable-quic --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --force-color-profile=srgb"
)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The machine's own browser, where there is one; else the one that Playwright installed."""
    return {**browser_type_launch_args, "args": _QUIET.split(), "executable_path": installed_browser()}


@pytest.fixture(scope="session")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log directory of tests/browser/data.py."""
    directory = tmp_path_factory.mktemp("nets") / "logs"
    data.write(directory)
    return directory


@pytest.fixture(scope="session")
def nets_board(nets: Path, loader: str) -> Iterator[TensorBoard]:
    with serving.with_all_steps(nets, loader, {run: data.STEPS.get(run, (0,))[-1] for run in data.RUNS}) as served:
        yield served


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=VIEWPORT)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture(scope="session")
def nets_tab(context: BrowserContext, nets_board: TensorBoard) -> Iterator[Tab]:
    with Tab.opened(context, nets_board.port) as tab:
        yield tab


@pytest.fixture
def tab(nets_tab: Tab) -> Iterator[Tab]:
    """The tab at its defaults."""
    with nets_tab.at_rest({}):
        yield nets_tab


@pytest.fixture(scope="session")
def weights_board(tmp_path_factory: pytest.TempPathFactory, loader: str) -> Iterator[TensorBoard]:
    """On the log directory of tests/browser/weight_data.py."""
    directory = tmp_path_factory.mktemp(f"weights-{loader}") / "logs"
    weight_data.write(directory)
    last_steps = {run: steps[-1] for run, steps in weight_data.STEPS.items()}
    with serving.with_all_steps(directory, loader, last_steps) as served:
        yield served


@pytest.fixture(scope="session")
def weights_tab(context: BrowserContext, weights_board: TensorBoard) -> Iterator[Tab]:
    with Tab.opened(context, weights_board.port) as tab:
        yield tab


@pytest.fixture
def weights(weights_tab: Tab) -> Iterator[Tab]:
    """The tab on weights of every shape."""
    with weights_tab.at_rest(focused=True):
        yield weights_tab


@pytest.fixture(scope="session")
def pairs_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log directory of tests/browser/pair_data.py."""
    directory = tmp_path_factory.mktemp("pairs") / "logs"
    pair_data.write(directory)
    return directory


@pytest.fixture(scope="session")
def pairs_board(pairs_logs: Path, loader: str) -> Iterator[TensorBoard]:
    last_steps = {run: steps[-1] for run, steps in pair_data.STEPS.items()}
    with serving.with_all_steps(pairs_logs, loader, last_steps) as served:
        yield served


@pytest.fixture(scope="session")
def pairs_tab(context: BrowserContext, pairs_board: TensorBoard) -> Iterator[Tab]:
    with Tab.opened(context, pairs_board.port) as tab:
        yield tab


@pytest.fixture
def pairs(pairs_tab: Tab) -> Iterator[Tab]:
    """The tab on runs of equal shapes."""
    with pairs_tab.at_rest({"runs": "first,second"}):
        yield pairs_tab


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory, loader: str) -> Path:
    """A log directory that a test goes on writing into: its run "long" has more steps than the loader keeps."""
    directory = tmp_path_factory.mktemp(f"growing-{loader}") / "logs"
    data.write_steps(directory / "long", range(0, 120, 10))
    data.write_steps(directory / "short", range(0, 20, 10))
    data.write_scalar(directory / "scalars only")
    return directory


@pytest.fixture(scope="module")
def growing_board(growing: Path, loader: str) -> Iterator[TensorBoard]:
    with serving.tensorboard(growing, loader) as served:
        wait_for("the last step", lambda: (served.last_step("long"), served.last_step("short")) == (110, 10))
        yield served


@pytest.fixture(scope="module")
def growing_tab(context: BrowserContext, growing_board: TensorBoard) -> Iterator[Tab]:
    with Tab.opened(context, growing_board.port) as tab:
        yield tab
        assert tab.errors == []


@pytest.fixture
def live(growing_tab: Tab) -> Tab:
    growing_tab.page.bring_to_front()
    growing_tab.choose()
    return growing_tab


@pytest.fixture(scope="session")
def overview_board(tmp_path_factory: pytest.TempPathFactory, loader: str) -> Iterator[TensorBoard]:
    directory = tmp_path_factory.mktemp(f"overview-{loader}") / "logs"
    overview_data.write(directory)
    last_steps = {run: steps[-1] for run, steps in overview_data.STEPS.items()}
    with serving.with_all_steps(directory, loader, last_steps) as served:
        wait_for("the losses", lambda: len(_losses(served)) == 3)
        yield served


def _losses(served: TensorBoard) -> list[Any]:
    answer = served.get("health", run=list(overview_data.STEPS)).json
    return [run["loss"] for run in answer["runs"] if run["loss"] is not None]


@pytest.fixture(scope="session")
def overview_tab(context: BrowserContext, overview_board: TensorBoard) -> Iterator[Tab]:
    with Tab.opened(context, overview_board.port, view="overview") as tab:
        yield tab


@pytest.fixture
def overview(overview_tab: Tab) -> Iterator[Tab]:
    """The Overview at its defaults."""
    with overview_tab.at_rest({"view": "overview"}, focused=True):
        expect(maps(overview_tab)).to_have_count(len(MAPS))
        # What was asked before stays until the answer has come.
        expect(overview_tab.frame.locator("tbody tr")).to_have_count(5)
        expect(cell(overview_tab, "healthy", "gradient_horizon")).to_contain_text("29 of 29")
        yield overview_tab
