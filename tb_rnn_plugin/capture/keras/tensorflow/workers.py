"""MultiWorkerMirroredStrategy: what every worker recorded comes to the chief, which writes.

It goes through the key-value store by which the workers found each other, not through collectives: a worker that never
writes must not leave the others waiting for ever, nor may anything get in between the collectives of training.
"""

import base64
import dataclasses
import datetime as dt
import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context  # TensorFlow has no public way to the store

from tb_rnn_plugin.capture.keras.layers import Array
from tb_rnn_plugin.capture.keras.tensorflow.replicas import Arrays, joined, summed
from tb_rnn_plugin.record import WEIGHT_GRADIENTS, LayerRecord

#: How long the chief waits for the others.
PATIENCE = dt.timedelta(seconds=60)

_GLANCE = dt.timedelta(milliseconds=1)
# A message of the store's may have 4 MiB; what is no text gets a third longer on its way.
_CHUNK = 2 << 20
_KEPT_POSTS = 2
_numbers = itertools.count()


class Workers:
    """The processes of one MultiWorkerMirroredStrategy."""

    def __init__(self, strategy: Any, say: Callable[[str], None]) -> None:
        """Numbers these taps: every worker has to attach its taps in the same order.

        Args:
            strategy: The strategy.
            say: Says once what is left out.
        """
        resolver = strategy.cluster_resolver
        jobs = resolver.cluster_spec().as_dict()
        chiefs, others = len(jobs.get("chief", ())), len(jobs.get("worker", ()))
        self.size = chiefs + others
        self.index = int(resolver.task_id) + (chiefs if resolver.task_type == "worker" else 0)
        self._say = say
        self._prefix = f"tb_rnn_plugin/{next(_numbers)}"
        self._posted: list[list[str]] = []

    @classmethod
    def of(cls, strategy: Any, say: Callable[[str], None]) -> "Workers | None":
        """The workers of a strategy; None where there is one process only."""
        is_multi_worker = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        if not is_multi_worker or strategy.cluster_resolver is None or not strategy.cluster_resolver.cluster_spec():
            return None
        made = cls(strategy, say)
        return made if made.size > 1 else None

    @property
    def is_chief(self) -> bool:
        """Whether this process writes."""
        return self.index == 0

    def together(self, step: int, records: Sequence[LayerRecord]) -> list[LayerRecord]:
        """In the chief, the records of the joined batch; in the others, nothing.

        Where a worker doesn't come, they are of the chief's part of the batch, without the weight gradients, which are
        a sum over all workers.
        """
        try:
            if not self.is_chief:
                self._post(step, {made.name: _arrays(made) for made in records})
                return []
            others = self._fetch_all(step)
        except tf.errors.OpError as error:
            self._say(f"what the workers recorded did not come together: {error.message}")
            others = None
        if others is None:
            return [dataclasses.replace(made, weight_gradients={}) for made in records]
        if not all(others):  # one had nothing to record
            return []
        return [_joined(made, [other.get(made.name, {}) for other in others]) for made in records]

    def _post(self, step: int, arrays: Arrays) -> None:
        if self._is_closed():
            return
        file = io.BytesIO()
        flat = {f"{name}:{key}": array for name, of in arrays.items() for key, array in of.items()}
        np.savez(file, allow_pickle=False, **flat)
        content = file.getvalue()
        chunks = [content[start : start + _CHUNK] for start in range(0, len(content), _CHUNK)]
        key = self._key(step, self.index)
        keys = [f"{key}/{number}" for number in range(len(chunks))]
        # What the chief doesn't fetch, because it writes at other steps, must not pile up.
        self._posted.append([key, *keys])
        while len(self._posted) > _KEPT_POSTS:
            self._delete(*self._posted.pop(0))
        self._delete(key, *keys)  # a loop may begin again; the store refuses a key that it has
        for chunk_key, chunk in zip(keys, chunks, strict=True):
            _store().set_config_key_value(chunk_key, base64.b64encode(chunk).decode())
        _store().set_config_key_value(key, str(len(chunks)))

    def _fetch_all(self, step: int) -> list[Arrays] | None:
        if self._is_closed():
            return None
        try:
            return [self._fetch(self._key(step, index)) for index in range(1, self.size)]
        except tf.errors.DeadlineExceededError:
            _store().set_config_key_value(f"{self._prefix}/closed", "yes")
            self._say(
                "only this worker's part of the batch is recorded, without weight gradients, since another one did not "
                f"write at step {step}. Call rnn_summary.write in every worker: only the chief makes a file"
            )
            return None

    def _fetch(self, key: str) -> Arrays:
        keys = [f"{key}/{number}" for number in range(int(_get(key, PATIENCE)))]
        content = b"".join(base64.b64decode(_get(chunk, PATIENCE)) for chunk in keys)
        self._delete(key, *keys)
        made: dict[str, dict[str, Any]] = {}
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            for joined in file.files:
                name, _, of = joined.rpartition(":")
                made.setdefault(name, {})[of] = file[joined]
        return made

    def _is_closed(self) -> bool:
        """Whether the chief has given up waiting."""
        try:
            _get(f"{self._prefix}/closed", _GLANCE)
        except tf.errors.DeadlineExceededError:
            return False
        return True

    def _delete(self, *keys: str) -> None:
        for key in keys:
            _store().delete_config_key_value(key)

    def _key(self, step: int, index: int) -> str:
        return f"{self._prefix}/{step}/{index}"


def _arrays(made: LayerRecord) -> dict[str, Array]:
    """What the chief needs of a worker's record."""
    gradients = ((d, matrix, array) for d, of in made.weight_gradients.items() for matrix, array in of.items())
    return {**made.sequences, **{f"{WEIGHT_GRADIENTS}/{d}/{matrix}": array for d, matrix, array in gradients}}


def _joined(made: LayerRecord, others: Sequence[Mapping[str, Array]]) -> LayerRecord:
    parts = [_arrays(made), *others]
    sequences = [{made.name: {q: array for q, array in part.items() if q in made.sequences}} for part in parts]
    total = summed({key: array for key, array in part.items() if key not in made.sequences} for part in parts)
    gradients = {
        direction: {matrix: total[f"{WEIGHT_GRADIENTS}/{direction}/{matrix}"] for matrix in of}
        for direction, of in made.weight_gradients.items()
    }
    return dataclasses.replace(made, sequences=joined(sequences)[made.name], weight_gradients=gradients)


def _store() -> Any:
    return context.context()


def _get(key: str, patience: dt.timedelta) -> str:
    return str(_store().get_config_key_value(key, int(patience / dt.timedelta(milliseconds=1))))
