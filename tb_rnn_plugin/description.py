"""What will be recorded of a model, before anything is: what `rnn_summary.describe` returns, and its table."""

import dataclasses
import html
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import overload

from tb_rnn_plugin.quantity_names import ACTIVATION

#: Of float32, as arrays are written unless bfloat16 is asked for.
BYTES_PER_NUMBER = 4

Shape = tuple[int, ...]

_HEADINGS = ("layer", "cell", "units", "directions", "gates", "channels", "weights", "bytes a write")
_NUMBERS = frozenset({"units", "channels", "bytes a write"})
_THOUSAND = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Penalty:
    """What a regulariser adds to the loss for a matrix w: l1 · Σ|w| + l2 · Σw².

    Attributes:
        l1: Its first factor.
        l2: Its second factor.
        value: What it adds with the weights of this moment.
    """

    l1: float = 0.0
    l2: float = 0.0
    value: float = 0.0

    def __str__(self) -> str:
        factors = [f"{name} {factor:g}" for name, factor in (("l1", self.l1), ("l2", self.l2)) if factor]
        return f"{', '.join(factors) or 'its own'} (adds {self.value:.4g} to the loss)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerDescription:
    """What will be recorded of one layer.

    Attributes:
        name: The record's name.
        kind: The class of the layer, as its framework prints it.
        cell: "lstm", "gru", "rnn", or None for any other layer.
        units: The width of one direction of a layer with a cell.
        directions: The directions it runs in.
        gates: The blocks of its weights, in their order.
        shapes: Direction to matrix name to the shape in which the matrix is recorded.
        sequences: Quantity to its number of channels, of both directions together; None where that isn't known before
            the layer is called.
        derived: The same of what is computed of it beside: gradient through time, gates, cell state, of all timesteps.
        timesteps: How many timesteps the sequences have, where that doesn't follow the input: 1 for a layer that
            returns its last output only.
        settings: What else the layer was made with, in the words of its framework: activation functions, dropout,
            initialisers, ….
        penalties: Direction to matrix name to the regulariser on it, where there is one.
        note: What else there is to know: why its sequences are left out, for example.
    """

    name: str
    kind: str = ""
    cell: str | None = None
    units: int | None = None
    directions: tuple[str, ...] = ("forward",)
    gates: tuple[str, ...] = ()
    shapes: Mapping[str, Mapping[str, Shape]] = dataclasses.field(default_factory=dict)
    sequences: Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    derived: Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    timesteps: int | None = None
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    penalties: Mapping[str, Mapping[str, Penalty]] = dataclasses.field(default_factory=dict)
    note: str = ""

    @property
    def channels(self) -> int | None:
        """How many channels its activation has; None where that isn't known before it is called."""
        return self.sequences.get(ACTIVATION)

    @property
    def weight_bytes(self) -> int:
        """The size of its weights in one write; their gradients take as much again."""
        return BYTES_PER_NUMBER * sum(math.prod(shape) for of in self.shapes.values() for shape in of.values())

    @property
    def bytes_per_timestep(self) -> int:
        """The size of one timestep of one sample in one write, of all recorded sequences whose channels are known."""
        return BYTES_PER_NUMBER * sum(channels or 0 for channels in self.sequences.values())

    def size(self, samples: int, timesteps: int) -> int:
        """The bytes of one write: of the arrays, which is nearly all of it.

        4 bytes × (samples × timesteps × channels of all sequences + 2 × weights); the statistics beside them take some
        kilobytes more.
        """
        derived = BYTES_PER_NUMBER * sum(channels or 0 for channels in self.derived.values())
        a_sample = (self.timesteps or timesteps) * self.bytes_per_timestep + timesteps * derived
        return samples * a_sample + 2 * self.weight_bytes

    @property
    def penalty(self) -> float:
        """What its regularisers add to the loss with the weights of this moment."""
        return sum(penalty.value for of in self.penalties.values() for penalty in of.values())


def not_picked(
    layers: object, picked: Collection[str], recurrent: Iterable[str], others: Iterable[str]
) -> dict[str, str]:
    """Name to reason of the layers that could be recorded, but won't be.

    Args:
        layers: What the user gave.
        picked: The names of the layers that it picks.
        recurrent: Those of all recurrent layers.
        others: Those of all other layers.
    """
    of_others = 'not recurrent; its name, or layers="*", picks it' if layers is None else "not in layers="
    reasons = dict.fromkeys(recurrent, "not in layers=") | dict.fromkeys(others, of_others)
    return {name: reason for name, reason in reasons.items() if name not in picked}


