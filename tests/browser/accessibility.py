"""What axe-core, one of the frontend's development packages, finds fault with."""

import functools
from pathlib import Path
from typing import Any

from tests.browser.tab import Tab

_AXE = Path(__file__).parents[2] / "frontend/node_modules/axe-core/axe.min.js"


@functools.cache
def _axe() -> str:
    return _AXE.read_text()


def violations(tab: Tab) -> list[Any]:
    """Rule, explanation and place of each violation within our frame."""
    (frame,) = (frame for frame in tab.page.frames if "name=rnn" in frame.url)
    frame.evaluate(_axe())
    found: list[Any] = frame.evaluate("""async () => {
      const { violations } = await axe.run(document, { resultTypes: ["violations"] });
      return violations.map(({ id, help, nodes }) => [id, help, nodes.map((node) => node.html + node.failureSummary)]);
    }""")
    return found
