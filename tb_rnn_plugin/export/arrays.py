"""The arrays of one step of one or more runs as an .npz, straight from the event files."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import MATRIX_QUANTITIES, FloatArray, LayerRecord


def find_runs(directory: Path) -> list[str]:
    """The runs below a log directory, as TensorBoard names them; "." is the directory itself."""
    folders = {path.parent for path in directory.rglob("*tfevents*") if path.is_file()}
    return sorted(folder.relative_to(directory).as_posix() for folder in folders)


def write_arrays(
    directory: Path,
    output: Path,
    *,
    runs: Sequence[str] = (),
    layer: str | None = None,
    quantity: str | None = None,
    step: int | None = None,
    samples: Sequence[int] = (),
) -> dict[str, int]:
    """Writes the arrays that were kept, each under "run/layer/quantity", with "/direction/matrix" for a matrix.

    "metadata" is JSON: for each of them the run, layer, quantity, step, cell, units, directions and gates.

    Args:
        directory: The log directory.
        output: The file.
        runs: The runs; none: all that have RNN data.
        layer: The layer; None: all.
        quantity: The quantity; None: all.
        step: The step; of a run without it, the nearest. None: the last of each run.
        samples: The samples' indices; none: all that were kept.

    Returns:
        The step of each run.

    Raises:
        ValueError: If there is no such run, layer, quantity or sample.
    """
    present = find_runs(directory)
    for run in runs:
        if run not in present:
            raise ValueError(f"run: {directory} has {', '.join(present) or 'no runs'}; got {run!r}.")
    arrays: dict[str, FloatArray] = {}
    metadata: dict[str, dict[str, Any]] = {}
    steps: dict[str, int] = {}
    for run in runs or present:
        try:
            records = _at_step(directory / run, layer, step)
        except ValueError as error:
            if runs or "no RNN data" not in str(error):
                raise
            continue
        for record_step, record in records:
            steps[run] = record_step
            for name, array, facts in _arrays_of(record, samples):
                if quantity not in {None, facts["quantity"]}:
                    continue
                key = "/".join(part for part in (run if run != "." else "", record.name, name) if part)
                arrays[key] = array
                metadata[key] = {"run": run, "layer": record.name, "step": record_step, **facts}
    if not arrays:
        reason = f"quantity: none of the runs has {quantity!r} there" if quantity else f"{directory} holds no RNN data"
        raise ValueError(f"{reason}.")
    named: dict[str, Any] = {"metadata": np.array(json.dumps(metadata)), **arrays}
    np.savez_compressed(output, **named)
    return steps


def _at_step(directory: Path, layer: str | None, step: int | None) -> list[tuple[int, LayerRecord]]:
    """The records of the nearest step; of a step that was written again the later ones."""
    best: dict[str, tuple[int, LayerRecord]] = {}

    def rank(written: int) -> tuple[int, int]:
        return (-written, 0) if step is None else (abs(written - step), written)

    for written, record in rnn_summary.read(directory, layer):
        known = best.get(record.name)
        if known is None or rank(written) <= rank(known[0]):
            best[record.name] = (written, record)
    return list(best.values())


def _arrays_of(record: LayerRecord, samples: Sequence[int]) -> Iterator[tuple[str, FloatArray, dict[str, Any]]]:
    facts = {
        "cell": record.cell,
        "units": record.units,
        "directions": list(record.directions),
        "gates": list(record.gates),
        "framework": record.framework,
    }
    for quantity, array in record.sequences.items():
        for sample in samples:
            if sample >= len(array):
                raise ValueError(f"sample: {record.name} has {len(array)} kept samples; got {sample}.")
        kept = array[list(samples)] if samples else array
        yield quantity, kept, {"quantity": quantity, "samples": list(samples) or list(range(len(array))), **facts}
    for quantity in MATRIX_QUANTITIES:
        for direction, matrices in getattr(record, quantity).items():
            for matrix, array in matrices.items():
                place = {"direction": direction, "matrix": matrix}
                yield f"{quantity}/{direction}/{matrix}", array, {"quantity": quantity, **place, **facts}
