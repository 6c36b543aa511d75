"""What hooks recorded on the layers of one PyTorch model, as arrays and LayerRecords."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import recurrences
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.capture.torch import recurrence as torch_recurrence
from tb_rnn_plugin.capture.torch import taps as torch_taps
from tb_rnn_plugin.capture.torch.cells import CellTap
from tb_rnn_plugin.capture.torch.fused import FusedTap
from tb_rnn_plugin.capture.torch.layers import FRAMEWORK, Array, Layer, OtherLayer, RecurrentLayer, as_array
from tb_rnn_plugin.capture.torch.outputs import OutputTap
from tb_rnn_plugin.capture.torch.taps import Clock, Sequences, Tap
from tb_rnn_plugin.quantity_names import ACTIVATION, BPTT_GRADIENT, CELL_STATE_GRADIENT, OUTPUT_GRADIENT
from tb_rnn_plugin.recurrence.half import CannotDerive
from tb_rnn_plugin.recurrence.layer import Recurrence

Gradients = Callable[[torch.Tensor], torch.Tensor | None]
Matrices = Mapping[str, Mapping[str, Array]]

_INPUTS = (torch_taps.INPUT, torch_taps.MASK, torch_taps.INITIAL_STATE, torch_taps.STATE_GRADIENT)
_OF_GRADIENTS = (
    OUTPUT_GRADIENT,
    BPTT_GRADIENT,
    CELL_STATE_GRADIENT,
    torch_taps.STATE_GRADIENT,
)
_OF_LOOPS = (ACTIVATION, OUTPUT_GRADIENT)


@dataclasses.dataclass(frozen=True, eq=False)
class Recorded:
    """One call of one layer.

    Attributes:
        layer: The layer.
        name: The record's name.
        is_first: Whether it is the layer's first call in the step, with which its weights go.
        sequences: Quantity to array; and, where they are kept, what the call was given.
        own: Of these, what this process recorded.
        has_inner_paths: Whether gradients come back through it on ways that aren't known, since the loss holds
            gradients of it.
    """

    layer: Layer
    name: str
    is_first: bool
    sequences: Mapping[str, Array]
    own: Mapping[str, Array]
    has_inner_paths: bool = False

    @property
    def inputs(self) -> dict[str, Array]:
        """What the call was given, if that is kept."""
        return {name: array for name, array in self.sequences.items() if name.startswith(_INPUTS)}

    def with_parts(self, others: Sequence[Mapping[str, Array]]) -> "Recorded":
        """The same call on a larger batch, of which other processes recorded the other parts."""
        parts = [
            {name: torch.tensor(array, device="cpu") for name, array in part.items()}
            for part in (self.sequences, *others)
        ]
        return dataclasses.replace(self, sequences=_arrays(torch_taps.joined(parts), 1.0)) if others else self

    def record(
        self,
        wants: Callable[..., bool],
        gradient_of: Gradients | None,
        factor: float,
        recurrence: Recurrence | None = None,
    ) -> record.LayerRecord | None:
        """The record; None when there is nothing to tell.

        Args:
            wants: Whether a quantity is to be recorded.
            gradient_of: The gradient of a parameter; None where it isn't known.
            factor: What weight gradients are multiplied by.
            recurrence: What the record's derived quantities are computed from, if any are wanted.
        """
        layer = self.layer
        sequences = {name: a for name, a in self.sequences.items() if not name.startswith(_INPUTS) and wants(name)}
        weights = layer.weights() if self.is_first and wants(record.WEIGHTS) else {}
        gradients: Matrices = {}
        if self.is_first and gradient_of is not None and wants(record.WEIGHT_GRADIENTS):
            gradients = layer.weight_gradients(gradient_of, factor)
        if not (sequences or weights or gradients or recurrence):
            return None
        return record.LayerRecord(
            self.name,
            cell=layer.cell,
            units=layer.units,
            directions=layer.directions,
            gates=layer.gates,
            projection=layer.projection,
            sequences=sequences,
            weights=weights,
            weight_gradients=gradients,
            framework=FRAMEWORK,
            recurrence=recurrence,
        )

    def recurrence(self, derivation: Derivation) -> Recurrence | None:
        """What can be computed of the call; None where it is of no recurrent layer, or its input isn't known.

        Raises:
            CannotDerive: If something isn't known that has to be.
        """
        traits = torch_recurrence.traits(self.layer)
        if not (traits and derivation.quantities and torch_taps.INPUT in self.own):
            return None
        # Of a cell, what came back through time was recorded, and is in no need of being computed.
        sequences = {name: self.own[name] for name in _OF_LOOPS if name in self.own}
        if BPTT_GRADIENT in self.own or self.has_inner_paths:
            sequences.pop(OUTPUT_GRADIENT, None)
        timesteps = self.sequences[ACTIVATION].shape[1]
        if timesteps != sequences[ACTIVATION].shape[1]:
            raise CannotDerive(f"another process's part of the batch is longer: {timesteps} timesteps")
        return recurrences.recurrence_of(
            traits,
            sequences=sequences,
            inputs=self.own,
            weights=self.layer.weights(),
            derivation=derivation,
        )


class Recorder:
    """The taps on all layers of one model."""

    def __init__(
        self,
        layers: Sequence[Layer],
        clock: Clock,
        *,
        keep_inputs: bool = False,
        samples_of_inputs: int | None = None,
    ) -> None:
        """Makes them; `attach` puts them on.

        Args:
            layers: The layers, in model order.
            clock: When they record.
            keep_inputs: Whether each layer's input, mask and first states are kept too.
            samples_of_inputs: Of how many samples; None: of all.
        """
        self.layers = layers
        self._samples_of_inputs = samples_of_inputs
        self.clock = clock
        self._half = False
        self._taps: dict[nn.Module, Tap] = {}
        for layer in layers:
            if layer.module not in self._taps:
                of_module = [other for other in layers if other.module is layer.module]
                self._taps[layer.module] = _tap(of_module, clock, keep_inputs=keep_inputs)

    def attach(self) -> None:
        """Puts the taps on."""
        for tap in self._taps.values():
            tap.attach()

    def detach(self) -> None:
        """Takes them off; calling it again does nothing."""
        self.arm(armed=False)
        for tap in self._taps.values():
            tap.detach()

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, and forgets what was recorded."""
        self.clock.arm(armed=armed)
        for tap in self._taps.values():
            tap.clear()

    @property
    def changed(self) -> list[str]:
        """The layers whose weights were updated since the forward pass."""
        return [layer.name for layer in self.layers if self._taps[layer.module].has_updated_weights]

    @property
    def replaced(self) -> list[str]:
        """The layers that were called with other weights than their own."""
        return [layer.name for layer in self.layers if self._taps[layer.module].has_other_weights]

    @property
    def has_failed(self) -> bool:
        """Whether some calls of this step could not be recorded, for which a reason was given."""
        return any(tap.has_failed for tap in self._taps.values())

    def forget_gradients(self) -> None:
        """Forgets what arrived until now: gradients that a loss holds, not those of the loss."""
        for tap in self._taps.values():
            tap.forget_gradients()

    @property
    def is_trained(self) -> bool:
        """Whether any weights need gradients."""
        return any(layer.is_trained for layer in self.layers)

    @property
    def computed(self) -> list[str]:
        """The layers whose weights are no parameters, but computed from some."""
        return [layer.name for layer in self.layers if not layer.has_whole_weights]

    @property
    def has_seen_half(self) -> bool:
        """Whether anything was recorded in float16, whose gradients are scaled as a rule."""
        return self._half

    def had_backward(self) -> bool:
        """Whether a backward pass was recorded, or none can be, since no layer needs a gradient."""
        calls = [call for tap in self._taps.values() for parts in tap.calls() for call in parts]
        return any(call.arrived for call in calls) or (bool(calls) and not any(call.needs_gradient for call in calls))

    def read(self, factor_of: Callable[[Layer], float]) -> list[Recorded]:
        """What was recorded, in model order.

        Args:
            factor_of: What the gradients of a layer's sequences are multiplied by.
        """
        made: list[Recorded] = []
        self._explain_refused()
        for layer in self.layers:
            tap = self._taps[layer.module]
            calls = tap.calls()
            if not calls and not tap.has_failed and not (isinstance(tap, OutputTap) and tap.refused):
                compiled = " (or torch.compile compiled it before it was tapped)" * isinstance(tap, OutputTap)
                self.clock.notices.say(
                    f"unused {layer.name}",
                    f"{layer.name!r} isn't called in the training step{compiled}, so only its weights are recorded.",
                )
            for index, parts in enumerate(calls or [[]]):
                name = f"{layer.name}/call_{index}" if index else layer.name
                read = [part.sequences(layer) for part in parts]
                self._half = self._half or any(t.dtype == torch.float16 for part in read for t in part.values())
                arrays = _arrays(self._joined(read), factor_of(layer)) if read else {}
                has_inner_paths = any(part.passes.are_differentiated for part in parts)
                made.append(Recorded(layer, name, index == 0, arrays, arrays, has_inner_paths))
                if has_inner_paths and torch_taps.INPUT in arrays and BPTT_GRADIENT not in arrays:
                    self.clock.notices.say(
                        f"inner {layer.name}",
                        f"the gradient through time of {layer.name!r} is left out: the loss holds gradients of it "
                        "(create_graph=True), and how they come back inside the layer isn't known.",
                    )
                if read and not any(part.arrived for part in parts):
                    self.clock.notices.say(
                        f"gradient {layer.name}",
                        f"no gradient reaches {layer.name!r}, so it is recorded without one: its weights and input "
                        "need none (requires_grad), or the loss doesn't depend on it.",
                    )
            if isinstance(tap, FusedTap) and len(calls) > 1:
                self._explain_single_timesteps(layer, made[-len(calls) :])
        return made

    def _explain_single_timesteps(self, layer: Layer, recorded: Sequence[Recorded]) -> None:
        if all(each.sequences[ACTIVATION].shape[1] == 1 for each in recorded if ACTIVATION in each.sequences):
            self.clock.notices.say(
                f"timesteps {layer.name}",
                f"{layer.name!r} is called for one timestep at a time, and each call is recorded as a layer of its "
                f"own, to {recorded[-1].name!r}; what comes back through time from the next call is part of its output "
                "gradient. A cell in the loop, such as torch.nn.LSTMCell, is recorded as one sequence.",
            )

    def _joined(self, parts: Sequence[Sequences]) -> Sequences:
        made = torch_taps.joined(parts)
        kept = slice(self._samples_of_inputs)
        return {name: tensor[kept] if name.startswith(_INPUTS) else tensor for name, tensor in made.items()}

    def _explain_refused(self) -> None:
        """All layers in one warning: with layers="*" there may be many."""
        taps = [self._taps[layer.module] for layer in self.layers]
        refused = [
            f"{tap.layers[0].name!r} returns {tap.refused}"
            for tap in taps
            if isinstance(tap, OutputTap) and tap.refused and not tap.calls()
        ]
        if refused:
            self.clock.notices.say(
                "refused",
                "only weights are recorded of layers whose output is no float tensor (samples, timesteps, channels) or "
                f"(samples, channels): {'; '.join(refused)}.",
            )


def _tap(layers: Sequence[Layer], clock: Clock, *, keep_inputs: bool) -> Tap:
    """The tap for the layers of one module."""
    first = layers[0]
    if isinstance(first, OtherLayer):
        return OutputTap(first, clock)
    make = CellTap if isinstance(first, RecurrentLayer) and first.index is None else FusedTap
    return make(first.module, layers, clock, keep_inputs=keep_inputs)


def _arrays(sequences: Sequences, factor: float) -> dict[str, Array]:
    return {
        name: as_array(
            tensor,
            factor if name.startswith(_OF_GRADIENTS) else 1.0,
            is_copy=name == ACTIVATION,  # the layer's own output may change
        )
        for name, tensor in sequences.items()
    }
