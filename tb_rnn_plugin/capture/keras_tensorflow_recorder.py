"""What flows through Keras layers in a backward pass of TensorFlow, kept: eagerly, in graphs, and under XLA."""

import contextlib
import contextvars
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tb_rnn_plugin.capture import keras_layers
from tb_rnn_plugin.capture.keras_layers import Array, Layer, Part, RecurrentLayer
from tb_rnn_plugin.capture.keras_override import Method, Override

Tensor: TypeAlias = Any

#: Under XLA, the batch size for which there is room from the beginning: Keras's own default. A larger one is recorded
#: from the second time on.
_XLA_BATCH = 32

#: The recorder of a pass of its own, while one is made: other taps on the same model are no part of it.
_alone: contextvars.ContextVar["Recorder | None"] = contextvars.ContextVar("_alone", default=None)


class Store:
    """Tensors kept from within a pass, and read after it.

    Eagerly they are simply held. In a graph they go into variables, in a tf.cond under a flag, so that a step that
    isn't recorded copies nothing.
    """

    def __init__(self, order: int, flag: tf.Variable, others: Sequence["Store"]) -> None:
        """Keeps nothing yet.

        Args:
            order: When it was made, among `others`.
            flag: Whether recording is on.
            others: Stores of the same tensors in other traces: what these hold says how much room may be needed.
        """
        self.order = order
        self._flag = flag
        self._others = others
        self._held: dict[str, Tensor] = {}
        self._variables: dict[str, tf.Variable] = {}
        self._extents: dict[str, tf.Variable] = {}  # true shapes of what was cut or padded for XLA
        self._filled: tf.Variable | None = None

    def keep(
        self, tensors: Mapping[str, Tensor], *, when: Tensor | None = None, mark: tf.Variable | None = None
    ) -> None:
        """Keeps `tensors` if recording is on (and `when`), and sets `mark` then.

        A variable of a model is read only then, too.
        """
        if tf.executing_eagerly():
            if bool(self._flag) and (when is None or bool(when)):
                self._held = {name: tf.identity(tensor) for name, tensor in tensors.items()}
                if mark is not None:
                    mark.assign(True)
            return
        if self._filled is None:
            self._filled = self._make_variables(tensors)
        filled = self._filled

        def assign() -> Tensor:
            for name, tensor in tensors.items():
                self._assign(name, tf.convert_to_tensor(tensor))
            filled.assign(True)
            if mark is not None:
                mark.assign(True)
            return tf.constant(0)

        condition = self._flag.read_value()
        if when is not None:
            condition = tf.logical_and(condition, when)
        tf.cond(condition, assign, lambda: tf.constant(0))

    def _make_variables(self, tensors: Mapping[str, Tensor]) -> tf.Variable:
        """Makes a variable for each tensor; returns the one that says whether they hold something."""
        # Not tf.Variable: a tf.function lets it be made in a first trace only, and then traces once more.
        variable = type(self._flag)
        padded = _in_xla()
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        with tf.init_scope():
            for name, tensor in tensors.items():
                shape = shapes[name]
                size = self._room(name, shape) if padded else [0] * shape.rank
                self._variables[name] = variable(
                    tf.zeros(size, tensor.dtype), shape=tf.TensorShape(None), trainable=False, name="rnn_summary"
                )
                if padded and not shape.is_fully_defined():
                    self._extents[name] = variable(tf.zeros([shape.rank], tf.int64), trainable=False)
            return variable(False, trainable=False, name="rnn_summary_filled")

    def _room(self, name: str, shape: tf.TensorShape) -> list[int]:
        """The size of a variable under XLA; a dimension that isn't known in this trace is as large as in the others."""
        known = [store._variables[name].read_value().shape for store in self._others if name in store._variables]  # noqa: SLF001
        sizes = [s.as_list() for s in known if s.rank == shape.rank]
        guess = [_XLA_BATCH] + [0] * shape.rank
        return [d if d is not None else max([guess[axis], *(s[axis] for s in sizes)]) for axis, d in enumerate(shape)]

    def _assign(self, name: str, tensor: Tensor) -> None:
        variable = self._variables[name]
        extent = self._extents.get(name)
        if extent is not None:
            # XLA compiles for one shape of a variable, and does not let it change: what is assigned takes the shape
            # that the variable has already. `read` gives it its true shape again, or makes the variable larger.
            extent.assign(tf.shape(tensor, tf.int64))
            capacity = tf.shape(variable.read_value())
            tensor = tf.slice(tensor, tf.zeros_like(capacity), tf.minimum(tf.shape(tensor), capacity))
            missing = capacity - tf.shape(tensor)
            tensor = tf.pad(tensor, tf.stack([tf.zeros_like(missing), missing], axis=1))
        variable.assign(tensor)

    def clear(self) -> None:
        """Forgets what was kept."""
        self._held = {}
        if self._filled is not None:
            self._filled.assign(False)

    @property
    def used(self) -> bool:
        """Whether anything is kept now, or variables are there for it."""
        return bool(self._held) or self._filled is not None

    def filled(self) -> bool:
        """Whether anything was kept since the last `clear`."""
        return bool(self._held) or (self._filled is not None and bool(self._filled))

    def read(self) -> dict[str, Array] | None:
        """What was kept; None when it was larger than there was room for, which is made now, for the next time."""
        if self._held:
            return {name: to_numpy(tensor) for name, tensor in self._held.items()}
        arrays: dict[str, Array] = {}
        fits = True
        for name, variable in self._variables.items():
            value = variable.read_value()
            extent = self._extents.get(name)
            if extent is not None:
                shape = extent.numpy()
                if (shape > np.array(value.shape)).any():
                    variable.assign(tf.zeros(np.maximum(shape, value.shape), value.dtype))
                    fits = False
                    continue
                value = value[tuple(slice(size) for size in shape)]
            arrays[name] = to_numpy(value)
        return arrays if fits else None


