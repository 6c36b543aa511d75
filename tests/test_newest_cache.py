from tb_rnn_plugin.newest_cache import NewestCache


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
