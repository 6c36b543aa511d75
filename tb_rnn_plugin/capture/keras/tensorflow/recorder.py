"""Taps on Keras layers that run on TensorFlow: what flows through them in a backward pass is kept."""

import contextlib
import contextvars
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import record as tapes  # there is no public way to ask what a tape watches
from tensorflow.python.saved_model import save_context  # nor whether it saves

from tb_rnn_plugin.capture.keras import layers as keras_layers
from tb_rnn_plugin.capture.keras.calls import Outputs, part
from tb_rnn_plugin.capture.keras.layers import Array, Layer, Part, RecordedLayer
from tb_rnn_plugin.capture.keras.override import Method, Override
from tb_rnn_plugin.capture.keras.recorded_layer import DIFFERENTIATED
from tb_rnn_plugin.capture.keras.tensorflow.initial_states import held_states, initial_states
from tb_rnn_plugin.capture.keras.tensorflow.replicas import current_replica
from tb_rnn_plugin.capture.keras.tensorflow.store import Passes, Store
from tb_rnn_plugin.quantity_names import ACTIVATION

Tensor: TypeAlias = Any
#: For each layer its recorded calls, each a part for each tap.
Calls: TypeAlias = list[list[tuple[Part, ...]]]

#: What a tap keeps of a layer without sequences: only that a gradient came through.
_PASSED = "passed"

#: The recorder of a pass of its own, while one is made: other taps on the same model are no part of it.
_alone: contextvars.ContextVar["Recorder | None"] = contextvars.ContextVar("_alone", default=None)


