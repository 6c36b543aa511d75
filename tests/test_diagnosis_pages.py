"""docs/diagnostics: each page has all of its parts, and shows the picture that demo.diagnoses takes for it."""

import re
from pathlib import Path

import pytest

from demo.diagnoses.pages import COMPARISONS

DIRECTORY = Path(__file__).parents[1] / "docs" / "diagnostics"
INDEX = "README"
#: Each diagnostic has one; the index and the confusion table are none.
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DIRECTORY.glob("*.md"))}
DIAGNOSTICS = sorted(PAGES.keys() - {INDEX, "confusion"})


def pictures(page: str) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)


@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_a_page_shows_its_pictures(name: str) -> None:
    of_page = [comparison.picture.name for comparison in COMPARISONS if comparison.page == name]
    assert of_page
    assert pictures(PAGES[name]) == [f"pictures/{picture}.png" for picture in of_page]


def test_every_picture_is_made() -> None:
    made = sorted(comparison.picture.name for comparison in COMPARISONS)
    assert made == sorted(path.stem for path in (DIRECTORY / "pictures").iterdir())


def test_every_picture_shows_a_healthy_run_and_a_sick_one() -> None:
    for comparison in COMPARISONS:
        healthy, sick = comparison.picture.runs
        assert (healthy, sick[:6]) == ("healthy", "sick: ")
        assert list(comparison.nets) == [healthy, sick]


@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_a_page_has_all_of_its_parts(name: str) -> None:
    for part in ("[Ff]ormula", "[Ss]ource", "When it misleads", "What to try"):
        assert re.search(part, PAGES[name]), part


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGES[name])
    assert [target for target in targets if not (DIRECTORY / target).exists()] == []


def test_the_index_names_every_page() -> None:
    named = set(re.findall(r"\]\((\w+)\.md\)", PAGES[INDEX]))
    assert named == {*DIAGNOSTICS, "confusion"}