class ModelDescription(Sequence[LayerDescription]):
    """The layers that will be recorded, in model order. Printed, it is a table.

    Attributes:
        left_out: Name to reason of the layers that won't be.
        samples: Of how many samples arrays are kept.
        timesteps: How many there are.
    """

    def __init__(
        self, layers: Iterable[LayerDescription], left_out: Mapping[str, str], *, samples: int, timesteps: int
    ) -> None:
        """Takes the layers, and what the size of a write is reckoned with."""
        self._layers = tuple(layers)
        self.left_out = dict(left_out)
        self.samples = samples
        self.timesteps = timesteps

    @overload
    def __getitem__(self, index: int) -> LayerDescription: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LayerDescription, ...]: ...
    def __getitem__(self, index: int | slice) -> LayerDescription | tuple[LayerDescription, ...]:
        """One of the layers, or some."""
        return self._layers[index]

    def __len__(self) -> int:
        """How many layers will be recorded."""
        return len(self._layers)

    @property
    def size(self) -> int:
        """The bytes of one write."""
        return sum(layer.size(self.samples, self.timesteps) for layer in self)

    @property
    def penalty(self) -> float:
        """What the regularisers of these layers add to the loss with the weights of this moment."""
        return sum(layer.penalty for layer in self)

    def __repr__(self) -> str:
        """The table."""
        table = [[[heading] for heading in _HEADINGS], *(self._row(layer) for layer in self)]
        widths = [max(len(line) for row in table for line in row[column]) for column in range(len(_HEADINGS))]
        lines = []
        for row in table:
            for number in range(max(map(len, row))):
                cells = [cell[number] if number < len(cell) else "" for cell in row]
                aligned = (
                    cell.rjust(width) if heading in _NUMBERS else cell.ljust(width)
                    for heading, cell, width in zip(_HEADINGS, cells, widths, strict=True)
                )
                lines.append("  ".join(aligned).rstrip())
        return "\n".join([*lines, "", *self._notes()])

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        head = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
        rows = (
            "".join(f"<td>{'<br>'.join(map(html.escape, cell))}</td>" for cell in self._row(layer)) for layer in self
        )
        notes = "<br>".join(map(html.escape, self._notes()))
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table><p>{notes}</p>"

    def _row(self, layer: LayerDescription) -> list[list[str]]:
        """The lines of each cell of the table."""
        return [
            [layer.name],
            [layer.cell or "–"],
            ["–" if layer.units is None else str(layer.units)],
            [", ".join(layer.directions)],
            [", ".join(layer.gates) or "–"],
            ["?" if layer.channels is None else str(layer.channels)],
            _weights(layer.shapes) or ["–"],
            [_readable(layer.size(self.samples, self.timesteps))],
        ]

    def _notes(self) -> list[str]:
        notes = [f"{layer.name}: {', '.join(said)}" for layer in self if (said := _details(layer))]
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            by_reason.setdefault(reason, []).append(name)
        notes += [f"Left out: {', '.join(names)} ({reason})" for reason, names in by_reason.items()]
        if not self:
            return [*notes, "Nothing will be recorded."]
        unknown = " Where channels are not known yet (?), only weights are counted."
        return [
            *notes,
            f"A write of {self.samples} samples × {self.timesteps} timesteps: {_readable(self.size)} = 4 bytes × "
            "(samples × timesteps × channels of all sequences + 2 × weights, for weights and their gradients)."
            + unknown
            * any(layer.channels is None for layer in self),
        ]


def _weights(shapes: Mapping[str, Mapping[str, Shape]]) -> list[str]:
    """A line for each matrix; where both directions have the same ones, once."""
    matrices = list(shapes.values())
    if len(matrices) > 1 and any(of != matrices[0] for of in matrices):
        named = {f"{direction} {name}": shape for direction, of in shapes.items() for name, shape in of.items()}
    else:
        named = dict(matrices[0]) if matrices else {}
    width = max(map(len, named), default=0)
    return [f"{name.ljust(width)}  {' × '.join(map(str, shape))}" for name, shape in named.items()]


def _details(layer: LayerDescription) -> list[str]:
    both = len(layer.penalties) > 1
    penalties = [
        f"{direction + ' ' if both else ''}{matrix} penalty {penalty}"
        for direction, of in layer.penalties.items()
        for matrix, penalty in of.items()
    ]
    settings = [f"{name} {value}" for name, value in layer.settings.items()]
    return [said for said in (layer.kind, *settings, *penalties, layer.note) if said]


def _readable(size: int) -> str:
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < _THOUSAND:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _THOUSAND
    return f"{value:.1f} GB"
