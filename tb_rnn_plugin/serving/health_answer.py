"""The health route: every measure of every layer along the steps, what it is judged to be, and what was found."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from werkzeug import Request, Response

from tb_rnn_plugin.diagnostics.absences import absence
from tb_rnn_plugin.diagnostics.catalogue import COLUMNS, KINDS
from tb_rnn_plugin.diagnostics.finding import Finding
from tb_rnn_plugin.diagnostics.histories import LayerHistory
from tb_rnn_plugin.diagnostics.judge import in_order, judge
from tb_rnn_plugin.diagnostics.table import Row, row, rows, worst_severity
from tb_rnn_plugin.diagnostics.thresholds import DEFAULT, Thresholds
from tb_rnn_plugin.serving import parameters
from tb_rnn_plugin.serving.history_data import HistoryData, Loss, finite_or_none
from tb_rnn_plugin.serving.query import NotFoundError
from tb_rnn_plugin.serving.responses import experiment_of, json_answer
from tb_rnn_plugin.serving.thinning import thinned

_STEPS_SHOWN = 200


@dataclasses.dataclass(frozen=True)
class RunHistory:
    """What is known of one run."""

    run: str
    layers: Sequence[LayerHistory]
    loss: Loss | None


def health_answer(data: HistoryData, request: Request) -> Response:
    """What the route answers.

    Raises:
        BadRequestError: If a parameter makes no sense.
        NotFoundError: If none of the runs has RNN data, or none of them such a layer.
    """
    experiment = experiment_of(request)
    asked = parameters.health_parameters(request)
    listed = {run.run: run for run in data.listing(*experiment).runs}
    found: dict[str, list[LayerHistory]] = {}
    missing: list[dict[str, str]] = []
    for run in asked.runs:
        if run not in listed:
            missing.append({"run": run, "reason": f"there is no run {run!r} with RNN data."})
            continue
        layers = data.layers(*experiment, listed[run], asked.layers, asked.thresholds)
        if layers:
            found[run] = layers
        else:
            missing.append({"run": run, "reason": f"run {run!r} has no such layer."})
    if not found:
        raise NotFoundError(missing[0]["reason"])
    losses = data.losses(*experiment, list(found))
    histories = [RunHistory(run, layers, losses.get(run)) for run, layers in found.items()]
    return json_answer(request, health_impl(histories, missing, asked.thresholds))


def health_impl(
    runs: Sequence[RunHistory], missing: Sequence[dict[str, str]], thresholds: Thresholds
) -> dict[str, Any]:
    """The health of runs as JSON has it."""
    findings = in_order([finding for run in runs for finding in judge(run.layers, thresholds, run.run)])
    return {
        "columns": [
            {"measure": column, "title": KINDS[column].title, "meaning": KINDS[column].meaning} for column in COLUMNS
        ],
        "kinds": [{"measure": measure, **dataclasses.asdict(kind)} for measure, kind in KINDS.items()],
        "runs": [
            {
                "run": run.run,
                "loss": _loss_json(run.loss),
                "layers": [_layer_json(layer, findings, run.run) for layer in run.layers],
            }
            for run in runs
        ],
        "findings": [_finding_json(finding) for finding in findings],
        "thresholds": [
            {
                "name": field.name,
                "value": getattr(thresholds, field.name),
                "default": getattr(DEFAULT, field.name),
                **field.metadata,
            }
            for field in dataclasses.fields(thresholds)
        ],
        "missing": list(missing),
    }


def _loss_json(loss: Loss | None) -> dict[str, Any] | None:
    if loss is None:
        return None
    return {"run": loss.run, "tag": loss.tag, "steps": loss.steps, "values": [finite_or_none(v) for v in loss.values]}


def _layer_json(history: LayerHistory, findings: Sequence[Finding], run: str) -> dict[str, Any]:
    layer = history.layer
    measures = rows(history, findings, run)
    cells = {column: place for column in COLUMNS if (place := row(column, measures)) is not None}
    finite = {one.key.measure for one in measures if np.isfinite(one.series.values).any()}
    there = finite - COLUMNS.keys() | cells.keys()
    return {
        "layer": layer.name,
        "cell": layer.cell or None,
        "units": layer.units or None,
        "directions": list(layer.directions),
        "gates": list(layer.gates),
        "quantities": list(history.quantities),
        "timesteps": max((one.timesteps for one in history.quantities.values()), default=0) or None,
        "last_step": max(int(one.steps[-1]) for one in history.quantities.values()),
        "severity": worst_severity(findings, run, layer.name),
        "cells": cells,
        "measures": [_measure_json(one) for one in measures],
        "absent": [{"measure": kind, "reason": absence(kind, history)} for kind in KINDS if kind not in there],
    }


def _measure_json(one: Row) -> dict[str, Any]:
    known = np.flatnonzero(np.isfinite(one.series.values))
    # What is measured seldom is shown where it was measured.
    places = known if 2 * known.size < one.steps.size and known.size else np.arange(one.steps.size)
    shown = places[thinned(places.size, _STEPS_SHOWN)]
    return {
        **one.key._asdict(),
        "title": one.kind.title,
        "unit": one.kind.unit,
        "steps": one.steps[shown].tolist(),
        "values": [finite_or_none(value) for value in one.series.values[shown].tolist()],
        "of": None if one.of is None else finite_or_none(one.of),
        "latest": None if one.latest is None else finite_or_none(one.latest),
        "latest_step": one.latest_step,
        "text": one.text,
        "severity": one.severity,
        "finding": one.finding,
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    content = dataclasses.asdict(finding)
    del content["view"], content["also"]
    content["value"] = finite_or_none(finding.value)
    step = finding.since if finding.fault == "nan" else finding.until
    content["link"] = {
        "view": finding.view,
        "run": finding.run,
        "layer": finding.layer,
        "quantity": finding.quantity,
        "step": step,
    }
    return content
