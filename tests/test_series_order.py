"""Series as the index and the tab list them."""

from tb_rnn_plugin.rnn_data_pb2 import Layer, SeriesMetadata
from tb_rnn_plugin.serving.series_order import series_order


def test_layers_in_model_order_and_their_quantities_in_the_order_of_the_api() -> None:
    quantities = ["activation", "bptt_gradient", "reach", "reach/9", "reach/10", "weights", "gate/forget", "gate/input"]
    wanted = [
        SeriesMetadata(layer=Layer(name=name, position=position), quantity=quantity)
        for position, name in ((0, "second"), (0, "secondary"), (2, "first"))
        for quantity in quantities
    ]
    mixed = wanted[5:] + wanted[:5]
    assert sorted(mixed, key=series_order) == wanted
