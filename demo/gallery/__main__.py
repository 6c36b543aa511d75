"""`python -m demo.gallery`: trains the nets of see-rnn's README and takes the pictures of docs/gallery."""

import argparse
import contextlib
import os
import tempfile
from pathlib import Path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.gallery", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/gallery"), help="where the pictures go")
    parser.add_argument("--only", nargs="+", default=None, metavar="NAME", help="pictures whose names begin so: 01 12")
    parser.add_argument("--logdir", type=Path, default=None, help="keep what is logged here, and train no run again")
    return parser.parse_args()


def main() -> None:
    """Trains, serves, and takes the pictures."""
    arguments = _arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from demo import screenshots  # noqa: PLC0415
    from demo.gallery import examples  # noqa: PLC0415  # imports TensorFlow, which --help should not wait for
    from demo.tensorboard_server import free_port, serving  # noqa: PLC0415

    chosen = [
        picture
        for picture in examples.PICTURES
        if arguments.only is None or picture.name.startswith(tuple(arguments.only))
    ]
    with contextlib.ExitStack() as stack:
        logs = arguments.logdir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for run in sorted({run for picture in chosen for run in picture.runs}):
            if not (logs / run).exists():
                print(f"training {run} …", flush=True)
                examples.TRAININGS[run](logs / run)
        address = stack.enter_context(serving(logs, free_port(), "--samples_per_plugin", "rnn_arrays=0"))
        browser = stack.enter_context(screenshots.browsing())
        for picture in chosen:
            screenshots.take(browser, picture, address, arguments.output)
        _write_page(arguments.output)


def _write_page(directory: Path) -> None:
    """README.md of the gallery: every picture that is there, with its caption."""
    from demo.gallery.examples import PICTURES  # noqa: PLC0415

    lines = [
        "# see-rnn's examples in the RNN tab",
        "",
        "Made by `python -m demo.gallery`, from the real tab. EX numbers are those of see-rnn's README.",
        "",
    ]
    for picture in PICTURES:
        if (directory / f"{picture.name}.png").exists():
            lines += [f"{picture.caption}", "", f"![{picture.caption}]({picture.name}.png)", ""]
    (directory / "README.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
