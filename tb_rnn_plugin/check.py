"""Prints the health of runs, and fails when something is found: for a shell, and for CI.

It reads event files and starts no TensorBoard. The exit status is 0 when nothing of the chosen severity was found, 1
when something was, 2 when the logs can't be read.
"""

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tb_rnn_plugin.diagnostics.absences import absence
from tb_rnn_plugin.diagnostics.catalogue import COLUMNS, KINDS
from tb_rnn_plugin.diagnostics.finding import SEVERITIES, Finding
from tb_rnn_plugin.diagnostics.histories import LayerHistory
from tb_rnn_plugin.diagnostics.judge import in_order, judge
from tb_rnn_plugin.diagnostics.table import row, rows, worst_severity
from tb_rnn_plugin.diagnostics.thresholds import ADJUSTABLE, DEFAULT, Thresholds
from tb_rnn_plugin.log_histories import layer_histories, run_directories

_CLEAN, _FOUND, _UNREADABLE = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of `python -m tb_rnn_plugin check`."""
    parser.add_argument("logdir", type=Path, metavar="LOGDIR", help="as TensorBoard takes it: runs below it")
    parser.add_argument("--run", action="append", dest="runs", metavar="RUN", help="only this run; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument(
        "--severity",
        choices=[*SEVERITIES, "never"],
        default="warning",
        help="fail from this severity on; never: do not fail on findings (default: %(default)s)",
    )
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"set a threshold; may be repeated. Names: {', '.join(ADJUSTABLE)}",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints, and gives the exit status."""
    try:
        thresholds = DEFAULT.adjusted(_pairs(arguments.threshold))
        histories = _histories(arguments.logdir, arguments.runs, thresholds)
    except (OSError, ValueError) as error:
        print(f"check: {error}", file=sys.stderr)  # noqa: T201
        return _UNREADABLE
    findings = in_order([finding for name, layers in histories.items() for finding in judge(layers, thresholds, name)])
    text = as_json(histories, findings) if arguments.json else as_table(histories, findings)
    print(text)  # noqa: T201
    failing = () if arguments.severity == "never" else SEVERITIES[SEVERITIES.index(arguments.severity) :]
    return _FOUND if any(finding.severity in failing for finding in findings) else _CLEAN


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--threshold: expected NAME=VALUE, got {text!r}.")
        pairs[name] = value
    return pairs


def _histories(
    log_directory: Path, wanted: Sequence[str] | None, thresholds: Thresholds
) -> dict[str, list[LayerHistory]]:
    """Run to layers, of all runs with RNN data or of those that are wanted."""
    directories = run_directories(log_directory)
    unknown = sorted(set(wanted or ()) - set(directories))
    if unknown:
        raise ValueError(f"--run: expected some of {', '.join(directories) or 'none'}; got {', '.join(unknown)}.")
    found = {}
    for name in wanted or directories:
        layers = layer_histories(directories[name], thresholds)
        if layers:
            found[name] = layers
        elif wanted:
            raise ValueError(f"--run: {name} holds no RNN data.")
    if not found:
        raise ValueError(f"LOGDIR: {log_directory} holds no RNN data.")
    return found


def as_json(histories: dict[str, list[LayerHistory]], findings: Sequence[Finding]) -> str:
    """The latest value of every measure, and the findings, for other programs."""
    layers: list[dict[str, Any]] = []
    for name, of_run in histories.items():
        for history in of_run:
            measures = [
                {
                    **one.key._asdict(),
                    "unit": one.kind.unit,
                    "step": one.latest_step,
                    "value": one.latest,
                    "of": one.of,
                    "text": one.text,
                    "severity": one.severity,
                }
                for one in rows(history, findings, name)
            ]
            severity = worst_severity(findings, name, history.layer.name)
            layers.append({"run": name, "layer": history.layer.name, "severity": severity, "measures": measures})
    content = {"layers": layers, "findings": [_finding_json(finding) for finding in findings]}
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)


def _finding_json(finding: Finding) -> dict[str, Any]:
    content = dataclasses.asdict(finding)
    del content["also"]
    return {**content, "value": finding.value if math.isfinite(finding.value) else None}


def as_table(histories: dict[str, list[LayerHistory]], findings: Sequence[Finding]) -> str:
    """The overview as text: a row for each run and layer, then the findings, worst first."""
    lines = [["run / layer", *(KINDS[column].title for column in COLUMNS)]]
    reasons: list[str] = []
    for name, layers in histories.items():
        for history in layers:
            measures = rows(history, findings, name)
            cells = []
            for column in COLUMNS:
                place = row(column, measures)
                cells.append("–" if place is None else measures[place].text + _MARKS.get(measures[place].severity, ""))
                if place is None:
                    reasons.append(f"{KINDS[column].title}: {absence(column, history)}")
            lines.append([f"{name} / {history.layer.name}", *cells])
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in lines]
    text += ["", *(f"– {reason}" for reason in dict.fromkeys(reasons)), *[""] * bool(reasons)]
    if not findings:
        text.append("Nothing found.")
    for finding in findings:
        text.append(f"{'  ' * (finding.follows is not None)}{finding.severity}: {finding}")
        text.append(f"{'  ' * (finding.follows is not None)}    {finding.explanation} {finding.advice}")
    return "\n".join(text).rstrip()


_MARKS = {"warning": " !", "error": " !!"}
