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
    """How a measure is spoken of: what it says, and when it says something else than one would think."""

    title: str
    unit: Unit
    meaning: str
    misleads: str


KINDS: Mapping[str, MeasureKind] = MappingProxyType(
    {
        GRADIENT_HORIZON: MeasureKind(
            "gradient horizon",
            "timesteps",
            "How many timesteps back the gradient reaches before it falls below 1% of its largest norm.",
            "Long, whatever the recurrence does, where every timestep has its own loss; short where the task is, or "
            "where another layer remembers.",
        ),
        VANISHED_TIMESTEPS: MeasureKind(
            "vanished timesteps",
            "share",
            "The share of timesteps whose gradient is below 1e-7 in the root mean square.",
            "It depends on the scale of the loss and the batch size; a net that has learned has small gradients too.",
        ),
        HALF_LIFE: MeasureKind(
            "half-life",
            "timesteps",
            "After how many timesteps back half of the gradient is left, where it decays exponentially.",
            "It means nothing where the profile is not exponential, and is then hidden.",
        ),
        FIRST_OVER_LAST: MeasureKind(
            "first over last",
            "ratio",
            "The gradient's norm at the first timestep over that at the last.",
            "Two timesteps only: a gradient that fades in the middle, or a padded beginning, does not show.",
        ),
        GROWTH: MeasureKind(
            "growth through time",
            "ratio",
            "The gradient's largest norm over the sum of what arrives directly: at most 1 without amplification.",
            "Below 1 it says nothing of how far the gradient reaches.",
        ),
        NONFINITE: MeasureKind(
            "NaN, Inf",
            "count",
            "How many numbers are NaN or Inf.",
            "What is not recorded is not seen; between two writes they spread to every layer.",
        ),
        GRADIENT_NORM: MeasureKind(
            "gradient norm",
            "norm",
            "The L2 norm of all weight gradients of a direction.",
            "It is before clipping, and depends on the scale of the loss.",
        ),
        GRADIENT_JUMP: MeasureKind(
            "gradient over its median",
            "ratio",
            "The gradient norm over the median of the steps before.",
            "A net that begins to learn has ten or twenty times the gradient that it had.",
        ),
        WEIGHT_NORM: MeasureKind(
            "weight norm",
            "norm",
            "The L2 norm of a matrix.",
            "Norms of matrices of other sizes can't be compared; weight decay lowers it by itself.",
        ),
        SATURATED_LOW: MeasureKind(
            "gates shut",
            "share",
            "The share of units whose gate stays below 0.1 almost always.",
            "Of the samples that are kept, which may be untypical.",
        ),
        SATURATED_HIGH: MeasureKind(
            "gates open",
            "share",
            "The share of units whose gate stays above 0.9 almost always.",
            "A layer that has to remember for long has its forget gate open, and is well.",
        ),
        SATURATED: MeasureKind(
            "gates saturated",
            "share",
            "The share of units whose gate is below 0.1 or above 0.9 almost always.",
            "An open forget gate is what a long memory needs.",
        ),
        TIMESCALE: MeasureKind(
            "memory timescale",
            "timesteps",
            "1 / (1 − keep gate) of the median unit: how long the state is kept.",
            "It is that of the gradient only where the gradient decays exponentially.",
        ),
        LONGEST_TIMESCALE: MeasureKind(
            "longest memory timescale",
            "timesteps",
            "1 / (1 − keep gate), exceeded by a tenth of the units.",
            "It is that of the gradient only where the gradient decays exponentially.",
        ),
        CELL_PATH: MeasureKind(
            "cell path",
            "timesteps",
            "After how many timesteps 1% of the median unit's state is left, by itself.",
            "It leaves out the way through the hidden state, which may carry much of the gradient.",
        ),
        DEAD_UNITS: MeasureKind(
            "dead units",
            "units",
            "How many units say the same whatever comes in.",
            "Of the samples that are kept: a unit may be silent on these and speak on others.",
        ),
        DORMANT_UNITS: MeasureKind(
            "dormant units",
            "units",
            "How many units are, in magnitude, at most 2.5% of the layer's mean.",
            "A unit of small magnitude may still matter to the next layer.",
        ),
        DEAD_WEIGHTS: MeasureKind(
            "dead weights",
            "weights",
            "How many weights are below 1e-7 in magnitude.",
            "Pruning and sparse initialisation make them on purpose.",
        ),
        LARGE_WEIGHTS: MeasureKind(
            "large weights",
            "weights",
            "How many weights are above 3 in magnitude.",
            "They are right where inputs are small.",
        ),
        LARGEST_CHANNEL_NORM: MeasureKind(
            "largest channel norm",
            "norm",
            "The largest L2 norm of a channel's weights.",
            "Where inputs are small a large one is right.",
        ),
        UPDATE_RATIO: MeasureKind(
            "update ratio",
            "ratio",
            "By what share of their norm the weights change in a step; about 1e-3 is usual.",
            "Weights may go to and fro between two writes: it is then less than that of each step.",
        ),
        CORRELATION: MeasureKind(
            "correlation",
            "number",
            "The mean |correlation| of two units: 0 when all are independent of each other.",
            "Few timesteps that follow each other, or padding, make units look alike that are not.",
        ),
        EFFECTIVE_RANK: MeasureKind(
            "effective rank",
            "number",
            "How many directions the activations fill, by the entropy of singular values.",
            "Never larger than the number N of observations; a mean that all share counts as a direction.",
        ),
        PARTICIPATION_RATIO: MeasureKind(
            "participation ratio",
            "number",
            "How many directions share the variance of the activations.",
            "Never larger than the number N of observations.",
        ),
        SPECTRAL_RADIUS: MeasureKind(
            "spectral radius",
            "number",
            "The largest magnitude of an eigenvalue of the recurrent kernel.",
            "No net is healthy because it is below 1; of a gated cell it only describes.",
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
