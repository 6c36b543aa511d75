"""Many samples of one run: a grid under its name, and no column of 13 as in see-rnn."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, FloatRect, Locator, expect

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord
from tests import serving
from tests.browser.tab import Tab
from tests.logs import floats
from tests.serving import wait_for

# Nothing here depends on how TensorBoard loaded the data.
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("loader", ["rust"], indirect=True)]

SAMPLES = 16


@pytest.fixture(scope="module")
def many(context: BrowserContext, tmp_path_factory: pytest.TempPathFactory, loader: str) -> Iterator[Tab]:
    directory = tmp_path_factory.mktemp(f"samples-{loader}") / "logs"
    for run, seed in (("one", 1), ("two", 2)):
        record = LayerRecord("rnn", cell="gru", units=6, sequences={"activation": floats(seed, SAMPLES, 20, 6)})
        rnn_summary.write(record, 0, directory / run, samples=SAMPLES)
    rnn_summary.close()
    with serving.tensorboard(directory, loader) as board:
        wait_for("both runs", lambda: (board.last_step("one"), board.last_step("two")) == (0, 0))
        with Tab.opened(context, board.port) as tab:
            yield tab
            assert tab.errors == []


def box(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found is not None
    return found


def places(tab: Tab, run: str, samples: int) -> list[tuple[float, float]]:
    """Where the drawings of a run begin, in the order of their samples."""
    drawn = [box(tab.heatmap(run, sample)) for sample in range(samples)]
    return [(one["x"], one["y"]) for one in drawn]


def chosen(samples: int) -> str:
    return ",".join(map(str, range(samples)))


@pytest.mark.parametrize("samples", [13, 16])
def test_samples_of_one_run_fill_several_columns(many: Tab, samples: int) -> None:
    many.choose(runs="one", samples=chosen(samples), quantity="activation")
    many.settled(samples, run="one")
    found = places(many, "one", samples)
    columns, rows = sorted({x for x, _ in found}), sorted({y for _, y in found})
    assert len(columns) > 1
    assert len(rows) < samples
    # Row by row, as one reads, none empty but in the last row.
    assert found == [(columns[i % len(columns)], rows[i // len(columns)]) for i in range(samples)]
    view = box(many.frame.get_by_role("tabpanel"))
    bar = box(many.frame.get_by_role("img", name="Colour bar"))
    assert max(columns) + box(many.heatmap("one", 0))["width"] < bar["x"]
    assert bar["x"] + bar["width"] <= view["x"] + view["width"]
    heading = many.frame.locator(".run-heading")
    expect(heading).to_have_count(1)
    expect(heading).to_contain_text("one")


def test_samples_of_several_runs_stay_in_a_column_a_run(many: Tab) -> None:
    many.choose(runs="one,two", samples=chosen(13), quantity="activation")
    many.settled(26, quantity="activation")
    one, two = places(many, "one", 13), places(many, "two", 13)
    assert len({x for x, _ in one}) == len({x for x, _ in two}) == 1
    assert one[0][0] < two[0][0]
    assert [y for _, y in one] == [y for _, y in two]