class Recorder:
    """Taps on the outputs of layers: what flows through them in a backward pass is kept."""

    def __init__(self, layers: Sequence[RecordedLayer], *, keep_inputs: bool = False) -> None:
        self._layers = layers
        self._keep_inputs = keep_inputs
        self._overrides: list[Override] = []
        self._order = itertools.count()
        self._stores: list[list[list[Store]]] = [[[] for _ in layer.tapped] for layer in layers]
        self._passes: dict[int, Passes] = {}  # by replica
        self._armed = False
        self.error: Exception | None = None

    def attach(self) -> None:
        """Puts a tap on every layer."""
        for layer, stores in zip(self._layers, self._stores, strict=True):
            for tapped, of_part in zip(layer.tapped, stores, strict=True):
                self._overrides.append(Override(tapped, "call", self._maker(layer, tapped, of_part)))

    def detach(self) -> None:
        """Takes the taps off."""
        for override in reversed(self._overrides):
            override.undo()
        self._overrides = []

    @contextlib.contextmanager
    def attached_alone(self) -> Iterator[None]:
        """Puts the taps on for a pass of their own, in which no others record."""
        self.attach()
        token = _alone.set(self)
        try:
            yield
        finally:
            _alone.reset(token)
            self.detach()

    @property
    def armed(self) -> bool:
        """Whether recording is on."""
        return self._armed

    @property
    def passes(self) -> Passes:
        """The count of the backward passes of the replica that runs now."""
        replica = current_replica()
        if replica not in self._passes:
            self._passes[replica] = Passes(replica, armed=self._armed)
        return self._passes[replica]

    @property
    def is_first_replica(self) -> bool:
        """Whether what runs now is the first of the replicas in this process."""
        return self.passes.replica == min(self._passes)

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, and forgets what was recorded."""
        if not armed and not self.armed:
            return
        self._armed = armed
        for passes in self._passes.values():
            passes.armed = armed
            passes.forget()
        for of_part in itertools.chain.from_iterable(self._stores):
            release(of_part)

    def let_go(self, layer: int, of: Store) -> None:
        """Forgets what eager calls of a layer left of a step that is over, and of those before it.

        Args:
            layer: The index of the layer.
            of: What the step left last.
        """
        for of_part in self._stores[layer]:
            of_part[:] = [
                store
                for store in of_part
                if not store.held or store.replica != of.replica or store.held_since > of.held_since
            ]

    def take(self) -> list[Calls] | None:
        """What each replica recorded, those that recorded anything; None if there was no room for all of it."""
        taken = [self._take(replica) for replica in sorted(self._passes)]
        return None if None in taken else [calls for calls in taken if calls is not None and any(calls)]

    def _take(self, replica: int) -> Calls | None:
        calls: Calls = []
        complete = True
        for of_layer in self._stores:
            of_replica = [[store for store in of_part if store.replica == replica] for of_part in of_layer]
            read = [[_read(store) for store in sorted(of, key=_order) if store.is_filled] for of in of_replica]
            parts = [[part for part in of_part if part is not None] for of_part in read]
            complete = complete and [len(of_part) for of_part in parts] == [len(of_part) for of_part in read]
            calls.append(list(zip(*parts, strict=False)))
        return calls if complete else None

    def _maker(self, recorded: RecordedLayer, layer: Layer, stores: list[Store]) -> Callable[[Method], Method]:
        def make(call: Method) -> Method:
            signature = inspect.signature(call)

            @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
            def tapped(*args: Any, **kwargs: Any) -> Any:  # a Keras layer's call
                if not self._overrides or _alone.get() not in {None, self}:
                    return call(*args, **kwargs)
                kept: dict[str, Tensor] = {}
                try:
                    if self._keep_inputs and recorded.keeps_inputs:
                        kept = inputs_of(layer, signature.bind(*args, **kwargs).arguments)
                except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not end training
                    self.error = error
                outputs = call(*args, **kwargs)
                try:
                    return self._tap(recorded, outputs, kept, stores)
                except Exception as error:  # noqa: BLE001
                    self.error = error
                    return outputs

            return tapped  # type: ignore[no-any-return]

        return make

    def _tap(self, recorded: RecordedLayer, outputs: Tensor, kept: Mapping[str, Tensor], stores: list[Store]) -> Tensor:
        """`outputs` unchanged; their gradient, on its way back, is kept with them.

        Everything is kept in the backward pass: a pass without one, as in validation, leaves what was recorded alone.
        """
        returned = Outputs.of(recorded, outputs)
        if not returned.tapped:
            return outputs
        store = Store(next(self._order), self.passes, stores)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def identity(*tensors: Tensor) -> tuple[Tensor, Method]:
            def backward(*gradients: Tensor) -> Tensor:
                try:
                    # A SavedModel holds gradients too, and can't hold variables that aren't the model's.
                    if not save_context.in_save_context():
                        store.is_differentiated |= tapes.should_record_backprop(list(tensors))
                        self._keep(store, stores, tensors[: returned.kept], gradients[: returned.kept], kept)
                except Exception as error:  # noqa: BLE001
                    self.error = error
                return gradients if len(gradients) > 1 else gradients[0]

            copies = tuple(tf.identity(tensor) for tensor in tensors)
            return (copies if len(copies) > 1 else copies[0]), backward

        copies = identity(*returned.tensors)
        return returned.replaced(copies if len(returned.tapped) > 1 else [copies])

    def _keep(
        self,
        store: Store,
        stores: list[Store],
        tensors: Sequence[Tensor],
        gradients: Sequence[Tensor],
        kept: Mapping[str, Tensor],
    ) -> None:
        """Keeps what is recorded of a call; or only that there was a gradient."""
        store.keep(part(tensors, gradients) | dict(kept) or {_PASSED: tf.constant(value=True)}, counted=True)
        if store.used and store not in stores:
            stores.append(store)


def _read(store: Store) -> dict[str, Array] | None:
    part = store.read()
    if part is not None and store.is_differentiated and ACTIVATION in part:
        part[DIFFERENTIATED] = np.ones((len(part[ACTIVATION]), 1), bool)
    return part


def _order(store: Store) -> int:
    return store.order


def release(stores: list[Store]) -> None:
    """Lets go of what is held, and of the stores that can't be filled again: those of eager calls."""
    for store in stores:
        store.release()
    stores[:] = [store for store in stores if store.used]


def inputs_of(layer: Layer, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """What a call was given: its input, mask and initial states, where there are any (zeros are not written out)."""
    # In tf_keras the initial states may come in one list with the sequences.
    sequences, *given = keras.tree.flatten(next(iter(arguments.values())))
    kept = {keras_layers.INPUT: sequences}
    mask = arguments.get("mask")
    if mask is not None:
        kept[keras_layers.MASK] = mask
    passed = arguments.get("initial_state")
    given = given or ([] if passed is None else keras.tree.flatten(passed))
    given, held = ([tf.convert_to_tensor(state) for state in states] for states in (given, held_states(layer)))
    for index, state in enumerate(initial_states(layer, given, held)):
        kept[f"{keras_layers.INITIAL_STATE}{index}"] = tf.identity(state)
    return kept
