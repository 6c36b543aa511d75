"""The names of the measures: how each is called, what it counts in, what it says."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Unit = Literal["timesteps", "units", "weights", "share", "ratio", "norm", "count", "number"]

# From the profile of a gradient, when it is read.
GRADIENT_HORIZON = "gradient_horizon"
VANISHED_TIMESTEPS = "vanished_timesteps"
HALF_LIFE = "gradient_half_life"
FIRST_OVER_LAST = "first_over_last"
GROWTH = "gradient_growth"
# From the statistics of any quantity, when it is read.
NONFINITE = "nonfinite"
GRADIENT_NORM = "gradient_norm"
GRADIENT_JUMP = "gradient_jump"
WEIGHT_NORM = "weight_norm"
# From the arrays, when they are written.
SATURATED_LOW = "saturated_low"
SATURATED_HIGH = "saturated_high"
SATURATED = "saturated"
TIMESCALE = "timescale"
LONGEST_TIMESCALE = "longest_timescale"
CELL_PATH = "cell_path"
DEAD_UNITS = "dead_units"
DORMANT_UNITS = "dormant_units"
DEAD_WEIGHTS = "dead_weights"
LARGE_WEIGHTS = "large_weights"
LARGEST_CHANNEL_NORM = "largest_channel_norm"
UPDATE_RATIO = "update_ratio"
CORRELATION = "correlation"
EFFECTIVE_RANK = "effective_rank"
PARTICIPATION_RATIO = "participation_ratio"
SPECTRAL_RADIUS = "spectral_radius"


class MeasureKey(NamedTuple):
    """One series of a layer: a measure of a quantity, of a direction, matrix and gate where it is of one of them."""

    measure: str
    quantity: str
    direction: str = ""
    matrix: str = ""
    gate: str = ""


@dataclasses.dataclass(frozen=True)
class MeasureKind:
    """How a measure is spoken of."""

    title: str
    unit: Unit
    meaning: str


KINDS: Mapping[str, MeasureKind] = MappingProxyType(
    {
        GRADIENT_HORIZON: MeasureKind(
            "gradient horizon",
            "timesteps",
            "How many timesteps back the gradient reaches before it falls below 1% of its largest norm.",
        ),
        VANISHED_TIMESTEPS: MeasureKind(
            "vanished timesteps",
            "share",
            "The share of timesteps whose gradient is below 1e-7 in the root mean square.",
        ),
        HALF_LIFE: MeasureKind(
            "half-life",
            "timesteps",
            "After how many timesteps back half of the gradient is left, where it decays exponentially.",
        ),
        FIRST_OVER_LAST: MeasureKind(
            "first over last", "ratio", "The gradient's norm at the first timestep over that at the last."
        ),
        GROWTH: MeasureKind(
            "growth through time",
            "ratio",
            "The gradient's largest norm over the sum of what arrives directly: at most 1 without amplification.",
        ),
        NONFINITE: MeasureKind("NaN, Inf", "count", "How many numbers are NaN or Inf."),
        GRADIENT_NORM: MeasureKind("gradient norm", "norm", "The L2 norm of all weight gradients of a direction."),
        GRADIENT_JUMP: MeasureKind(
            "gradient over its median", "ratio", "The gradient norm over the median of the steps before."
        ),
        WEIGHT_NORM: MeasureKind("weight norm", "norm", "The L2 norm of a matrix."),
        SATURATED_LOW: MeasureKind(
            "gates shut", "share", "The share of units whose gate stays below 0.1 almost always."
        ),
        SATURATED_HIGH: MeasureKind(
            "gates open", "share", "The share of units whose gate stays above 0.9 almost always."
        ),
        SATURATED: MeasureKind(
            "gates saturated", "share", "The share of units whose gate is below 0.1 or above 0.9 almost always."
        ),
        TIMESCALE: MeasureKind(
            "memory timescale", "timesteps", "1 / (1 − keep gate) of the median unit: how long the state is kept."
        ),
        LONGEST_TIMESCALE: MeasureKind(
            "longest memory timescale", "timesteps", "1 / (1 − keep gate), exceeded by a tenth of the units."
        ),
        CELL_PATH: MeasureKind(
            "cell path", "timesteps", "After how many timesteps 1% of the median unit's state is left, by itself."
        ),
        DEAD_UNITS: MeasureKind("dead units", "units", "How many units say the same whatever comes in."),
        DORMANT_UNITS: MeasureKind(
            "dormant units", "units", "How many units are, in magnitude, at most 2.5% of the layer's mean."
        ),
        DEAD_WEIGHTS: MeasureKind("dead weights", "weights", "How many weights are below 1e-7 in magnitude."),
        LARGE_WEIGHTS: MeasureKind("large weights", "weights", "How many weights are above 3 in magnitude."),
        LARGEST_CHANNEL_NORM: MeasureKind(
            "largest channel norm", "norm", "The largest L2 norm of a channel's weights."
        ),
        UPDATE_RATIO: MeasureKind(
            "update ratio", "ratio", "By what share of their norm the weights change in a step; about 1e-3 is usual."
        ),
        CORRELATION: MeasureKind(
            "correlation", "number", "The mean |correlation| of two units: 0 when all are independent of each other."
        ),
        EFFECTIVE_RANK: MeasureKind(
            "effective rank", "number", "How many directions the activations fill, by the entropy of singular values."
        ),
        PARTICIPATION_RATIO: MeasureKind(
            "participation ratio", "number", "How many directions share the variance of the activations."
        ),
        SPECTRAL_RADIUS: MeasureKind(
            "spectral radius", "number", "The largest magnitude of an eigenvalue of the recurrent kernel."
        ),
    }
)

#: The columns of the overview's table. Where several measures are named, the worst of them is shown.
COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        GRADIENT_HORIZON: (GRADIENT_HORIZON,),
        VANISHED_TIMESTEPS: (VANISHED_TIMESTEPS,),
        HALF_LIFE: (HALF_LIFE,),
        NONFINITE: (NONFINITE,),
        DEAD_UNITS: (DEAD_UNITS,),
        SATURATED: (SATURATED,),
        UPDATE_RATIO: (UPDATE_RATIO,),
    }
)

#: Measures of which the least value is the worst, where no other verdict tells them apart.
LEAST_IS_WORST = frozenset(
    {GRADIENT_HORIZON, HALF_LIFE, FIRST_OVER_LAST, TIMESCALE, CELL_PATH, EFFECTIVE_RANK, PARTICIPATION_RATIO}
)
