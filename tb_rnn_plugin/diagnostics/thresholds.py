"""Every threshold of the diagnostics: its default, what it means, and where it comes from."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

_OURS = "ours"
_SAGEMAKER = "Amazon SageMaker Debugger, rule VanishingGradient"
_KARPATHY = "Karpathy, Johnson, Fei-Fei 2015, arXiv 1506.02078"
_SOKAR = "Sokar et al. 2023, arXiv 2302.12902"
_DEEPTRAIN = "deeptrain, introspection"
_CS231N = "CS231n: about 1e-3 is usual"


def _threshold(default: float, meaning: str, source: str, *, adjustable: bool = True) -> Any:  # a dataclass's field
    return dataclasses.field(default=default, metadata={"meaning": meaning, "source": source, "adjustable": adjustable})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What divides the sick from the healthy. A healthy net may cross one: each page of docs/diagnostics says when.

    Those that are not adjustable define what is counted: they take effect where numbers are written.
    """

    horizon_share: float = _threshold(
        1e-2, "A gradient counts as long as its norm is at least this share of its largest over time.", _OURS
    )
    short_horizon: float = _threshold(
        0.1, "A gradient that reaches back over a smaller share of the timesteps is an error.", _OURS
    )
    limited_horizon: float = _threshold(
        0.2, "A gradient that reaches back over a smaller share of the timesteps is a warning.", _OURS
    )
    vanished_gradient: float = _threshold(
        1e-7, "A timestep is called vanished where the root mean square of its gradient is below.", _SAGEMAKER
    )
    vanished_timesteps: float = _threshold(
        0.5, "Said of a layer of whose timesteps more than this share have vanished.", _OURS
    )
    half_life_fit: float = _threshold(
        0.8, "A half-life is shown where an exponential fits the profile with at least this R².", _OURS
    )
    growing_gradient: float = _threshold(
        100, "A recurrence that makes a gradient larger than this many times what arrives is called exploding.", _OURS
    )
    exploding_factor: float = _threshold(
        10,
        "A gradient norm of more than this many times its running median is a note; of its square, a warning; of its "
        "cube, an error.",
        _OURS,
    )
    exploding_norm: float = _threshold(
        1,
        "A gradient norm below is never called exploding, however fast it rose: clipping would leave it alone.",
        _OURS,
    )
    exploding_window: float = _threshold(
        50, "Of how many steps before the running median is; of fewer than five there is none.", _OURS
    )
    fast_update: float = _threshold(
        0.2,
        "Weights that change by more than this share of their norm in a step say that steps are too large.",
        _CS231N,
    )
    slow_update: float = _threshold(
        1e-7, "Weights that change by less than this share of their norm in a step are called stalled.", _CS231N
    )
    saturated_units: float = _threshold(
        0.5, "A gate that is saturated in at least this share of the units is called saturated.", _OURS
    )
    dead_units: float = _threshold(0.05, "From this share of dead units on it is a warning.", _OURS)
    dormant_units: float = _threshold(0.5, "From this share of dormant units on it is a warning.", _OURS)
    dead_weights: float = _threshold(0.1, "From this share of dead weights on it is a warning.", _OURS)
    large_weights: float = _threshold(0.01, "From this share of large weights on it is a warning.", _OURS)
    reported_weights: float = _threshold(1e-3, "Smaller shares of dead or large weights are not spoken of.", _DEEPTRAIN)
    persistence: float = _threshold(
        5, "Of how many steps in a row something has to be true; of fewer, it is a note at most.", _OURS
    )

    gate_low: float = _threshold(0.1, "A gate below is saturated on the left.", _KARPATHY, adjustable=False)
    gate_high: float = _threshold(0.9, "A gate above is saturated on the right.", _KARPATHY, adjustable=False)
    gate_time: float = _threshold(
        0.95, "A unit counts whose gate is saturated in at least this share of the time.", _OURS, adjustable=False
    )
    dead_activation: float = _threshold(
        1e-7, "A unit is dead whose activation never reaches this magnitude.", _OURS, adjustable=False
    )
    dead_variance: float = _threshold(
        1e-8,
        "A unit is dead whose activation varies by less than this share of the layer's median variance.",
        _OURS,
        adjustable=False,
    )
    dormant_score: float = _threshold(
        0.025,
        "A unit is dormant whose mean magnitude is at most this share of the layer's.",
        _SOKAR,
        adjustable=False,
    )
    dead_weight: float = _threshold(1e-7, "A weight of smaller magnitude is dead.", _DEEPTRAIN, adjustable=False)
    large_weight: float = _threshold(3, "A weight of larger magnitude is large.", _DEEPTRAIN, adjustable=False)
    cell_path_share: float = _threshold(
        1e-2, "The cell path counts as long as at least this share of the state is left.", _OURS, adjustable=False
    )

    def __post_init__(self) -> None:
        """Checks what was given.

        Raises:
            TypeError: If a threshold is not a number.
            ValueError: If it is not a finite number above 0, or `horizon_share` is above 1.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{field.name}: expected a number, got {type(value).__name__}.")
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{field.name}: expected a finite number above 0, got {value!r}.")
        if self.horizon_share > 1:  # of a share that no gradient has, there is no horizon
            raise ValueError(f"horizon_share: expected at most 1 (1% is 0.01), got {self.horizon_share!r}.")

    def adjusted(self, values: Mapping[str, str]) -> "Thresholds":
        """With some of the adjustable ones set from text, as a request or a command line has it.

        Raises:
            ValueError: If there is no such threshold, it took effect when the numbers were written, or the text is no
                finite number above 0.
        """
        by_name = {field.name: field for field in dataclasses.fields(self)}
        changes: dict[str, float] = {}
        for name, text in values.items():
            if name not in by_name:
                raise ValueError(f"{name}: there is no such threshold; there are {', '.join(ADJUSTABLE)}.")
            if name not in ADJUSTABLE:
                raise ValueError(
                    f"{name}: this threshold was applied when the numbers were written; set it by "
                    f"rnn_summary.write(…, thresholds=…)."
                )
            try:
                changes[name] = float(text)
            except ValueError:
                raise ValueError(f"{name}: expected a number, got {text!r}.") from None
        return dataclasses.replace(self, **changes)


DEFAULT = Thresholds()

#: The names of those that can be changed when numbers are read.
ADJUSTABLE = tuple(field.name for field in dataclasses.fields(Thresholds) if field.metadata["adjustable"])
