"""A cache that knows only the newest version of each of its values."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class NewestCache(Generic[_Value]):
    """Remembers the newest value of each key, the latest-used keys only."""

    def __init__(self, size: int, weight: Callable[[_Value], int] = lambda _: 1) -> None:
        """Keeps values that together weigh at most `size`: so many keys, where nothing is said of what each weighs."""
        self._size = size
        self._weight = weight
        self._weights = 0
        self._clearings = 0
        self._values: OrderedDict[object, tuple[object, _Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object, version: object, read: Callable[[], _Value]) -> _Value:
        """The value of this version: the remembered one, or what `read` returns."""
        with self._lock:
            known = self._values.get(key)
            if known is not None and known[0] == version:
                self._values.move_to_end(key)
                return known[1]
            clearings = self._clearings
        value = read()
        with self._lock:
            if clearings != self._clearings:  # what was begun before may be older than what it was cleared for
                return value
            if key in self._values:
                self._drop(key)
            self._values[key] = version, value
            self._weights += self._weight(value)
            while self._weights > self._size:
                self._drop(next(iter(self._values)))
        return value

    def _drop(self, key: object) -> None:
        self._weights -= self._weight(self._values.pop(key)[1])

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._values.clear()
            self._weights = 0
            self._clearings += 1
