"""`python -m demo.diagnoses`: trains healthy and sick nets and takes the pictures of docs/diagnostics."""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

from demo.confusion import ALARMS
from demo.diagnoses.pages import COMPARISONS, HEALTHY_RUN, Comparison
from demo.one_thread import on_one_thread
from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.diagnostics.judge import judge
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT
from tb_rnn_plugin.log_histories import layer_histories

_PICTURES = Path(__file__).parents[2] / "docs" / "diagnostics" / "pictures"
_STEPS, _EVERY = 80, 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.diagnoses", description=__doc__)
    parser.add_argument("--output", type=Path, default=_PICTURES, help="where the pictures go")
    names = [comparison.picture.name for comparison in COMPARISONS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PAGE", help="these: units weights")
    parser.add_argument("--logdir", type=Path, default=None, help="keep what is logged here, and train no net again")
    return parser.parse_args()


def main() -> None:
    """Trains, serves, and takes the pictures."""
    arguments = _arguments()
    on_one_thread("demo.diagnoses")
    from demo import screenshots  # noqa: PLC0415  # --help needs no browser
    from demo.tensorboard_server import free_port, serving  # noqa: PLC0415

    chosen = [one for one in COMPARISONS if one.picture.name in arguments.only]
    with contextlib.ExitStack() as stack:
        logs = arguments.logdir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        browser = stack.enter_context(screenshots.browsing())
        for comparison in chosen:
            # Each has a TensorBoard of its own, which lists no other runs than the two.
            directory = logs / comparison.picture.name
            _train(comparison, directory)
            _check_healthy(directory / HEALTHY_RUN)
            with serving(directory, free_port(), "--samples_per_plugin", "rnn_arrays=0") as address:
                screenshots.take(browser, comparison.picture, address, arguments.output)


def _train(comparison: Comparison, directory: Path) -> None:
    from demo.sick_training import train_with_pytorch  # noqa: PLC0415  # after the number of threads is set

    for run, net in comparison.nets.items():
        if not (directory / run).exists():
            train_with_pytorch(net, directory / run, steps=_STEPS, every=_EVERY, seed=0, completely=True)
            rnn_summary.close()


def _check_healthy(directory: Path) -> None:
    """Ends the program where the diagnosis would not call the run healthy, so that no picture says so."""
    for finding in judge(layer_histories(directory, DEFAULT), DEFAULT):
        if finding.severity in ALARMS:
            sys.exit(f"{directory}: expected no alarm of a healthy run, found: {finding}")


if __name__ == "__main__":
    main()
