"""Which nets each page of docs/diagnostics shows, and in which view of the tab."""

import dataclasses
from collections.abc import Mapping

from demo.picture import Picture
from demo.sick_nets import (
    LEARNING_RATE,
    NAN_STEP,
    SICK,
    Net,
    make_units_alike,
    scale_identity,
    scale_recurrence,
    scale_weights,
    set_bias,
)

_SICK: Mapping[str, Net] = {net.name: net for net in SICK}
_WIDTH = 1200
HEALTHY_RUN = "healthy"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A picture, and what is trained for it.

    Attributes:
        page: The page of docs/diagnostics that shows it.
        picture: What it shows.
        nets: Run to net.
    """

    page: str
    picture: Picture
    nets: Mapping[str, Net]


def _without_fault(net: Net) -> Net:
    return dataclasses.replace(net, spoil=None, expected=None)


def _compared(
    page: str, caption: str, *, sick: Net, healthy: Net, name: str = "", height: int = 640, **choices: str
) -> Comparison:
    """A comparison whose picture has the name of its page, where it has none of its own."""
    nets = {HEALTHY_RUN: healthy, f"sick: {sick.name}": sick}
    return Comparison(page, Picture(name or page, caption, choices, tuple(nets), (_WIDTH, height)), nets)


_VANISHING = _SICK["recurrent weights scaled to vanish"]
_FORGETFUL = _SICK["forget bias −5"]
_FORGETFUL_GRU = Net("update bias −5", "gru", spoil=set_bias("update", -5))
_NAN = _SICK["NaN in the backward forget gate"]
_SATURATED = _SICK["saturated gates"]
_ALIKE = Net("all units alike", "rnn", spoil=make_units_alike)
#: A plain RNN of ReLUs has dead units by nature, an LSTM has none.
_DEAD = dataclasses.replace(_SICK["a quarter of the units dead"], cell="lstm", learning_rate=LEARNING_RATE)
_HEAVY = Net("weights × 20", "lstm", spoil=scale_weights(20))
_CAREFUL = Net("low learning rate", "lstm", spoil=set_bias("forget", 2), learning_rate=LEARNING_RATE / 10)
_HASTY = dataclasses.replace(_CAREFUL, name="learning rate × 400", learning_rate=400 * _CAREFUL.learning_rate)
#: Nothing grows or fades in it on its own.
_ORTHOGONAL = Net("orthogonal recurrent weights", "rnn", spoil=scale_recurrence(1), learning_rate=LEARNING_RATE / 5)
#: No further than that one map can show its gradients and a healthy net's.
_EXPLODING = Net(
    "recurrent weights × 2.1", "rnn", activation="relu", spoil=scale_recurrence(2.1), learning_rate=LEARNING_RATE / 500
)
_OVERGROWN = Net(
    "spectral radius 1.3", "rnn", activation="relu", spoil=scale_identity(1.3), learning_rate=LEARNING_RATE / 5
)

COMPARISONS: tuple[Comparison, ...] = (
    _compared(
        "bptt_gradient",
        "Heatmap of the BPTT gradient: colour at every timestep of the healthy net, at the last few of the sick one.",
        sick=_VANISHING,
        healthy=_ORTHOGONAL,
        view="heatmap",
        quantity="bptt_gradient",
        samples="0",
    ),
    _compared(
        "gradient_horizon",
        "Overview: the horizon of the healthy net comes to lie 39 timesteps back, that of the sick one stays at 1.",
        sick=dataclasses.replace(_VANISHING, learning_rate=LEARNING_RATE / 5),
        healthy=Net("GRU", "gru"),
        height=800,
        view="overview",
        quantity="bptt_gradient",
    ),
    _compared(
        "exploding",
        "Overview: the gradient of the healthy net stays small, that of the sick one grows back through time.",
        sick=_EXPLODING,
        healthy=_ORTHOGONAL,
        height=860,
        view="overview",
        quantity="bptt_gradient",
        decades="8",
    ),
    _compared(
        "gate_saturation",
        "Heatmap of the forget gate: values between its ends in the healthy net, 0 or 1 in the sick one.",
        sick=_SATURATED,
        healthy=_without_fault(_SATURATED),
        view="heatmap",
        quantity="gate/forget",
        samples="0",
        limits="typed",
        typed="0 to 1",
    ),
    _compared(
        "memory",
        "Curves of the cell state: slow in the net that keeps it, jumping with each input in the one that forgets.",
        sick=_FORGETFUL,
        healthy=Net("forget bias 3", "lstm", spoil=set_bias("forget", 3)),
        view="curves",
        quantity="cell_state",
        panels="sample",
        samples="0",
        channels="0-5",
    ),
    _compared(
        "memory",
        "Overview, a row opened: how long each unit's gate keeps its state, and how long its gradient lasts.",
        name="timescales",
        sick=_FORGETFUL_GRU,
        healthy=Net("update bias 2", "gru", spoil=set_bias("update", 2)),
        height=860,
        step="10",
        view="overview",
        quantity="bptt_gradient",
        row=f"{HEALTHY_RUN},recurrent",
    ),
    _compared(
        "nan",
        "Heatmap of the activation: no NaN in the healthy net, the backward half full of them in the sick one.",
        sick=_NAN,
        healthy=_without_fault(_NAN),
        view="heatmap",
        quantity="activation",
        samples="0",
        step=str(NAN_STEP),
    ),
    _compared(
        "representation",
        "Heatmap of the activation: every unit different in the healthy net, all the same in the sick one.",
        sick=_ALIKE,
        healthy=_without_fault(_ALIKE),
        view="heatmap",
        quantity="activation",
        samples="0",
        step="0",
    ),
    _compared(
        "spectral_radius",
        "Curves of the activation: of radius 1 the state stays small, of radius 1.3 it grows with every timestep.",
        sick=_OVERGROWN,
        healthy=dataclasses.replace(_OVERGROWN, spoil=scale_identity(1)),
        view="curves",
        quantity="activation",
        panels="sample",
        samples="0",
        channels="0-7",
        scale="symlog",
        decades="7",
        step="0",
    ),
    _compared(
        "units",
        "Heatmap of the activation: colour in every row of the healthy net, rows without any in the sick one.",
        sick=_DEAD,
        healthy=_without_fault(_DEAD),
        view="heatmap",
        quantity="activation",
        samples="0",
    ),
    _compared(
        "update_ratio",
        "Weights, update ratio over steps: between 1e-3 and 1e-2 in the healthy net, up to 1 in the sick one.",
        sick=_HASTY,
        healthy=_CAREFUL,
        height=760,
        view="weights",
        quantity="weights",
        norm="update_ratio",
    ),
    _compared(
        "weights",
        "Weights: pale matrices, within 0.5 of 0, in the healthy net, strong colours, up to 5 and −5, in the sick one.",
        sick=_HEAVY,
        healthy=_without_fault(_HEAVY),
        height=700,
        view="weights",
        quantity="weights",
    ),
)
