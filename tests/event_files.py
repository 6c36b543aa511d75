"""Small records, and what stands in the event files of a directory that they were written to."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from tensorboard.compat.proto import event_pb2

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.event_file import read_events
from tb_rnn_plugin.record import LayerRecord


def record(value: float = 0.0, name: str = "lstm", size: int = 4) -> LayerRecord:
    return LayerRecord(name, sequences={"activation": np.full((1, 1, size), value, np.float32)})


def event_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*tfevents*"))


def steps_in(directory: Path) -> list[int]:
    return [step for step, _ in rnn_summary.read(directory)]


def restarts_in(path: Path) -> list[int]:
    return [event.step for event in read_events(path) if event.session_log.status == event_pb2.SessionLog.START]


def run(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
