"""Taps on the layers of a Keras model, whatever its backend: what is recorded becomes records, what isn't is said."""

import functools
import warnings
from collections.abc import Collection, Sequence
from typing import Any, Protocol, TypeAlias

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import taps
from tb_rnn_plugin.capture.keras.layers import Array, RecordedLayer
from tb_rnn_plugin.capture.keras.recompiling import on_compile
from tb_rnn_plugin.capture.keras.recorded_pass import Recording
from tb_rnn_plugin.capture.keras.recurrence import Recurrences
from tb_rnn_plugin.capture.keras.shared_layers import Claim
from tb_rnn_plugin.capture.recurrences import Derivation

Model: TypeAlias = Any
Optimizer: TypeAlias = Any


class Recorder(Protocol):
    """What the taps ask of the recorder of their backend."""

    #: Why nothing may have been recorded.
    nothing: str

    def attach(self) -> None:
        """Puts a tap on every layer, and on the optimizer if there is one."""

    def detach(self) -> None:
        """Takes them off."""

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, beginning with the next forward pass, and forgets what was recorded."""

    def take(self) -> Recording:
        """What was recorded since it was armed."""


class MakeRecorder(Protocol):
    """Makes a backend's recorder."""

    def __call__(self, *, optimizer: Optimizer | None, matrices: bool, keep_inputs: bool) -> Recorder:
        """Makes one.

        Args:
            optimizer: What is given the weight gradients; None where it isn't known, or isn't one of Keras.
            matrices: Whether weights and their gradients are recorded.
            keep_inputs: Whether what the calls are given is.
        """


class KerasTaps(taps.Taps):
    """Taps on the layers of a Keras model, in the user's own training step."""

    def __init__(
        self,
        model: Model,
        layers: Sequence[RecordedLayer],
        make_recorder: MakeRecorder,
        *,
        every: int,
        samples: int | None,
        optimizer: Optimizer | None = None,
        quantities: Collection[str] | None = None,
        keep_inputs: bool = False,
        bptt: bool = True,
    ) -> None:
        """Attaches the taps; the first pass is recorded.

        Args:
            model: The Keras model.
            layers: Its layers to be recorded.
            make_recorder: Makes what records them.
            every: How often is written.
            samples: Of how many samples the arrays are kept.
            optimizer: What is given the weight gradients. Where it is the model's own, and the model is compiled anew,
                it is that of then.
            quantities: What is recorded; None: everything.
            keep_inputs: Whether each layer's input, initial state and mask are kept too, in `inputs`.
            bptt: Whether what follows from the recurrence is computed.
        """
        super().__init__(every=every, samples=samples, quantities=quantities, bptt=bptt)
        #: What the recorded calls were given, by record name, if `keep_inputs`.
        self.inputs: dict[str, dict[str, Array]] = {}
        self._model = model
        self._layers = layers
        self._keep_inputs = keep_inputs
        self._recurrences = Recurrences(layers, Derivation(quantities=self.derived, samples=samples))
        derives = self._recurrences.wanted  # which takes weights and inputs
        self._make_recorder = functools.partial(
            make_recorder,
            matrices=derives or self.wants(*record.MATRIX_QUANTITIES),
            keep_inputs=keep_inputs or derives,
        )
        self._recorder = self._make_recorder(optimizer=optimizer)
        self._train_function = getattr(model, "train_function", None)
        self._armed = False
        self._attached = True
        self._said: set[str] = set()
        self._claim = Claim(model, layers)  # which may warn, and so raise: nothing is on the model yet
        self._recorder.attach()
        self._compile = on_compile(model, optimizer, self._train_with)
        self.arm(armed=True)

    @property
    def armed(self) -> bool:
        """Whether the next pass is recorded."""
        return self._armed

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, beginning with the next forward pass."""
        if self._attached and (armed or self._armed):
            self._armed = armed
            self._recorder.arm(armed=armed)

    def take(self) -> list[record.LayerRecord]:
        """The records of what was recorded since the last call, in model order; empty when no backward pass was."""
        if not self._attached:
            return []
        try:
            return self._take()
        except Exception as error:  # noqa: BLE001  # training is worth more than its log
            self._say(f"a step could not be recorded: {error!r}")
            return []

    def _take(self) -> list[record.LayerRecord]:
        recording = self._recorder.take()
        for notice in recording.notices:
            self._say(notice)
        if not any(recording.calls):
            if self._armed and not recording.notices:
                self._say(f"nothing was recorded: no backward pass went through the layers. {self._recorder.nothing}")
            return []
        self._say_missing(recording.calls)
        recorded = recording.unscaled()
        inputs = recorded.inputs(self._layers) if self._keep_inputs or self._recurrences.wanted else {}
        self.inputs = inputs if self._keep_inputs else {}
        self.arm(armed=self._armed)  # what was taken is gone
        return self._recurrences.added(recorded.records(self._layers), inputs)

    def detach(self) -> None:
        """Takes the taps off; the model is as it was before."""
        if not self._attached:
            return
        self.arm(armed=False)
        self._attached = False
        self._recorder.detach()
        self._claim.release()
        if self._compile is not None:
            self._compile.undo()
        self._uncover_train_function()

    def _train_with(self, optimizer: Optimizer) -> None:
        """Begins anew with the taps of another optimizer."""
        armed = self._armed
        self.arm(armed=False)
        self._recorder.detach()
        self._recorder = self._make_recorder(optimizer=optimizer)
        self._recorder.attach()
        self.arm(armed=armed)

    def _uncover_train_function(self) -> None:
        """Puts back the model's train_function, if it is covered by what takes the taps off when it raises.

        The very same one: a new one would be compiled anew.
        """
        function = getattr(self._model, "train_function", None)
        while function is not None and function is not self._train_function:
            function = getattr(function, "__wrapped__", None)
        if function is not None:
            self._model.train_function = function

    def _say_missing(self, calls: Sequence[Sequence[object]]) -> None:
        # Of a layer without weights there is nothing to miss: many, as a dropout of 0, are never called.
        missing = [one for one, calls_ in zip(self._layers, calls, strict=True) if not calls_ and one.variables]
        if not missing:
            return
        fused = any(len(layer.tapped) > 1 for layer in missing)
        self._say(
            f"no gradient reached {', '.join(repr(layer.name) for layer in missing)}: of a layer that is frozen (with "
            "only frozen ones below it), or isn't used, only the weights are written"
            + (
                ". On a GPU, a Bidirectional that merges its directions may compute both at once, where they can't be "
                "told apart: pass use_cudnn=False to the layer in it"
                if fused
                else ""
            )
        )

    def _say(self, what: str) -> None:
        """Says it, once."""
        if what not in self._said:
            self._said.add(what)
            warnings.warn(f"rnn_summary: {what}.", stacklevel=3)
