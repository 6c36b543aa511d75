"""Plugin names, tags, and the metadata by which TensorBoard knows a series as ours."""

from google.protobuf.message import DecodeError
from tensorboard.compat.proto import summary_pb2

from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import Layer, SeriesMetadata

#: The light summaries (DATA_CLASS_TENSOR), and the name of the tab.
PLUGIN_NAME = "rnn"
#: The arrays (DATA_CLASS_BLOB_SEQUENCE): a name of their own, because they need a lower cap.
ARRAYS_PLUGIN_NAME = "rnn_arrays"

#: Raised when an older reader would misread what is written.
SCHEMA_VERSION = 1

#: How many steps of a series TensorBoard keeps in memory, when the user's own flags don't say. The arrays' cap keeps
#: 10 runs x 3 layers of LSTM-256 (4 samples of 100 timesteps of eight sequences, weights and weight gradients) under
#: 1 GB: 0.86 GB.
DEFAULT_SAMPLES = {PLUGIN_NAME: 1000, ARRAYS_PLUGIN_NAME: 4}


# TensorBoard's data server gives out keys of blobs, JSON with the tag in it, and can't read them back where JSON has to
# escape a character. The "%" is among them so that no two tags become one.
_IN_TAGS = str.maketrans({'"': "%22", "\\": "%5C", "%": "%25"})


def tag(plugin_name: str, layer: str, quantity: str) -> str:
    """The tag of a series. A run's tags share one namespace, so light and heavy data have tags of their own."""
    return f"{plugin_name}/{layer}:{quantity}".translate(_IN_TAGS)


def layer_message(record: LayerRecord, position: int) -> Layer:
    """What of a record stays the same from step to step."""
    return Layer(
        name=record.name,
        cell=record.cell or "",
        units=record.units or 0,
        directions=record.directions,
        gates=record.gates,
        framework=record.framework,
        projection=record.projection or 0,
        position=position,
        space=record.space,
    )


def summary_metadata(plugin_name: str, layer: Layer, quantity: str) -> summary_pb2.SummaryMetadata:
    """The metadata of a series. Without a data class the default loader would drop it without a word."""
    data_class = {
        PLUGIN_NAME: summary_pb2.DATA_CLASS_TENSOR,
        ARRAYS_PLUGIN_NAME: summary_pb2.DATA_CLASS_BLOB_SEQUENCE,
    }[plugin_name]
    content = SeriesMetadata(schema_version=SCHEMA_VERSION, layer=layer, quantity=quantity)
    return summary_pb2.SummaryMetadata(
        plugin_data=summary_pb2.SummaryMetadata.PluginData(
            plugin_name=plugin_name, content=content.SerializeToString()
        ),
        data_class=data_class,
    )


def scalar_tag(layer: str, measure: str) -> str:
    """The tag of a measure among the scalars of Time Series. No series of ours has it: theirs have a ':'."""
    return f"{PLUGIN_NAME}/{layer}/{measure}"


def scalar_metadata() -> summary_pb2.SummaryMetadata:
    """The metadata of a scalar, as TensorBoard's own have it."""
    return summary_pb2.SummaryMetadata(
        plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="scalars"),
        data_class=summary_pb2.DATA_CLASS_SCALAR,
    )


def parse_series_metadata(content: bytes) -> SeriesMetadata | None:
    """What a series is of; None when another version of this plugin, or something else, wrote it."""
    parsed = SeriesMetadata()
    try:
        parsed.ParseFromString(content)
    except DecodeError:
        return None
    return parsed if parsed.schema_version == SCHEMA_VERSION and parsed.layer.name and parsed.quantity else None
