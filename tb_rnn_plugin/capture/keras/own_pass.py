"""A forward and backward pass of its own over one batch of a Keras model, whatever its backend."""

import abc
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tb_rnn_plugin.capture.keras.layers import RecordedLayer
from tb_rnn_plugin.capture.keras.recorded_pass import Recording
from tb_rnn_plugin.capture.keras.recurrence import Recurrences
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.record import LayerRecord

Model: TypeAlias = Any
Tensor: TypeAlias = Any


class OwnPass(abc.ABC):
    """A forward and backward pass of its own over one batch; the model stays as it is."""

    def __init__(
        self,
        model: Model,
        layers: Sequence[RecordedLayer],
        loss: Callable[[Tensor], Tensor],
        x: Any,  # whatever the model takes
        *,
        training: bool,
        compiled: bool,
        derivation: Derivation | None = None,
    ) -> None:
        """Prepares the pass.

        Args:
            model: The Keras model.
            layers: Its layers to be recorded.
            loss: From the model's prediction to a scalar.
            x: The batch, in tensors.
            training: Whether the model runs in training mode.
            compiled: Whether the pass is to be made many times, so that it may be worth compiling; a backend to which
                that makes no difference does as it likes.
            derivation: What is computed of recurrent layers; None: nothing.
        """
        self._model = model
        self._layers = layers
        self._loss = loss
        self._x = x
        self._training = training
        self._compiled = compiled
        self._recurrences = Recurrences(layers, derivation)

    def records(self) -> list[LayerRecord]:
        """Runs the pass, with the weights that the model has now."""
        made = self._run().unscaled()
        inputs = made.inputs(self._layers) if self._recurrences.wanted else {}
        return self._recurrences.added(made.records(self._layers), inputs)

    @abc.abstractmethod
    def _run(self) -> Recording:
        """What is recorded of the pass; of the layers' inputs too where the recurrences want them."""
