"""`python -m tb_rnn_plugin COMMAND`: what can be done with logs from a shell."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from tb_rnn_plugin import check
from tb_rnn_plugin.export import command as export

# As a shell says it of a command that ends by SIGPIPE.
_UNREAD = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; gives the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe or an old terminal may know neither "–" nor the names of runs
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="python -m tb_rnn_plugin", description="Commands of tb_rnn_plugin.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    figure = commands.add_parser(
        "export", help="write a figure of the RNN tab, or the arrays behind it", description=export.__doc__
    )
    export.add_arguments(figure)
    figure.set_defaults(command=export.run)
    health = commands.add_parser(
        "check", help="print the health of runs, and fail on faults", description=check.__doc__
    )
    check.add_arguments(health)
    health.set_defaults(command=check.run)
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.command(chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        return _UNREAD
    return status


if __name__ == "__main__":
    sys.exit(main())
