"""In which order samples were given that came back one by one: unbatched sequences, which a loop runs over.

Each call of a layer is traced once or more often, run forward, and run back. From what is seen of that:

- A loop in Python traces its calls one after the other. What XLA makes of them may run in any order, that of the traces
  is the loop's.
- A scan is traced once and runs all of its samples forward before it comes back, to the last one first.
- A function that is compiled once and called for each sample is traced once too, but each sample comes back before the
  next one is run forward.

With remat each sample is run forward once more on the way back: what tells a scan is that more were run forward before
its first sample came back than before the others. Not seen is the order in which one compiled function runs when it is
called several times inside of another.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tb_rnn_plugin.capture.flax.calls import Arrived


class Sample(NamedTuple):
    """What came back of one sample, or of a batch.

    Attributes:
        trace: The number of the trace in which its call was compiled.
        begun: How often that call was run forward since a sample came back of it.
        arrived: What came back.
    """

    trace: int
    begun: int
    arrived: Arrived


def in_order(samples: Sequence[Sample]) -> list[Arrived]:
    """What came back of the samples, in the order in which they were given.

    Args:
        samples: In the order in which they came back.
    """
    by_trace = itertools.groupby(sorted(samples, key=_trace), key=_trace)  # sorted keeps the order of equals
    return [sample.arrived for _, of_trace in by_trace for sample in _of_trace(list(of_trace))]


def _trace(sample: Sample) -> int:
    return sample.trace


def _of_trace(samples: Sequence[Sample]) -> Iterator[Sample]:
    again = min(sample.begun for sample in samples)
    firsts = [index for index, sample in enumerate(samples) if sample.begun > again] or list(range(len(samples)))
    for start, end in itertools.pairwise([0, *(index for index in firsts if index), len(samples)]):
        yield from reversed(samples[start:end])
