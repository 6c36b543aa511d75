"""Fewer steps of a series."""

import numpy as np


def thinned(length: int, most: int) -> list[int]:
    """At most so many places of so long a series: evenly, the first and the last stay.

    Args:
        length: Of the series.
        most: At least 2.
    """
    if length <= most:
        return list(range(length))
    return [int(place) for place in np.linspace(0, length - 1, most).round()]
