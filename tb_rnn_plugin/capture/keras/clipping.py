"""Weight gradients as a Keras optimizer clips them, in a pass of one's own."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells
from tb_rnn_plugin.capture.keras.recorded_layer import (
    Array,
    Layer,
    Part,
    RecordedLayer,
    Tensor,
    Variable,
    framework_of,
    read_only,
)
from tb_rnn_plugin.record import LayerRecord

#: (a gradient, the norm of all of them together) → what becomes of the gradient.
Clip = Callable[[npt.NDArray[np.float32], float], npt.NDArray[np.float32]]


def clipped_records(
    model: Layer, layers: Sequence[RecordedLayer], records_of: Callable[[Sequence[RecordedLayer]], list[LayerRecord]]
) -> list[LayerRecord]:
    """Records whose weight gradients are clipped as the model's optimizer would clip them in training.

    Frozen weights have none then: their gradients never come to the optimizer.

    Args:
        model: A compiled model of Keras 3 or tf_keras.
        layers: Its layers to be recorded.
        records_of: Makes the pass, and the records of the layers it is given.

    Raises:
        ValueError: If the model isn't compiled.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError("clipped: the model isn't compiled, so it has no optimizer that would clip; compile it.")
    trained = _Trained(name="trained", tapped=(), model=model)
    *records, everything = records_of([*layers, trained])
    norm = float(np.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in _gradients(everything))))
    is_trained = {id(variable) for variable in model.trainable_variables}
    keys = {
        layer.name: {key for key, variable in layer.variables.items() if id(variable) in is_trained} for layer in layers
    }
    return [_clipped(made, keys.get(made.name, set()), norm, _clips(optimizer)) for made in records]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class _Trained(RecordedLayer):
    """All weights that the optimizer of a model trains, as if they were a layer: the norm is that of all of them."""

    model: Layer

    @property
    def framework(self) -> str:
        return framework_of(self.model)

    @property
    def variables(self) -> dict[tuple[str, str], Variable]:
        return {(cells.FORWARD, str(index)): v for index, v in enumerate(self.model.trainable_variables)}

    def kept(self, _: Sequence[Tensor]) -> list[int]:
        return []

    def sequences(self, _: Sequence[Part]) -> dict[str, Array]:
        return {}

    def matrices(self, arrays: Mapping[tuple[str, str], Array]) -> dict[str, dict[str, Array]]:
        """Flat: a weight may be of any rank."""
        return {cells.FORWARD: {name: read_only(array.reshape(-1)) for (_, name), array in arrays.items()}}


def _gradients(made: LayerRecord) -> list[npt.NDArray[np.float32]]:
    return [gradient for of in made.weight_gradients.values() for gradient in of.values()]


def _clips(optimizer: Any) -> list[Clip]:
    """What the optimizer does to each gradient, in its order.

    As keras.optimizers.Optimizer documents them: `clipnorm` scales a gradient whose norm is higher to that norm,
    `global_clipnorm` all of them together, `clipvalue` bounds each number.
    """
    while hasattr(optimizer, "inner_optimizer"):  # that of mixed precision scales the loss, and leaves clipping to it
        optimizer = optimizer.inner_optimizer
    clipnorm, global_clipnorm, clipvalue = (
        getattr(optimizer, name, None) for name in ("clipnorm", "global_clipnorm", "clipvalue")
    )
    clips: list[Clip] = []
    if clipnorm:
        clips.append(lambda g, _: g * np.float32(clipnorm / max(float(np.linalg.norm(g)), clipnorm)))
    if global_clipnorm:
        clips.append(lambda g, norm: g * np.float32(global_clipnorm / max(norm, global_clipnorm)))
    if clipvalue:
        clips.append(lambda g, _: np.clip(g, -clipvalue, clipvalue))
    return clips


def _clipped(made: LayerRecord, trained: set[tuple[str, str]], norm: float, clips: Sequence[Clip]) -> LayerRecord:
    gradients: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    for direction, matrices in made.weight_gradients.items():
        for matrix, gradient in matrices.items():
            if (direction, matrix) in trained:
                clipped = gradient
                for clip in clips:
                    clipped = clip(clipped, norm)
                gradients.setdefault(direction, {})[matrix] = clipped
    return dataclasses.replace(made, weight_gradients=gradients)