class Recorder:
    """Taps on the outputs of layers: what flows through them in a backward pass is kept."""

    def __init__(self, layers: Sequence[RecurrentLayer], *, keep_inputs: bool = False) -> None:
        self._layers = layers
        self._keep_inputs = keep_inputs
        self._overrides: list[Override] = []
        self._order = itertools.count()
        self._stores: list[list[list[Store]]] = [[[] for _ in layer.tapped] for layer in layers]
        with tf.init_scope():
            self.flag = tf.Variable(False, trainable=False, name="rnn_summary_flag")
            self.passed = tf.Variable(False, trainable=False, name="rnn_summary_passed")  # a backward pass was recorded
        self.armed = False
        self.error: Exception | None = None

    def attach(self) -> None:
        """Puts a tap on every layer."""
        for layer, stores in zip(self._layers, self._stores, strict=True):
            for tapped, of_part in zip(layer.tapped, stores, strict=True):
                self._overrides.append(Override(tapped, "call", self._maker(tapped, of_part)))

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

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, and forgets what was recorded."""
        if not armed and not self.armed:
            return
        for of_part in itertools.chain.from_iterable(self._stores):
            clear(of_part)
        if armed:
            self.passed.assign(False)
        if armed != self.armed:
            self.flag.assign(armed)
        self.armed = armed

    def take(self) -> list[list[tuple[Part, ...]]] | None:
        """For each layer its recorded calls, each a part for each tap; None if there was no room for all of it."""
        calls: list[list[tuple[Part, ...]]] = []
        complete = True
        for of_layer in self._stores:
            read = [[store.read() for store in sorted(of_part, key=_order) if store.filled()] for of_part in of_layer]
            parts = [[part for part in of_part if part is not None] for of_part in read]
            complete = complete and [len(of_part) for of_part in parts] == [len(of_part) for of_part in read]
            calls.append(list(zip(*parts, strict=False)))
        return calls if complete else None

    def _maker(self, layer: Layer, stores: list[Store]) -> Callable[[Method], Method]:
        def make(call: Method) -> Method:
            signature = inspect.signature(call)

            @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
            def tapped(*args: Any, **kwargs: Any) -> Any:  # a Keras layer's call
                if not self._overrides or _alone.get() not in {None, self}:
                    return call(*args, **kwargs)
                kept: dict[str, Tensor] = {}
                try:
                    if self._keep_inputs:
                        kept = _inputs(layer, signature.bind(*args, **kwargs).arguments)
                except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not end training
                    self.error = error
                outputs = call(*args, **kwargs)
                try:
                    return self._tap(outputs, kept, stores)
                except Exception as error:  # noqa: BLE001
                    self.error = error
                    return outputs

            return tapped  # type: ignore[no-any-return]

        return make

    def _tap(self, outputs: Tensor, kept: Mapping[str, Tensor], stores: list[Store]) -> Tensor:
        """`outputs` unchanged; their gradient, on its way back, is kept with them.

        Everything is kept in the backward pass: a pass without one, as in validation, leaves what was recorded alone.
        """
        store = Store(next(self._order), self.flag, stores)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def identity(*tensors: Tensor) -> tuple[Tensor, Method]:
            def backward(*gradients: Tensor) -> Tensor:
                try:
                    self._keep(store, stores, tensors, gradients, kept)
                except Exception as error:  # noqa: BLE001
                    self.error = error
                return gradients if len(gradients) > 1 else gradients[0]

            copies = tuple(tf.identity(tensor) for tensor in tensors)
            return (copies if len(copies) > 1 else copies[0]), backward

        if isinstance(outputs, tuple | list):
            return type(outputs)(identity(*outputs))
        return identity(outputs)

    def _keep(
        self,
        store: Store,
        stores: list[Store],
        tensors: Sequence[Tensor],
        gradients: Sequence[Tensor],
        kept: Mapping[str, Tensor],
    ) -> None:
        states = {f"{keras_layers.STATE_GRADIENT}{index}": gradient for index, gradient in enumerate(gradients[1:])}
        store.keep(
            {keras_layers.ACTIVATION: tensors[0], keras_layers.OUTPUT_GRADIENT: gradients[0], **states, **kept},
            mark=self.passed,
        )
        if store.used and store not in stores:
            stores.append(store)


def _order(store: Store) -> int:
    return store.order


def clear(stores: list[Store]) -> None:
    """Forgets what was kept, and the stores that can't be filled again: those of eager calls."""
    for store in stores:
        store.clear()
    stores[:] = [store for store in stores if store.used]


