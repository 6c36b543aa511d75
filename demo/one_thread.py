"""Nets as small as the sick ones train ten times as fast on one thread."""

import os
import sys

_THREADS = "OMP_NUM_THREADS"


def on_one_thread(module: str) -> None:
    """Starts `python -m module` anew on one thread, unless the environment says how many: numpy has read it already."""
    if _THREADS not in os.environ:
        again = [sys.executable, "-m", module, *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, _THREADS: "1"})  # noqa: S606  # no shell is wanted
