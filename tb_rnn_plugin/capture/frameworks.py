"""Which framework a model comes from, told by its classes: no framework is imported to find out."""

import importlib
from typing import Any, Protocol, cast

from tb_rnn_plugin.capture.taps import Taps
from tb_rnn_plugin.description import ModelDescription
from tb_rnn_plugin.record import LayerRecord


class CaptureModule(Protocol):
    """What the module of a framework offers; `rnn_summary` documents it."""

    def attach(
        self,
        model: Any,
        *,
        every: int,
        samples: int | None,
        layers: Any,
        optimizer: Any,
        quantities: Any,
        bptt: bool,
        **scaling: Any,
    ) -> Taps:
        """Taps in the user's own pass."""

    def capture(
        self,
        model: Any,
        x: Any,
        y: Any,
        *,
        loss: Any,
        layers: Any,
        sample_weight: Any,
        training: bool,
        bptt: bool,
        **clipping: Any,
    ) -> list[LayerRecord]:
        """One batch, in a pass of its own."""

    def describe(self, model: Any, layers: Any, *, samples: int, timesteps: int) -> ModelDescription:
        """What will be recorded."""


# The package that a model's class comes from → the module that captures it.
_CAPTURE_MODULES = {
    "keras": "tb_rnn_plugin.capture.keras.entry",
    "tf_keras": "tb_rnn_plugin.capture.tf_keras.entry",
    "torch": "tb_rnn_plugin.capture.torch.entry",
    "flax": "tb_rnn_plugin.capture.flax.entry",
}


def capture_module(model: object) -> CaptureModule:
    """The module that attaches taps to this model and captures its layers.

    Raises:
        TypeError: If the model is of no known framework.
    """
    framework = framework_of(model)
    if framework is None:
        raise TypeError(
            f"model: expected a model of one of {', '.join(_CAPTURE_MODULES)}, "
            f"got {type(model).__module__}.{type(model).__qualname__}."
        )
    return cast("CaptureModule", importlib.import_module(_CAPTURE_MODULES[framework]))


def framework_of(model: object) -> str | None:
    """The package by whose means a model is captured, if there is one; of a Keras model on PyTorch that is Keras."""
    return next((framework for framework in _CAPTURE_MODULES if is_from(model, framework)), None)


def is_from(model: object, framework: str) -> bool:
    """Whether one of the model's classes is from this framework's package."""
    return any(base.__module__.partition(".")[0] == framework for base in type(model).__mro__)
