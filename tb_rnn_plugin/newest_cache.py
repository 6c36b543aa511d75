"""A cache that knows only the newest version of each of its values."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class NewestCache(Generic[_Value]):
    """Remembers the newest value of each key, the latest-used keys only."""

    def __init__(self, size: int) -> None:
        """Keeps the values of `size` keys."""
        self._size = size
        self._values: OrderedDict[object, tuple[object, _Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object, version: object, read: Callable[[], _Value]) -> _Value:
        """The value of this version: the remembered one, or what `read` returns."""
        with self._lock:
            known = self._values.get(key)
            if known is not None and known[0] == version:
                self._values.move_to_end(key)
                return known[1]
        value = read()
        with self._lock:
            self._values[key] = version, value
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._values.clear()
