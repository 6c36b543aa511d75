"""The order of samples that came back one by one, against runs that are written out."""

from typing import Any

import pytest

pytestmark = pytest.mark.jax
pytest.importorskip("jax")
pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax.sample_order import Sample, in_order  # noqa: E402


def came_back(run: str, trace: int = 0) -> list[Sample]:
    """What a run leaves: "+" is a call that begins; a letter, the name of a sample, is its way back."""
    parts = run.split()
    begun = 0
    samples = []
    for part in parts:
        if part == "+":
            begun += 1
        else:
            arrived: Any = part
            samples.append(Sample(trace, begun, arrived))
            begun = 0
    return samples


RUNS = {
    "one": ("+ a", "a"),
    "a scan": ("+ + + c b a", "abc"),
    "a scan with remat": ("+ + + + c + b + a", "abc"),
    "two scans": ("+ + b a + + d c", "abcd"),
    "two scans with remat": ("+ + + b + a + + + d + c", "abcd"),
    "a program for each sample": ("+ a + b + c", "abc"),
    "a program for each sample with remat": ("+ + a + + b + + c", "abc"),
    "a program for each sample, that begins late": ("a + b + c +", "abc"),
    "a batch, which isn't counted": ("a", "a"),
}


@pytest.mark.parametrize(("run", "expected"), RUNS.values(), ids=RUNS)
def test_the_order_of_one_trace(run: str, expected: str) -> None:
    assert "".join(map(str, in_order(came_back(run)))) == expected


def test_traces_are_in_their_own_order_whatever_comes_back_first() -> None:
    (a,), (b,), scan = came_back("+ a", 3), came_back("+ b", 5), came_back("+ + d c", 7)
    assert "".join(map(str, in_order([b, *scan, a]))) == "abcd"
