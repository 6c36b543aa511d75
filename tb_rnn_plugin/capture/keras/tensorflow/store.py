"""Tensors of TensorFlow kept from within a pass, and read after it: eagerly, in graphs, and under XLA."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from tensorflow.python.ops.resource_variable_ops import ResourceVariable

from tb_rnn_plugin.capture.keras.layers import Array

Tensor: TypeAlias = Any

#: Under XLA, the batch size for which there is room from the beginning: Keras's own default. A larger one is recorded
#: from the second time on.
_XLA_BATCH = 32

# Not tf.Variable: a tf.function lets it be made in a first trace only, and then traces once more; and in the scope of a
# tf.distribute.Strategy it is one for all replicas.
_Variable = ResourceVariable


class Passes:
    """Counts backward passes through taps, so that it can be told what was kept since recording began."""

    def __init__(self, replica: int = 0, *, armed: bool = False) -> None:
        """Counts from none.

        Args:
            replica: Whose passes are counted, where tf.distribute has several.
            armed: Whether eager passes are kept. Those in graphs always are: it costs nothing there.
        """
        with tf.init_scope():
            self.count = _Variable(tf.zeros([], tf.int64), trainable=False, name="rnn_summary_passes")
        self.replica = replica
        self.armed = armed
        self._seen = 0

    def forget(self) -> None:
        """From now on, only what comes is new."""
        self._seen = int(current(self.count))

    def is_new(self, when: Tensor) -> bool:
        """Whether a backward pass came through the taps between the last `forget` and this count of them."""
        return int(when) > self._seen


class Store:
    """Tensors kept from within a pass, and read after it.

    Eagerly they are held while recording is on. In a graph they are assigned to variables, always: a variable shares
    the memory of what it is assigned, while asking first (in a tf.cond) whether to do so makes a training step on CPU
    up to a tenth slower, whatever the answer.
    """

    def __init__(self, order: int, passes: Passes, others: Sequence["Store"]) -> None:
        """Keeps nothing yet.

        Args:
            order: When it was made, among `others`.
            passes: The count of backward passes, by which is told what is new.
            others: Stores of the same tensors in other traces: what these hold says how much room may be needed.
        """
        self.order = order
        self._passes = passes
        self._others = others
        self._held: dict[str, Tensor] = {}
        self._variables: dict[str, tf.Variable] = {}
        self._extents: dict[str, tf.Variable] = {}  # true shapes of what was cut or padded for XLA
        #: Whether the loss holds gradients that came back here.
        self.is_differentiated = False
        self._when: Any = None  # a variable, or a tensor: the count of passes when this was kept

    def keep(self, tensors: Mapping[str, Tensor], *, counted: bool) -> None:
        """Keeps `tensors`.

        Args:
            tensors: By name; a variable is read now.
            counted: Whether this is a backward pass through a tap; if not, it is new only after one.
        """
        if tf.executing_eagerly():
            if self._passes.armed:
                self._held = {name: tf.identity(tensor) for name, tensor in tensors.items()}
                self._when = self._counted() if counted else current(self._passes.count)
            return
        if not self._variables:
            self._when = self._make_variables(tensors)
        for name, tensor in tensors.items():
            self._assign(name, tf.convert_to_tensor(tensor))
        self._when.assign(self._counted() if counted else self._passes.count.read_value())

    def _counted(self) -> Tensor:
        return tf.identity(self._passes.count.assign_add(1))

    def _make_variables(self, tensors: Mapping[str, Tensor]) -> tf.Variable:
        """Makes a variable for each tensor; returns the one that says when they were assigned."""
        padded = _in_xla()
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        with tf.init_scope():
            for name, tensor in tensors.items():
                shape = shapes[name]
                size = self._room(name, shape) if padded else [0] * shape.rank
                self._variables[name] = _Variable(
                    tf.zeros(size, tensor.dtype), shape=tf.TensorShape(None), trainable=False, name="rnn_summary"
                )
                if padded and not shape.is_fully_defined():
                    self._extents[name] = _Variable(tf.zeros([shape.rank], tf.int64), trainable=False)
            return _Variable(tf.zeros([], tf.int64), trainable=False, name="rnn_summary_when")

    def _room(self, name: str, shape: tf.TensorShape) -> list[int]:
        """The size of a variable under XLA; a dimension that isn't known in this trace is as large as in the others."""
        known = [current(store._variables[name]).shape for store in self._others if name in store._variables]  # noqa: SLF001
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

    def release(self) -> None:
        """Lets go of what is held from an eager pass."""
        self._held = {}

    @property
    def held(self) -> frozenset[str]:
        """The names of what is held from an eager pass."""
        return frozenset(self._held)

    @property
    def held_since(self) -> int:
        """How many passes had been made when that was kept; 0 where nothing is held."""
        return int(self._when) if self._held else 0

    @property
    def replica(self) -> int:
        """Whose tensors these are."""
        return self._passes.replica

    @property
    def used(self) -> bool:
        """Whether anything is kept now, or variables are there for it."""
        return bool(self._held or self._variables)

    @property
    def is_filled(self) -> bool:
        """Whether anything was kept since recording began."""
        if self._variables:
            return self._passes.is_new(current(self._when))
        return bool(self._held) and self._passes.is_new(self._when)

    def read(self) -> dict[str, Array] | None:
        """What was kept; None when it was larger than there was room for, which is made now, for the next time."""
        if self._held:
            return {name: to_numpy(tensor) for name, tensor in self._held.items()}
        arrays: dict[str, Array] = {}
        fits = True
        for name, variable in self._variables.items():
            value = current(variable)
            extent = self._extents.get(name)
            if extent is not None:
                shape = current(extent).numpy()
                if (shape > np.array(value.shape)).any():
                    variable.assign(tf.zeros(np.maximum(shape, value.shape), value.dtype))
                    fits = False
                    continue
                value = value[tuple(slice(size) for size in shape)]
            arrays[name] = to_numpy(value)
        return arrays if fits else None


def _in_xla() -> bool:
    """Whether what is traced now will be compiled by XLA."""
    try:
        from tensorflow.python.ops import control_flow_util  # noqa: PLC0415  # TensorFlow has no public way to ask
    except ImportError:
        return True  # what is done for XLA is right without it too, only slower
    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def current(variable: tf.Variable) -> Tensor:
    """What a variable holds now, outside of graphs: its own ways to say that take four times as long."""
    return tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype)


def to_numpy(tensor: Tensor) -> Array:
    """As numpy array, numbers as float32: a view of the tensor where it lies in this machine's memory.

    A tensor does not change: what is assigned to the variable it was read from later goes into memory of its own.
    """
    tensor = tf.convert_to_tensor(tensor)
    return np.asarray(tensor if tensor.dtype in {tf.bool, tf.float32} else tf.cast(tensor, tf.float32))
