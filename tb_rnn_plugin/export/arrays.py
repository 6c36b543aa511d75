"""The arrays of one step of one or more runs as an .npz, straight from the event files."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.event_reader import NoRnnDataError
from tb_rnn_plugin.log_histories import run_directories
from tb_rnn_plugin.record import MATRIX_QUANTITIES, FloatArray, LayerRecord


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
        step: The step; of a run without it, the nearest. None: the last of each run. What a restarted job overtook is
            not among them.
        samples: The samples' indices; none: all that were kept.

    Returns:
        The step of each run.

    Raises:
        ValueError: If there is no such run, layer, quantity or sample, or two arrays would have the same name.
    """
    present = run_directories(directory)
    for run in runs:
        if run not in present:
            raise ValueError(f"run: {directory} has {', '.join(present) or 'no runs'}; got {run!r}.")
    arrays: dict[str, FloatArray] = {}
    metadata: dict[str, dict[str, Any]] = {}
    steps: dict[str, int] = {}
    for run in runs or present:
        try:
            records = _at_step(present[run], layer, step)
        except NoRnnDataError:
            if runs:
                raise
            continue
        for record_step, record in records:
            chosen = record if quantity is None else record.only({quantity})
            for name, array, facts in _arrays_of(chosen, samples) if chosen is not None else ():
                key = "/".join(part for part in (run if run != "." else "", record.name, name) if part)
                if key in arrays:
                    raise ValueError(f"run, layer: two arrays would be named {key!r}; choose one of them.")
                steps[run] = record_step
                arrays[key] = array
                metadata[key] = {"run": run, "layer": record.name, "step": record_step, **facts}
    if not arrays:
        reason = f"quantity: none of the runs has {quantity!r} there" if quantity else f"{directory} holds no RNN data"
        raise ValueError(f"{reason}.")
    named: dict[str, Any] = {"metadata": np.array(json.dumps(metadata)), **arrays}
    with output.open("wb") as file:  # numpy would add ".npz" to a name that ends otherwise, as in ".NPZ"
        np.savez_compressed(file, **named)
    return steps


def _at_step(directory: Path, layer: str | None, step: int | None) -> list[tuple[int, LayerRecord]]:
    """Of each layer the record of the nearest step, the earlier of two, without what a restarted job overtook."""
    # Each record overtakes those of its step and of later ones: what is written last is always the largest step left.
    before: dict[str, tuple[int, LayerRecord]] = {}
    after: dict[str, tuple[int, LayerRecord]] = {}
    for found in rnn_summary.read(directory, layer):
        written, name = found[0], found[1].name
        if step is None or written <= step:
            before[name] = found
            after.pop(name, None)
        elif name not in after or written <= after[name][0]:
            after[name] = found
    return [
        min(
            (near[name] for near in (before, after) if name in near),
            key=lambda found: 0 if step is None else abs(found[0] - step),
        )
        for name in before | after
    ]


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
            if not 0 <= sample < len(array):
                raise ValueError(
                    f"sample: the {quantity} of {record.name} has {len(array)} kept samples; got {sample}."
                )
        kept = array[list(samples)] if samples else array
        yield quantity, kept, {"quantity": quantity, "samples": list(samples) or list(range(len(array))), **facts}
    for quantity in MATRIX_QUANTITIES:
        for direction, matrices in getattr(record, quantity).items():
            for matrix, array in matrices.items():
                place = {"direction": direction, "matrix": matrix}
                yield f"{quantity}/{direction}/{matrix}", array, {"quantity": quantity, **place, **facts}