def _inputs(layer: Layer, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """What a call was given: its input, mask and initial states, where there are any (zeros are not written out)."""
    kept = {keras_layers.INPUT: arguments["sequences"]}
    mask = arguments.get("mask")
    if mask is not None:
        kept[keras_layers.MASK] = mask
    states = arguments.get("initial_state")
    if states is None:  # a stateful layer goes on from the last batch
        halves = [layer.forward_layer, layer.backward_layer] if hasattr(layer, "forward_layer") else [layer]
        states = [half.states for half in halves if getattr(half, "stateful", False) and half.states is not None]
    for index, state in enumerate(keras.tree.flatten(states)):
        kept[f"{keras_layers.INITIAL_STATE}{index}"] = tf.identity(getattr(state, "value", state))
    return kept


def _in_xla() -> bool:
    """Whether what is traced now will be compiled by XLA."""
    try:
        from tensorflow.python.ops import control_flow_util  # noqa: PLC0415  # TensorFlow has no public way to ask
    except ImportError:
        return True  # what is done for XLA is right without it too, only slower
    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def to_numpy(tensor: Tensor) -> Array:
    """As numpy array, numbers as float32: a view of the tensor where it lies in this machine's memory.

    A tensor does not change: what is assigned to the variable it was read from later goes into memory of its own.
    """
    tensor = tf.convert_to_tensor(tensor)
    return np.asarray(tensor if tensor.dtype == tf.bool else tf.cast(tensor, tf.float32))
