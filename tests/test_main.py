"""`python -m tb_rnn_plugin` as a shell runs it: its output goes wherever it is sent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tb_rnn_plugin import rnn_summary
from tests.written_runs import healthy

COMMAND = [sys.executable, "-m", "tb_rnn_plugin", "check"]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("main")
    rnn_summary.write(healthy("層"), 0, directory / "run")
    rnn_summary.close()
    return directory


def test_a_pipe_that_knows_few_letters_is_no_fault_of_the_run(logdir: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*COMMAND, str(logdir)], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "run / \\u5c64" in done.stdout


def test_a_reader_that_has_seen_enough_is_no_error(logdir: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen([*COMMAND, str(logdir)], stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, said = process.communicate()
    assert (process.returncode, said) == (141, b"")
