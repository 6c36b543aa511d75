"""Writes that wait in a queue for something to be computed of their recurrences: so many, and no more."""

import collections
import dataclasses
import threading

from tb_rnn_plugin.writing.summary_events import Write

# How many may wait for their gradients through time to be computed; of more, the oldest go without.
_MOST_COMPUTATIONS = 4


@dataclasses.dataclass(eq=False)
class Waiting:
    """A write that waits in the queue.

    Attributes:
        write: The write.
        computes: Whether what follows from its recurrences is still to be computed.
    """

    write: Write
    computes: bool


class Computations:
    """The writes that wait for something to be computed: bounded, so that they keep neither memory nor training busy.

    Where more are waiting than may, the oldest go without: what is newest is what is looked at.
    """

    def __init__(self) -> None:
        self._waiting: collections.deque[Waiting] = collections.deque()
        self._lock = threading.Lock()
        self._dropped = 0
        self._said = 0

    def waiting(self, write: Write) -> Waiting:
        """A write that is about to be queued."""
        made = Waiting(write, any(record.recurrence and record.recurrence.quantities for record in write.records))
        if made.computes:
            with self._lock:
                self._waiting.append(made)
                while len(self._waiting) > _MOST_COMPUTATIONS:
                    self._waiting.popleft().computes = False
                    self._dropped += 1
        return made

    def begin(self, waiting: Waiting) -> bool:
        """Whether the computation of a write that leaves the queue is to be made."""
        with self._lock:
            if waiting.computes:
                self._waiting.remove(waiting)
            return waiting.computes

    def dropped(self, *, last: bool) -> int:
        """How many there were that went without, when it is time to say so: not at each one, nor with none more."""
        with self._lock:
            due = self._dropped > self._said and (last or self._dropped >= 2 * self._said)
            if due:
                self._said = self._dropped
            return self._dropped if due else 0
