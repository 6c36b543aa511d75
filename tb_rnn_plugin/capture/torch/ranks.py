"""Distributed training: what every process recorded comes to the first one, which writes.

It goes through the key-value store by which the processes found each other, not through collectives: a process that
never writes must not leave the others waiting for ever, nor may anything get in between the collectives of training.
"""

import datetime as dt
import io
import itertools
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import torch.distributed as dist

from tb_rnn_plugin.capture.torch.layers import Array
from tb_rnn_plugin.capture.torch.taps import Notices

#: How long the first process waits for the others.
PATIENCE = dt.timedelta(seconds=60)

# Stores take values up to 8 MiB.
_CHUNK = 4 << 20
_KEPT_POSTS = 2
_numbers = itertools.count()

#: Record name to quantity to array.
Arrays: TypeAlias = Mapping[str, Mapping[str, Array]]


class Ranks:
    """The processes of one DistributedDataParallel."""

    def __init__(self, group: Any, notices: Notices) -> None:
        """Takes the process group, and numbers these taps: every process has to attach its taps in the same order."""
        self.size = int(dist.get_world_size(group))
        self.rank = int(dist.get_rank(group))
        self._notices = notices
        self._prefix = f"tb_rnn_plugin/{next(_numbers)}"
        # There is no public way to it. Stores take bytes, whatever their types say.
        self._store: Any = dist.distributed_c10d._get_default_store()  # noqa: SLF001
        self._posted: list[list[str]] = []

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def post(self, step: int, arrays: Arrays) -> None:
        """Hands arrays to the first process."""
        if self._store.check([f"{self._prefix}/closed"]):
            return
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **_flat(arrays))
        content = file.getvalue()
        chunks = [content[start : start + _CHUNK] for start in range(0, len(content), _CHUNK)]
        keys = [f"{self._key(step, self.rank)}/{number}" for number in range(len(chunks))]
        for key, chunk in zip(keys, chunks, strict=True):
            self._store.set(key, chunk)
        self._store.set(self._key(step, self.rank), str(len(chunks)))
        # What the first process doesn't fetch, because it writes at other steps, must not pile up.
        self._posted.append([self._key(step, self.rank), *keys])
        while len(self._posted) > _KEPT_POSTS:
            for key in self._posted.pop(0):
                self._store.delete_key(key)

    def fetch(self, step: int) -> list[Arrays]:
        """What the other processes posted; without those that didn't."""
        if self._store.check([f"{self._prefix}/closed"]):
            return []
        try:
            self._store.wait([self._key(step, rank) for rank in range(1, self.size)], PATIENCE)
        except RuntimeError:
            self._store.set(f"{self._prefix}/closed", "")
            self._notices.say(
                "ranks",
                f"only this process's part of the batch is recorded, since another one did not write at step {step}. "
                "Call rnn_summary.write in every process: only the first one makes a file.",
            )
            return []
        return [self._fetch(self._key(step, rank)) for rank in range(1, self.size)]

    def _fetch(self, key: str) -> Arrays:
        keys = [f"{key}/{number}" for number in range(int(self._store.get(key)))]
        content = b"".join(self._store.get(chunk) for chunk in keys)
        for used in [key, *keys]:
            self._store.delete_key(used)
        made: dict[str, dict[str, Array]] = {}
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            for joined in file.files:
                name, _, quantity = joined.rpartition(":")
                made.setdefault(name, {})[quantity] = file[joined]
        return made

    def _key(self, step: int, rank: int) -> str:
        return f"{self._prefix}/{step}/{rank}"


def _flat(arrays: Arrays) -> dict[str, Array]:
    return {f"{name}:{quantity}": array for name, of in arrays.items() for quantity, array in of.items()}
