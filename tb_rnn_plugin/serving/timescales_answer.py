"""The timescales route: how long each unit's keep gate keeps, against how long its gradient lasts, at one step."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from werkzeug import Request, Response

from tb_rnn_plugin import cells
from tb_rnn_plugin.diagnostics.absences import keep_gate_absence, unrecorded
from tb_rnn_plugin.diagnostics.gradient_timescale import gradient_timescale
from tb_rnn_plugin.diagnostics.memory import KEEP_GATES, timescale
from tb_rnn_plugin.quantity_names import BPTT_GRADIENT, CELL_STATE_GRADIENT, GATE
from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.rnn_data_pb2 import Layer
from tb_rnn_plugin.serving import parameters
from tb_rnn_plugin.serving.history_data import finite_or_none
from tb_rnn_plugin.serving.query import KeptStep, Listing, NotFoundError, ReadArray, RnnData, SeriesKey
from tb_rnn_plugin.serving.responses import experiment_of, json_answer

# What the keep gate multiplies on the way back in time.
_GRADIENTS = {"lstm": CELL_STATE_GRADIENT, "gru": BPTT_GRADIENT}


class _AbsentError(LookupError):
    """Why a layer that exists has no timescales."""


@dataclasses.dataclass(frozen=True)
class _Found:
    """Both quantities of a layer at a step of which the arrays of both are kept."""

    layer: Layer
    gate: SeriesKey
    gradient: SeriesKey
    at_gate: KeptStep
    at_gradient: KeptStep


def timescales_answer(data: RnnData, request: Request) -> Response:
    """What the route answers.

    Raises:
        BadRequestError: If a parameter makes no sense.
        NotFoundError: If there is none of the runs and layers.
    """
    experiment = experiment_of(request)
    asked = parameters.timescale_parameters(request)
    listing = data.listing(*experiment)
    answered: list[dict[str, Any]] = []
    missing: list[dict[str, str]] = []
    unknown: list[str] = []
    for run, name in asked.layers:
        quantities = _quantities(listing, run, name)
        if not quantities:
            unknown.append(f"there is no run {run!r} with a layer {name!r}.")
            missing.append({"run": run, "layer": name, "reason": unknown[-1]})
            continue
        try:
            answered += _of_layer(data, experiment, run, quantities, asked.step)
        except _AbsentError as error:
            missing.append({"run": run, "layer": name, "reason": str(error)})
    if len(unknown) == len(asked.layers):
        raise NotFoundError(unknown[0])
    return json_answer(request, {"timescales": answered, "missing": missing})


def _quantities(listing: Listing, run: str, name: str) -> dict[str, Layer]:
    """Quantity to what is known of the layer; empty where there is no such run or layer."""
    return {
        one.metadata.quantity: one.metadata.layer
        for listed in listing.runs
        if listed.run == run
        for one in listed.series
        if one.metadata.layer.name == name
    }


def _of_layer(
    data: RnnData, experiment: tuple[Any, str], run: str, quantities: Mapping[str, Layer], step: int | None
) -> list[dict[str, Any]]:
    found = _found(data, experiment, run, quantities, step)
    read = data.arrays(*experiment, [(found.gate, found.at_gate, None), (found.gradient, found.at_gradient, None)])
    keep, gradient = (_samples(arrays) for arrays in read)
    return timescales_impl(found.gate.run, found.layer, found.at_gate, keep, gradient)


def _found(
    data: RnnData, experiment: tuple[Any, str], run: str, quantities: Mapping[str, Layer], step: int | None
) -> _Found:
    layer = next(iter(quantities.values()))
    if layer.cell not in KEEP_GATES:
        raise _AbsentError(keep_gate_absence(layer.cell or None))
    names = GATE + KEEP_GATES[layer.cell], _GRADIENTS[layer.cell]
    for name in names:
        if name not in quantities:
            raise _AbsentError(unrecorded(name))
    gate, gradient = (SeriesKey(run, layer.name, name) for name in names)
    try:
        of_gate, of_gradient = (data.kept_steps(*experiment, series) for series in (gate, gradient))
    except NotFoundError as error:  # a loader that has read the summaries, and not yet the arrays
        raise _AbsentError(str(error)) from error
    both = sorted(of_gate.keys() & of_gradient.keys())
    if not both:
        raise _AbsentError("there is no step at which TensorBoard kept the arrays of both.")
    at = both[-1] if step is None else min(both, key=lambda kept: (abs(kept - step), kept))
    return _Found(layer, gate, gradient, of_gate[at], of_gradient[at])


def _samples(arrays: Sequence[ReadArray]) -> FloatArray:
    """(samples, timesteps, channels)."""
    there = [one.array for one in arrays if one.array is not None]
    if not there:
        raise _AbsentError(arrays[0].reason if arrays else "no sample was kept.")
    return np.stack(there)


def timescales_impl(
    run: str, layer: Layer, kept: KeptStep, keep: FloatArray, gradient: FloatArray
) -> list[dict[str, Any]]:
    """Of each direction of a layer what JSON says of its units.

    Args:
        run: The layer's run.
        layer: The layer, which has a keep gate.
        kept: The step.
        keep: The keep gate, (samples, timesteps, channels), in input time.
        gradient: What the gate multiplies on the way back, likewise.
    """
    answered = []
    directions = list(layer.directions)
    of_directions = zip(
        directions, np.split(keep, len(directions), axis=-1), np.split(gradient, len(directions), axis=-1), strict=True
    )
    for direction, gate, own in of_directions:
        in_order = own if direction == cells.FORWARD else own[:, ::-1]
        found = gradient_timescale(in_order)
        answered.append(
            {
                "run": run,
                "layer": layer.name,
                "direction": direction,
                "gate": KEEP_GATES[layer.cell],
                "quantity": _GRADIENTS[layer.cell],
                "step": kept.step,
                "wall_time": kept.wall_time,
                "samples": len(own),
                "timesteps": own.shape[1],
                "gate_timescales": [finite_or_none(value) for value in timescale(gate).tolist()],
                "gradient_timescales": [finite_or_none(value) for value in found.timesteps.tolist()],
                "fits": [finite_or_none(value) for value in found.fit.tolist()],
            }
        )
    return answered
