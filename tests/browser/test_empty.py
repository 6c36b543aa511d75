from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests import serving
from tests.browser import accessibility, data
from tests.browser.tab import Tab

pytestmark = pytest.mark.browser


def test_empty_tab_says_why_and_fills_as_data_comes(context: BrowserContext, tmp_path: Path, loader: str) -> None:
    logdir = tmp_path / "logs"
    logdir.mkdir()
    with serving.tensorboard(logdir, loader) as board:
        tab = Tab.on(context, board.port)
        tab.load()
        expect(tab.frame.get_by_role("heading", name="No runs yet")).to_be_visible()
        expect(tab.frame.get_by_text(str(logdir))).to_be_visible()
        line = 'rnn_summary.write(taps, step=step, writer="logs/lstm")'
        expect(tab.frame.get_by_text(line)).to_be_visible()
        assert accessibility.violations(tab) == []
        tab.button("Copy").first.click()
        expect(tab.button("Copied")).to_be_visible()
        assert tab.page.evaluate("navigator.clipboard.readText()") == line

        data.write_scalar(logdir / "scalars only")
        expect(tab.frame.get_by_role("heading", name="The runs here hold no RNN data")).to_be_visible()
        expect(tab.frame.get_by_text('rnn_summary.KerasCallback("logs/lstm", every=50)')).to_be_visible()
        assert accessibility.violations(tab) == []

        data.write_steps(logdir / "net", range(2))
        tab.settled(1, run="net", step=1)
        assert tab.errors == []
        tab.page.close()
