"""Where a NaN or an Inf came from: the first step, and within it the first place in the order of cause and effect."""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tb_rnn_plugin import cells
from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics.catalogue import MeasureKey
from tb_rnn_plugin.diagnostics.finding import Finding, View, percent
from tb_rnn_plugin.diagnostics.histories import LayerHistory, NonfiniteBlock, QuantityHistory
from tb_rnn_plugin.diagnostics.thresholds import Thresholds
from tb_rnn_plugin.quantity_names import (
    ACTIVATION,
    BPTT_GRADIENT,
    CELL_STATE,
    CELL_STATE_GRADIENT,
    INPUT_GRADIENT,
    OUTPUT_GRADIENT,
    REACH,
)
from tb_rnn_plugin.record import MATRIX_QUANTITIES, WEIGHT_GRADIENTS, WEIGHTS

# Within a training step: the weights are there before the forward pass, which goes through the gates to the activation;
# the backward pass begins where that ended.
_FORWARD = (WEIGHTS, "gate", CELL_STATE, ACTIVATION)
_BACKWARD = (
    OUTPUT_GRADIENT,
    BPTT_GRADIENT,
    CELL_STATE_GRADIENT,
    "gate_gradient",
    INPUT_GRADIENT,
    REACH,
    WEIGHT_GRADIENTS,
)
_ORDER = (*_FORWARD, "other", *_BACKWARD)
_END = sys.maxsize


_ADVICE = (
    "a lower learning rate, clipping the gradient's norm, a look at that step's batch, and at divisions, logarithms "
    "and square roots before this place."
)
_NOTHING_WRONG = "Nothing is wrong where a loss scale leaves out the steps whose gradients overflow."


class _Place(NamedTuple):
    """Compares as causes do: what comes first is the earlier one."""

    step: int
    pass_: int
    layer: int
    passed: int  # timesteps before it
    kind: int
    order: int


def nonfinite(histories: Sequence[LayerHistory], thresholds: Thresholds) -> Iterator[Finding]:
    """The first place of the run with NaN or Inf: one finding, for all else follows from it. Once over, a note."""
    found: list[tuple[_Place, LayerHistory, str, NonfiniteBlock, int]] = []
    for position, history in enumerate(histories):
        for quantity, of_quantity in history.quantities.items():
            if of_quantity.nonfinite is None:
                continue
            index, blocks = of_quantity.nonfinite
            step = int(of_quantity.steps[index])
            found.extend(
                (_place(step, position, of_quantity, block, order), history, quantity, block, index)
                for order, block in enumerate(blocks)
            )
    if not found:
        return
    place, history, quantity, block, index = min(found, key=lambda one: one[0])
    steps = history.quantities[quantity].steps
    clean_until = int(steps[index - 1]) if index else None
    lasts = {(one.layer.name, name): _last(one.quantities[name]) for _, one, name, _, _ in found}
    until = max(last.step for last in lasts.values())
    clean = min(last.clean for last in lasts.values())
    is_over = clean >= thresholds.persistence
    elsewhere = [at for at, last in lasts.items() if not last.clean and at != (history.layer.name, quantity)]
    kind = "NaN" if block.nan else "Inf"
    yield Finding(
        severity="note" if is_over else "error",
        fault="nan",
        layer=history.layer.name,
        quantity=quantity,
        direction=block.direction,
        matrix=block.matrix,
        gate=block.gate,
        timestep=_timestep(quantity, block),
        since=place.step,
        clean_until=clean_until,
        until=until,
        measure=names.NONFINITE,
        value=float(block.nan + block.inf),
        of=float(block.count),
        sentence=f"{kind} {_when(place.step, until, clean)}, first in {_where(quantity, block, history)}.",
        explanation=f"{percent((block.nan + block.inf) / block.count)} of it then"
        + (f"; step {clean_until} was clean" if clean_until is not None else "")
        + (f"; now in {len(elsewhere)} other place{'s' * (len(elsewhere) > 1)}." if elsewhere else "."),
        advice=f"{_NOTHING_WRONG} What helps otherwise: {_ADVICE}" if is_over else f"What usually helps: {_ADVICE}",
        view=_view(quantity),
    )


class _Last(NamedTuple):
    """The last step at which a quantity had NaN or Inf, and how many steps after it had none."""

    step: int
    clean: int


def _last(history: QuantityHistory) -> _Last:
    numbers = history.series[MeasureKey(names.NONFINITE, history.quantity)].values
    last = int(np.flatnonzero(numbers > 0)[-1])
    return _Last(int(history.steps[last]), numbers.size - 1 - last)


def _when(since: int, until: int, clean: int) -> str:
    if not clean:
        return f"since step {since}"
    return f"at step {since}" if since == until else f"from step {since} to step {until}"


def _place(step: int, layer: int, history: QuantityHistory, block: NonfiniteBlock, order: int) -> _Place:
    quantity = history.quantity
    kind = _kind(quantity)
    rank = _ORDER.index(kind) if kind in _ORDER else _ORDER.index("other")
    backward = kind in _BACKWARD
    # Weights are those that the step began with.
    part = 0 if quantity == WEIGHTS else 3 if quantity == WEIGHT_GRADIENTS else 2 if backward else 1
    timestep = _timestep(quantity, block)
    if timestep is None:
        passed = 0
    elif history.timesteps == 1:  # what there is at one timestep only is there at the end of the sequence
        passed = 0 if backward else _END
    else:
        passed = history.timesteps - 1 - timestep if _from_the_end(quantity, block) else timestep
    # The backward pass comes to the last layer first.
    return _Place(step, part, -layer if backward else layer, passed, rank, order)


def _kind(quantity: str) -> str:
    head, _, rest = quantity.partition("/")
    return f"{head}_gradient" if head == "gate" and rest.endswith("gradient") else head


def _from_the_end(quantity: str, block: NonfiniteBlock) -> bool:
    """Whether it is the last timestep that is come to first: by a backward direction, or by the backward pass."""
    return (block.direction == cells.BACKWARD) != (_kind(quantity) in _BACKWARD)


def _timestep(quantity: str, block: NonfiniteBlock) -> int | None:
    """The timestep with NaN or Inf that was come to first."""
    at_end = _from_the_end(quantity, block) and block.last is not None
    return block.last if at_end else block.first


def _where(quantity: str, block: NonfiniteBlock, history: LayerHistory) -> str:
    parts = [f"the {block.gate} gate" if block.gate else ""]
    if block.matrix:
        matrix = block.matrix.replace("_", " ") + " gradient" * (quantity == WEIGHT_GRADIENTS)
        parts = [f"the {matrix}", *filter(None, parts)]
    elif not block.gate:
        parts = [f"the {quantity.replace('_', ' ')}"]
    if len(history.layer.directions) > 1:
        parts.append(f"{block.direction} direction")
    timestep = _timestep(quantity, block)
    if timestep is not None:
        parts.append(f"timestep {timestep}")
    return ", ".join(parts)


def _view(quantity: str) -> View:
    return "weights" if quantity in MATRIX_QUANTITIES else "heatmap"
