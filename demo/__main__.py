"""`python -m demo`: trains six small nets, and shows in the RNN tab which of them learn to look back, while they do."""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

_TITLES = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "SimpleRNN"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Trains LSTM, GRU and SimpleRNN, uni- and bidirectional, on the adding problem, and serves what "
        "rnn_summary logged of them in TensorBoard's RNN tab until Ctrl-C.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--logdir", type=Path, default=Path("logs/demo"), help="where to log; emptied first")
    parser.add_argument("--steps", type=int, default=700, help="training steps of each run")
    parser.add_argument("--every", type=int, default=10, help="log every so many steps")
    parser.add_argument("--seed", type=int, default=0, help="of weights and data")
    parser.add_argument("--runs", nargs="+", default=["all"], metavar="RUN", help="which runs: all, or lstm gru …")
    parser.add_argument("--port", type=int, default=None, help="of TensorBoard; 6006, or a free one, when left out")
    parser.add_argument("--no-serve", action="store_true", help="train only")
    arguments = parser.parse_args()
    if arguments.steps < 1 or arguments.every < 1:
        parser.error("--steps and --every: expected at least 1")
    return arguments


def main() -> None:
    """Trains and serves."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends TensorBoard too, as Ctrl-C does
    _empty(arguments.logdir)
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        address = None
        if not arguments.no_serve:
            from demo.tensorboard_server import free_port, serving  # noqa: PLC0415  # not needed to train only

            print("Starting TensorBoard …", flush=True)
            # The demo's arrays are small, so that every step of them can stay; the default cap is made for large nets.
            flags = ("--samples_per_plugin", "rnn_arrays=0", "--reload_interval", "5")
            address = stack.enter_context(serving(arguments.logdir, arguments.port or free_port(), *flags)) + "/#rnn"
            print(f"Open {address} and watch them train.\n", flush=True)
        _train(arguments)
        if address:
            print(f"\nOpen {address} (Ctrl-C ends it).", flush=True)
            signal.pause()


def _empty(directory: Path) -> None:
    """Removes what an earlier demo left: its steps would be mixed with those of this one."""
    if any(directory.glob("*")) and not (directory / _MARK).exists():
        sys.exit(f"--logdir: {directory} holds something that is not this demo's; name another or an empty directory.")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / _MARK).touch()


_MARK = ".tb_rnn_plugin_demo"


def _train(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its news of instruction sets would drown the progress bars
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    print("Loading Keras and TensorFlow …", flush=True)
    from demo import training  # noqa: PLC0415  # imports TensorFlow, which --help should not wait for

    runs = training.RUNS if arguments.runs == ["all"] else tuple(arguments.runs)
    unknown = sorted(set(runs) - set(training.RUNS))
    if unknown:
        sys.exit(f"--runs: expected some of {', '.join(training.RUNS)}; got {', '.join(unknown)}.")
    print(f"The adding problem, {training.TIMESTEPS} timesteps: the answer needs a number from the first tenth.")
    start = time.monotonic()
    for number, run in enumerate(runs, 1):
        cell = _TITLES[run.removesuffix("_bidirectional")]
        direction = "bidirectional" if run.endswith("_bidirectional") else "one direction"
        print(f"\n{number} of {len(runs)}: {cell}, {direction}", flush=True)
        outcome = training.train(
            run, arguments.logdir / run, steps=arguments.steps, every=arguments.every, seed=arguments.seed
        )
        verdict = "it learned to look back" if outcome.learned else "it did not learn to look back"
        print(f"loss {outcome.loss:.4f} (0.167 without memory): {verdict}", flush=True)
    print(f"\nTrained in {time.monotonic() - start:.0f} seconds.", flush=True)


if __name__ == "__main__":
    main()
