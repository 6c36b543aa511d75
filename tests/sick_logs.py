"""A log directory with a healthy run and a sick one, and what a user's own writer says of their loss."""

from pathlib import Path

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2

from tb_rnn_plugin import cells, metadata, rnn_summary
from tb_rnn_plugin.event_file import write_record
from tb_rnn_plugin.record import LayerRecord
from tests.written_runs import TIMESTEPS, changed, healthy

STEPS = range(240)
NAN_STEP = 150
BOTH = (cells.FORWARD, cells.BACKWARD)


def record(run: str, step: int) -> LayerRecord:
    """What was written: in the sick run the backward gradient vanishes, and at a step the forget gate is NaN."""
    one = healthy("encoder/lstm", directions=BOTH)
    if run == "healthy":
        return one
    gradient = one.sequences["bptt_gradient"].copy()
    gradient[:, :, one.channels(cells.BACKWARD, "bptt_gradient")] = 0.05 ** np.arange(TIMESTEPS)[:, None]
    forget = one.sequences["gate/forget"].copy()
    if step >= NAN_STEP:
        forget[0, 7, 1] = np.nan
    return changed(one, bptt_gradient=gradient, gate__forget=forget)


def write(directory: Path) -> dict[str, dict[int, LayerRecord]]:
    """Writes both runs; returns run to step to record."""
    written: dict[str, dict[int, LayerRecord]] = {}
    for run in ("healthy", "sick"):
        written[run] = {step: record(run, step) for step in STEPS}
        for step, one in written[run].items():
            rnn_summary.write(one, step, directory / run, samples=1)
    dense = LayerRecord("dense", sequences={"activation": np.ones((1, 1, 2))})
    rnn_summary.write(dense, 0, directory / "other")
    rnn_summary.close()
    _write_loss(directory / "healthy" / "train")
    return written


def _write_loss(directory: Path) -> None:
    directory.mkdir()
    with (directory / "events.out.tfevents.1.host").open("wb") as file:
        write_record(file, event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
        for step in (0, 10):
            value = summary_pb2.Summary.Value(
                tag="epoch_loss", simple_value=1 / (step + 1), metadata=metadata.scalar_metadata()
            )
            event = event_pb2.Event(wall_time=1.0, step=step, summary=summary_pb2.Summary(value=[value]))
            write_record(file, event.SerializeToString())
