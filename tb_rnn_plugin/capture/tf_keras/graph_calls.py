"""The calls of layers in the graph that a tf_keras model was made in: what they gave out, and what they were given."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from tb_rnn_plugin.capture.keras import layers as keras_layers
from tb_rnn_plugin.capture.keras.layers import Layer, RecordedLayer
from tb_rnn_plugin.capture.keras.tensorflow.initial_states import held_states, initial_states
from tb_rnn_plugin.capture.tf_keras.graph import Given, Outputs, Tensor, Variable

Node: TypeAlias = Any
Operation: TypeAlias = Any


def outputs_of(layers: Sequence[RecordedLayer]) -> Outputs:
    """What the layers gave out in the model's own graph. In a subclassed model Keras notes no calls of them."""
    nodes = [[tapped._inbound_nodes for tapped in layer.tapped] for layer in layers]  # noqa: SLF001  # no public list
    returned = [[[tf.nest.flatten(n.outputs) for n in of_part] for of_part in of_layer] for of_layer in nodes]
    return [
        [[[tensors[index] for index in layer.kept(tensors)] for tensors in of_part] for of_part in of_layer]
        for layer, of_layer in zip(layers, returned, strict=True)
    ]


def given_to(layers: Sequence[RecordedLayer], *, derives: bool) -> Given:
    """What the calls of the layers in the model's own graph, the default one, were given.

    Args:
        layers: The layers.
        derives: Whether anything is computed from it.
    """
    return [
        [
            [_inputs(tapped, node) if derives and layer.keeps_inputs else {} for node in tapped._inbound_nodes]  # noqa: SLF001
            for tapped in layer.tapped
        ]
        for layer in layers
    ]


def trained(outputs: Outputs, variables: Sequence[Variable]) -> Outputs:
    """The outputs, without the calls that depend on none of these variables."""
    dependent = set(_dependent(variables))
    return [
        [[call if call and call[0].op in dependent else [] for call in of_part] for of_part in of_layer]
        for of_layer in outputs
    ]


def _inputs(layer: Layer, node: Node) -> dict[str, Tensor]:
    """What one call was given."""
    arguments = inspect.signature(layer.call).bind(*node.call_args, **node.call_kwargs).arguments
    # The initial states may come in one list with the sequences.
    sequences, *states = tf.nest.flatten(next(iter(arguments.values())))
    states = states or tf.nest.flatten(arguments.get("initial_state") or [])
    mask = arguments.get("mask")  # one that was passed by hand
    if mask is None:
        mask = getattr(sequences, "_keras_mask", None)
    held = _read_by(node, held_states(layer), given=[sequences, *states])
    if held is None:
        return {}
    return {
        keras_layers.INPUT: sequences,
        **({} if mask is None else {keras_layers.MASK: mask}),
        **{
            f"{keras_layers.INITIAL_STATE}{index}": state
            for index, state in enumerate(initial_states(layer, states, held))
        },
    }


def _read_by(node: Node, variables: Sequence[Variable], *, given: Sequence[Tensor]) -> list[Tensor] | None:
    """What these variables were when a call read them; None if it isn't to be seen that it read all of them.

    It is what the call itself has read that is fetched: the same run gives them new values, which are computed from it.
    """
    if not variables:
        return []
    handles = {id(variable.handle): index for index, variable in enumerate(variables)}
    read: dict[int, Tensor] = {}
    outside = {tensor.op for tensor in given}
    left = [tensor.op for tensor in tf.nest.flatten(node.outputs)]
    seen = set(left)
    while left:
        operation = left.pop()
        if operation.type == "ReadVariableOp" and id(operation.inputs[0]) in handles:
            read[handles[id(operation.inputs[0])]] = operation.outputs[0]
        before = {tensor.op for tensor in operation.inputs} - seen - outside
        seen |= before
        left += before
    return [read[index] for index in range(len(variables))] if len(read) == len(variables) else None


def _dependent(variables: Sequence[Variable]) -> Iterator[Operation]:
    """The operations whose results depend on one of the variables."""
    left = [variable.handle.op for variable in variables]
    seen = set(left)
    while left:
        operation = left.pop()
        yield operation
        for consumer in (consumer for tensor in operation.outputs for consumer in tensor.consumers()):
            if consumer not in seen:
                seen.add(consumer)
                left.append(consumer)
