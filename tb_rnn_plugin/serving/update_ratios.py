"""How fast each matrix moves, step by step, as JSON has it."""

from collections.abc import Sequence
from typing import Any

from tb_rnn_plugin.diagnostics.catalogue import UPDATE_RATIO
from tb_rnn_plugin.diagnostics.histories import update_ratio_of_a_step
from tb_rnn_plugin.serving.history_data import finite_or_none
from tb_rnn_plugin.serving.query import SummaryStep


def update_ratios(summaries: Sequence[SummaryStep]) -> list[dict[str, Any]]:
    """The update ratio of every matrix, a list along the summaries; None where it was not measured.

    Args:
        summaries: The steps.
    """
    steps = [
        {
            (measure.direction, measure.matrix): update_ratio_of_a_step(measure)
            for measure in step.summary.measures
            if measure.name == UPDATE_RATIO
        }
        for step in summaries
    ]
    return [
        {
            "direction": direction,
            "matrix": matrix,
            UPDATE_RATIO: [
                finite_or_none(step[direction, matrix]) if (direction, matrix) in step else None for step in steps
            ],
        }
        for direction, matrix in dict.fromkeys(place for step in steps for place in step)
    ]
