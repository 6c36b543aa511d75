"""Why a measure is not there: a sentence in place of an empty cell."""

from tb_rnn_plugin.diagnostics import catalogue as names
from tb_rnn_plugin.diagnostics.histories import LayerHistory
from tb_rnn_plugin.quantity_names import ACTIVATION, BPTT_GRADIENT
from tb_rnn_plugin.record import WEIGHTS

_EARLIER = "these logs hold no measures; an earlier version wrote them."


def absence(column: str, history: LayerHistory) -> str:
    """The reason for which a column of the overview is empty in a layer's row."""
    layer, quantities = history.layer, history.quantities
    if column in {names.GRADIENT_HORIZON, names.VANISHED_TIMESTEPS, names.HALF_LIFE}:
        return _without_reach(history)
    if column == names.UPDATE_RATIO:
        return _without_updates(history)
    if not layer.cell:
        return "only recurrent layers are measured so."
    if column == names.SATURATED:
        if layer.cell == "rnn":
            return "a plain RNN has no gates."
        if not any(quantity.startswith("gate/") for quantity in quantities):
            return "the gates were not recorded: they come with bptt=True, where quantities= does not leave them out."
        return _EARLIER
    return _EARLIER if ACTIVATION in quantities else "the activation was not recorded."


def _without_updates(history: LayerHistory) -> str:
    weights = history.quantities.get(WEIGHTS)
    if weights is None:
        return "the weights were not recorded."
    return "it needs two writes." if weights.steps.size < 2 else _EARLIER


def _without_reach(history: LayerHistory) -> str:
    bptt = history.quantities.get(BPTT_GRADIENT)
    if bptt is not None:
        if bptt.timesteps <= 1:
            return "there is one timestep only."
        return "the gradient is zero, or not finite, at every timestep."
    if not history.layer.cell:
        return "only recurrent layers have a gradient through time."
    return (
        "the gradient through time was not recorded: it comes with bptt=True, where quantities= does not leave it out. "
        "The output gradient is the direct path alone, and says nothing of reach."
    )
