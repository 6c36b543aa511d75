from tb_rnn_plugin.serving.newest_cache import NewestCache


def test_only_the_newest_version_of_the_latest_used_keys_is_remembered() -> None:
    cache: NewestCache[str] = NewestCache(2)
    reads: list[str] = []

    def value(key: str, version: int) -> str:
        def read() -> str:
            reads.append(f"{key}{version}")
            return reads[-1]

        return cache.get(key, version, read)

    assert [value("a", 1), value("a", 1), value("a", 2), value("a", 1)] == ["a1", "a1", "a2", "a1"]
    assert reads == ["a1", "a2", "a1"]
    value("b", 1)
    value("a", 1)  # used later than b, which is the one to go
    value("c", 1)
    reads.clear()
    value("a", 1)
    value("b", 1)
    assert reads == ["b1"]
    cache.clear()
    assert value("b", 1) == "b1"
    assert reads == ["b1", "b1"]


def test_what_was_being_read_when_it_was_cleared_is_not_remembered() -> None:
    cache: NewestCache[str] = NewestCache(2)

    def read() -> str:
        cache.clear()
        return "old"

    assert cache.get("a", 1, read) == "old"
    assert cache.get("a", 1, lambda: "new") == "new"
    assert cache.get("a", 1, lambda: "newer") == "new"


def test_values_are_let_go_by_their_weight() -> None:
    cache: NewestCache[str] = NewestCache(10, len)
    reads: list[str] = []

    def value(key: str, text: str, version: int = 1) -> str:
        def read() -> str:
            reads.append(key)
            return text

        return cache.get(key, version, read)

    value("a", "aaaa")
    value("b", "bbbb")
    value("a", "aaaaaa", 2)  # what it weighed before no longer counts
    assert value("b", "") == "bbbb"
    value("c", "c")  # one too many: a was used longest ago
    assert (value("b", ""), value("c", "")) == ("bbbb", "c")
    assert reads == ["a", "b", "a", "c"]
    assert value("d", "d" * 11) == "d" * 11  # too heavy to be remembered at all
    reads.clear()
    value("d", "d")
    value("b", "b")
    assert reads == ["d", "b"]
