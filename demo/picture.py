"""A picture of the tab: which runs it shows, and what the tab's address says for it."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Picture:
    """One screenshot.

    Attributes:
        name: Of the file, without its suffix.
        caption: What is seen in it.
        choices: What the tab's address says beside the runs.
        runs: Those that are shown.
        size: Of the page, in pixels.
    """

    name: str
    caption: str
    choices: Mapping[str, str]
    runs: tuple[str, ...]
    size: tuple[int, int] = (1400, 860)
