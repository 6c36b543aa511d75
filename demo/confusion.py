"""`python -m demo.confusion`: does the diagnosis tell sick nets from healthy ones?"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from demo.one_thread import on_one_thread
from demo.sick_nets import HEALTHY, SICK, Expected, Framework, Net
from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.diagnostics.finding import Finding
from tb_rnn_plugin.diagnostics.judge import judge
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT
from tb_rnn_plugin.log_histories import layer_histories

STEPS = 80
EVERY = 2
FRAMEWORKS: tuple[Framework, ...] = ("PyTorch", "Keras")
SEEDS_OF_HEALTHY = (0, 1)

ALARMS = ("warning", "error")
_PAGE = Path(__file__).parent.parent / "docs" / "diagnostics" / "confusion.md"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was found in one net."""

    net: Net
    framework: Framework
    seed: int
    findings: Sequence[Finding]

    @property
    def first(self) -> Finding | None:
        """The first warning or error; None where there is none."""
        return next((finding for finding in self.findings if finding.severity in ALARMS), None)

    @property
    def is_right(self) -> bool:
        """Whether the fault was named first, with its place and its step; or nothing, where there is none."""
        expected, first = self.net.expected, self.first
        if expected is None or first is None:
            return expected is None and first is None
        return self.findings[0] is first and _matches(expected, first)


def _matches(expected: Expected, found: Finding) -> bool:
    return (
        found.fault == expected.fault
        and found.layer == "recurrent"
        and expected.direction in {"", found.direction}
        and expected.gate in {"", found.gate}
        # A change of weights, or a growth, is known at the next write.
        and expected.since <= found.since <= expected.since + EVERY
    )


def diagnosed(net: Net, framework: Framework, seed: int, directory: Path, *, steps: int = STEPS) -> Outcome:
    """Trains a net, and diagnoses it from what was logged."""
    from demo.sick_training import TRAINERS  # noqa: PLC0415  # the environment is to be set before

    TRAINERS[framework](net, directory, steps=steps, every=EVERY, seed=seed)
    rnn_summary.close()
    return Outcome(net, framework, seed, judge(layer_histories(directory, DEFAULT), DEFAULT))


def all_outcomes(directory: Path) -> list[Outcome]:
    """Every sick net once, and every healthy one with several seeds, in each framework."""
    outcomes = []
    for framework in FRAMEWORKS:
        for net in (*SICK, *HEALTHY):
            for seed in SEEDS_OF_HEALTHY if net.expected is None else (0,):
                start = time.monotonic()
                outcome = diagnosed(net, framework, seed, directory / f"{framework} {net.name} {seed}")
                seconds = time.monotonic() - start
                verdict = "right" if outcome.is_right else "WRONG"
                print(f"{verdict}  {framework}, {net.name} ({seconds:.0f} s): {outcome.first}", flush=True)
                outcomes.append(outcome)
    return outcomes


def page(outcomes: Sequence[Outcome]) -> str:
    """The page for docs/."""
    right = sum(outcome.is_right for outcome in outcomes)
    sick = [outcome for outcome in outcomes if outcome.net.expected is not None]
    healthy = [outcome for outcome in outcomes if outcome.net.expected is None]
    lines = [
        "# Confusion table",
        "",
        (
            "Nets that were built sick in one known way, and healthy ones, trained and then diagnosed from their logs, "
            "with the default thresholds. Written by `python -m demo.confusion`."
        ),
        "",
        (
            f"{right} of {len(outcomes)} are right: of {len(sick)} sick nets the fault, its place and its step come "
            f"first in {sum(outcome.is_right for outcome in sick)}; of {len(healthy)} healthy trainings "
            f"{sum(outcome.first is not None for outcome in healthy)} raise an alarm (a warning or an error)."
        ),
        "",
        "| net | framework | first finding | right |",
        "| --- | --- | --- | --- |",
    ]
    for outcome in outcomes:
        cell = outcome.net.cell.upper()
        name = outcome.net.name if outcome.net.expected is None else f"{outcome.net.name} ({cell})"
        found = f"`{outcome.first.fault}`: {outcome.first.sentence}" if outcome.first is not None else "–"
        seed = f", seed {outcome.seed}" if outcome.net.expected is None else ""
        lines.append(f"| {name}{seed} | {outcome.framework} | {found} | {'yes' if outcome.is_right else '**no**'} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Trains, diagnoses, writes the page."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.confusion", description=f"{__doc__} Writes docs/diagnostics/confusion.md."
    )
    parser.add_argument("--logdir", type=Path, default=None, help="keep the logs here; left out: they are removed")
    arguments = parser.parse_args()
    on_one_thread("demo.confusion")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with tempfile.TemporaryDirectory() as temporary:
        outcomes = all_outcomes(arguments.logdir or Path(temporary))
    _PAGE.parent.mkdir(parents=True, exist_ok=True)
    _PAGE.write_text(page(outcomes))
    print(f"Written to {_PAGE}: {sum(outcome.is_right for outcome in outcomes)} of {len(outcomes)} are right.")


if __name__ == "__main__":
    main()
