"""Names, tags, and the metadata by which TensorBoard and the plugin know a series."""

import json

import numpy as np
import pytest
from tensorboard.compat.proto import summary_pb2

from tb_rnn_plugin import metadata
from tb_rnn_plugin.record import LayerRecord

RECORD = LayerRecord("a/b", cell="gru", units=2, sequences={"activation": np.zeros((1, 2, 2), np.float32)})


def test_metadata_comes_back_whole() -> None:
    layer = metadata.layer_message(RECORD, 7)
    for name, data_class in (
        ("rnn", summary_pb2.DATA_CLASS_TENSOR),
        ("rnn_arrays", summary_pb2.DATA_CLASS_BLOB_SEQUENCE),
    ):
        made = metadata.summary_metadata(name, layer, "activation")
        assert made.data_class == data_class  # without one the default loader shows nothing at all
        assert made.plugin_data.plugin_name == name
        parsed = metadata.parse_series_metadata(made.plugin_data.content)
        assert parsed is not None
        assert (parsed.layer, parsed.quantity) == (layer, "activation")
        assert list(parsed.layer.gates) == ["update", "reset", "candidate"]


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b"{}", b"\x08\x63", b"\x08\x01"])
def test_foreign_metadata_is_none(content: bytes) -> None:
    assert metadata.parse_series_metadata(content) is None


def test_light_and_heavy_tags_of_a_series_differ() -> None:
    assert metadata.tag("rnn", "a", "x") != metadata.tag("rnn_arrays", "a", "x")


def test_tags_are_without_what_json_escapes_and_stay_apart() -> None:
    names = ['"', "%22", "%2522", "\\", "%5C", "%", "%25", "/", "é"]
    tags = [metadata.tag("rnn_arrays", layer, quantity) for layer in names for quantity in names]
    assert len(set(tags)) == len(tags)
    assert all(json.dumps(tag, ensure_ascii=False) == f'"{tag}"' for tag in tags)
