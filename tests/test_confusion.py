"""The confusion table in small: some of its nets, with PyTorch alone. `python -m demo.confusion` has them all."""

from pathlib import Path

import pytest

from demo.confusion import Outcome, diagnosed, page
from demo.sick_nets import HEALTHY, SICK, Net

pytestmark = [pytest.mark.torch, pytest.mark.slow]
pytest.importorskip("torch")

# Writes may come faster than a busy machine computes gradients through time.
STEPS = 40


@pytest.mark.filterwarnings("ignore:rnn_summary.write. gradients through time")
@pytest.mark.parametrize("net", [*SICK, *HEALTHY], ids=lambda net: net.name)
def test_the_fault_is_the_first_finding_and_a_healthy_net_has_none(net: Net, tmp_path: Path) -> None:
    outcome = diagnosed(net, "PyTorch", 0, tmp_path / "run", steps=STEPS)
    assert outcome.is_right, [f"{finding.severity} {finding}" for finding in outcome.findings]


def test_a_wrong_verdict_is_counted_as_wrong() -> None:
    sick, healthy = SICK[0], HEALTHY[0]
    outcomes = [Outcome(sick, "PyTorch", 0, ()), Outcome(healthy, "PyTorch", 0, ())]
    assert [outcome.is_right for outcome in outcomes] == [False, True]
    text = page(outcomes)
    assert "1 of 2 are right" in text
    assert "first in 0; of 1 healthy trainings 0 raise an alarm" in text
