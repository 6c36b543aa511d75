"""Taps on tf_keras models in TensorFlow 1's graph mode: what is fetched beside the losses of a training step."""

import functools
import warnings
import weakref
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import taps
from tb_rnn_plugin.capture.keras.layers import Array, RecordedLayer
from tb_rnn_plugin.capture.keras.override import Method, Override
from tb_rnn_plugin.capture.keras.recurrence import Recurrences
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.capture.tf_keras.graph import Gradients, Tensor, loss_scale, weights_of
from tb_rnn_plugin.capture.tf_keras.graph_calls import given_to, outputs_of, trained

Model: TypeAlias = Any
Function: TypeAlias = Any

# Where a Keras function keeps what it made of its fetches: to make it again takes longer than many a training step.
_MADE = ("_callable_fn", "_feed_arrays", "_feed_symbols", "_symbol_vals", "_fetches", "_session")

# The gradients that were added for a model: for taps that come off and on, they are used again.
_added: "weakref.WeakKeyDictionary[Model, dict[object, Gradients]]" = weakref.WeakKeyDictionary()


class GraphTaps(taps.Taps):
    """Taps on the training step of `fit` and `train_on_batch`.

    The steps that are recorded compute the gradients twice, once for Keras and once for the record: from the same
    forward pass, with the same dropout.
    """

    def __init__(
        self,
        model: Model,
        layers: Sequence[RecordedLayer],
        *,
        every: int,
        samples: int | None,
        quantities: Collection[str] | None = None,
        bptt: bool = True,
    ) -> None:
        """Attaches the taps; the first step is recorded.

        Raises:
            ValueError: If the model isn't compiled.
        """
        super().__init__(every=every, samples=samples, quantities=quantities, bptt=bptt)
        if getattr(model, "optimizer", None) is None:
            raise ValueError("model: it isn't compiled, so in graph mode it has no training step; compile it first.")
        self.armed = False
        self._model = model
        self._layers = layers
        self._recurrences = Recurrences(layers, Derivation(quantities=self.derived, samples=samples))
        self._error: Exception | None = None
        self._said: set[str] = set()
        self._fetched: _Fetched | None = None
        self._weights: list[dict[tuple[str, str], Array]] = [{} for _ in layers]
        # train_on_batch and fit call it before they train: it makes the function anew when the loss has changed.
        self._override: Override | None = Override(model, "_make_train_function", self._maker)
        if getattr(model, "train_function", None) is not None:
            self._follow()
        self.arm(armed=True)

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, beginning with the next step."""
        if self._override is None:
            return
        self.armed = armed
        if self._fetched is not None:
            self._fetched.arm(armed=armed)
        self._read_weights()

    def take(self) -> list[record.LayerRecord]:
        """The records of what was fetched since the last call, in model order."""
        if self._override is None:
            return []
        if self._error is not None:
            self._say(f"nothing can be recorded: {self._error!r}")
            return []
        values = None if self._fetched is None else self._fetched.take()
        if self._fetched is None or values is None:
            if self.armed:
                self._say(
                    "nothing was recorded: in graph mode taps see what model.fit and model.train_on_batch run. In a "
                    "session loop of your own, write rnn_summary.capture(model, x, y) of a fixed batch"
                )
            return []
        self._say_missing(self._fetched.gradients)
        try:
            return self._fetched.gradients.records(values, self._weights, self._recurrences)
        except Exception as error:  # noqa: BLE001  # training is worth more than its log
            self._say(f"a step could not be recorded: {error!r}")
            return []

    def detach(self) -> None:
        """Takes the taps off; what was added to the graph stays there."""
        if self._override is None:
            return
        self.arm(armed=False)
        self._override.undo()
        self._override = None
        if self._fetched is not None:
            self._fetched.detach()

    def _maker(self, make_train_function: Method) -> Method:
        def followed() -> None:
            make_train_function()
            self._follow()
            self._read_weights()

        return followed

    def _follow(self) -> None:
        """Sees to it that the present training function is the one that is tapped."""
        function = self._model.train_function
        if self._error is not None or (self._fetched is not None and self._fetched.function is function):
            return
        try:
            if self._fetched is not None:
                self._fetched.detach()
            self._fetched = _Fetched(function, self._gradients(function.outputs[0]))
            self._fetched.arm(armed=self.armed)
        except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not end training
            self._error = error

    def _gradients(self, loss: Tensor) -> Gradients:
        of_weights = self.wants(record.WEIGHT_GRADIENTS)
        derives = self._recurrences.wanted
        key = (loss.name, of_weights, derives, self.samples, *(layer.name for layer in self._layers))
        added = _added.setdefault(self._model, {})
        if key not in added:
            # Keras takes gradients through the loops above these, and through no others.
            by_id = {id(v): v for v in self._model._collected_trainable_weights}  # noqa: SLF001
            variables = [
                {key: v for key, v in layer.variables.items() if of_weights and id(v) in by_id}
                for layer in self._layers
            ]
            with loss.graph.as_default():
                scale = loss_scale(self._model)
                given = given_to(self._layers, derives=derives)
            outputs = trained(outputs_of(self._layers), list(by_id.values()))
            added[key] = Gradients(self._layers, outputs, given, variables, loss, scale, samples=self.samples)
        return added[key]

    def _read_weights(self) -> None:
        """Reads them before the step, which changes them."""
        wanted = self._recurrences.wanted or self.wants(record.WEIGHTS)
        if self.armed and self._fetched is not None and wanted:
            self._weights = weights_of(self._model, self._layers)

    def _say_missing(self, gradients: Gradients) -> None:
        missing = [
            layer.name
            for layer, of_layer, reached in zip(self._layers, outputs_of(self._layers), gradients.reached, strict=True)
            # None are kept of a cell below others: it has no output of its own.
            if not reached and all(not of_part or any(of_part) for of_part in of_layer)
        ]
        if missing:
            self._say(
                f"no gradient reached {', '.join(map(repr, missing))}: of a layer that is frozen (with only frozen "
                "ones below it), isn't used, or is in a subclassed model, only the weights are written"
            )

    def _say(self, what: str) -> None:
        """Says it, once."""
        if what not in self._said:
            self._said.add(what)
            warnings.warn(f"rnn_summary: {what}.", stacklevel=3)


class _Fetched:
    """Tensors fetched by a Keras function beside its own."""

    def __init__(self, function: Function, gradients: Gradients) -> None:
        self.function = function
        self.gradients = gradients
        self._armed = False
        self._values: dict[int, Array] = {}
        self._tensors = {id(tensor): tensor for tensor in gradients.tensors}
        self._other: dict[str, Any] = {}  # what the function has made of its fetches with these, or without
        for key, tensor in self._tensors.items():
            function.fetch_callbacks[tensor] = functools.partial(self._values.__setitem__, key)

    def arm(self, *, armed: bool) -> None:
        """Fetches them from the next call on, or no longer; forgets what was fetched."""
        self._values.clear()
        if armed == self._armed:
            return
        self._armed = armed
        here = {name: getattr(self.function, name) for name in _MADE if hasattr(self.function, name)}
        for name, made in self._other.items():
            setattr(self.function, name, made)
        self._other = here
        others = [fetch for fetch in self.function.fetches if id(fetch) not in self._tensors]
        self.function.fetches = [*others, *self._tensors.values()] if armed else others

    def take(self) -> list[Array] | None:
        """What was fetched since the last `arm`, in the order of the gradients' tensors; None if nothing was."""
        if not self._values:
            return None
        return [self._values[id(tensor)] for tensor in self.gradients.tensors]

    def detach(self) -> None:
        """Leaves the function as it was."""
        self.arm(armed=False)
        for tensor in self._tensors.values():
            self.function.fetch_callbacks.pop(tensor, None)
