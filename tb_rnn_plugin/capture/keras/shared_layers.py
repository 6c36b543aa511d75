"""Layers that are in several models with taps: a tap sees all passes through its layer, whichever model makes them."""

import warnings
import weakref
from collections.abc import Sequence
from typing import Any, TypeAlias

from tb_rnn_plugin.capture.keras.recorded_layer import Layer, RecordedLayer

Model: TypeAlias = Any

# By the id of a layer, the models whose taps are on it; Keras's layers have no hash that could be relied on.
_models: dict[int, list["weakref.ref[Any]"]] = {}


class Claim:
    """That the taps of a model are on its layers, until it is released."""

    def __init__(self, model: Model, layers: Sequence[RecordedLayer]) -> None:
        """Claims the layers, and says which of them the taps of another model are on already."""
        self._model = weakref.ref(model)
        self._tapped: list[Layer] = [tapped for layer in layers for tapped in layer.tapped]
        shared = [layer.name for layer in layers if any(map(self._others, layer.tapped))]
        if shared:
            warnings.warn(
                f"rnn_summary: {', '.join(map(repr, shared))}: another model with taps has the same layer, so that "
                "what trains either model is recorded with both. Have taps on one of them at a time, or leave the "
                "layer out of one by layers=.",
                stacklevel=5,
            )
        for tapped in self._tapped:
            _models.setdefault(id(tapped), []).append(self._model)

    def _others(self, tapped: Layer) -> bool:
        found = [of() for of in _models.get(id(tapped), ())]
        return any(model is not None and model is not self._model() for model in found)

    def release(self) -> None:
        """Calling it again does nothing."""
        for tapped in self._tapped:
            left = _models.get(id(tapped), [])
            if self._model in left:
                left.remove(self._model)
            if not left:
                _models.pop(id(tapped), None)
        self._tapped = []
