"""All rules on all layers of a run; and their findings in order: worst first, causes before what follows from them."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from tb_rnn_plugin.diagnostics.finding import SEVERITIES, Fault, Finding
from tb_rnn_plugin.diagnostics.gradient_rules import exploding, vanishing
from tb_rnn_plugin.diagnostics.histories import LayerHistory
from tb_rnn_plugin.diagnostics.nonfinite_rule import nonfinite
from tb_rnn_plugin.diagnostics.thresholds import Thresholds
from tb_rnn_plugin.diagnostics.unit_rules import dead_units, dormant_units, saturated_gates
from tb_rnn_plugin.diagnostics.weight_rules import learning_rate, odd_weights, stalled

_RULES: tuple[Callable[[LayerHistory, Thresholds], Iterator[Finding]], ...] = (
    learning_rate,
    exploding,
    odd_weights,
    saturated_gates,
    dead_units,
    dormant_units,
    vanishing,
    stalled,
)

# A cause before its consequences, where both began at the same step.
_CAUSES: tuple[Fault, ...] = (
    "learning_rate",
    "exploding",
    "nan",
    "large_weights",
    "dead_weights",
    "saturated_gate",
    "dead_units",
    "dormant_units",
    "vanishing",
    "stalled",
)

# What each may explain that began no earlier: anywhere in the run …
_EXPLAINS_ANYWHERE: Mapping[Fault, frozenset[Fault]] = MappingProxyType(
    {
        "learning_rate": frozenset(_CAUSES),
        "exploding": frozenset(_CAUSES),
        "nan": frozenset(_CAUSES),
    }
)
# … or in the same layer.
_EXPLAINS_IN_LAYER: Mapping[Fault, frozenset[Fault]] = MappingProxyType(
    {
        "large_weights": frozenset({"saturated_gate", "dead_units", "dormant_units", "vanishing"}),
        "dead_weights": frozenset({"dead_units", "vanishing"}),
        "saturated_gate": frozenset({"dead_units", "dormant_units", "vanishing", "stalled"}),
        "dead_units": frozenset({"dormant_units", "dead_weights", "vanishing", "stalled"}),
        "dormant_units": frozenset({"vanishing"}),
        "vanishing": frozenset({"stalled"}),
    }
)


def judge(histories: Sequence[LayerHistory], thresholds: Thresholds, run: str = "") -> list[Finding]:
    """What is wrong in one run, in order.

    Args:
        histories: Of its layers, in model order.
        thresholds: What divides the sick from the healthy.
        run: The run's name, which its findings bear.
    """
    found = list(nonfinite(histories, thresholds))
    for history in histories:
        for rule in _RULES:
            found.extend(_worst_of_each_fault(list(rule(history, thresholds))))
    return in_order([dataclasses.replace(finding, run=run) for finding in found])


def _worst_of_each_fault(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Of the same fault in several directions, gates or matrices of a layer: the worst, which names the others."""
    by_fault: dict[Fault, list[Finding]] = {}
    for finding in findings:
        by_fault.setdefault(finding.fault, []).append(finding)
    for alike in by_fault.values():
        worst, *others = sorted(alike, key=lambda finding: (-_rank(finding), finding.since))
        named = list(dict.fromkeys(_named(other) for other in others if _named(other) != _named(worst)))
        likewise = f" Likewise: {', '.join(named)}." if named else ""
        also = tuple(other.key for other in others)
        yield dataclasses.replace(worst, explanation=worst.explanation + likewise, also=also)


def _named(finding: Finding) -> str:
    parts = [finding.gate and f"{finding.gate} gate", finding.matrix.replace("_", " "), finding.direction]
    return " ".join(part for part in parts if part)


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Worst first, but a cause before its consequences: it is as grave as the worst of them.

    Findings of several runs may be mixed; only those of the same run explain each other.
    """
    earliest_first = sorted(
        findings, key=lambda finding: (finding.since, _CAUSES.index(finding.fault), -_rank(finding))
    )
    causes = [_cause(place, earliest_first) for place in range(len(earliest_first))]
    gravity = [_rank(finding) for finding in earliest_first]
    for place in reversed(range(len(earliest_first))):
        cause = causes[place]
        if cause is not None:
            gravity[cause] = max(gravity[cause], gravity[place])
    order: list[int] = []

    def add(place: int) -> None:
        order.append(place)
        for consequence in by_gravity:
            if causes[consequence] == place:
                add(consequence)

    by_gravity = sorted(range(len(earliest_first)), key=lambda place: (-gravity[place], place))
    for place in by_gravity:
        if causes[place] is None:
            add(place)
    new_places = {old: new for new, old in enumerate(order)}
    return [
        dataclasses.replace(earliest_first[old], follows=None if (cause := causes[old]) is None else new_places[cause])
        for old in order
    ]


def _cause(place: int, earliest_first: Sequence[Finding]) -> int | None:
    """The first of the findings before this one that may explain it."""
    finding = earliest_first[place]
    for before, cause in enumerate(earliest_first[:place]):
        if cause.run != finding.run or cause.severity == "note":
            continue
        anywhere = finding.fault in _EXPLAINS_ANYWHERE.get(cause.fault, ())
        in_layer = finding.fault in _EXPLAINS_IN_LAYER.get(cause.fault, ()) and cause.layer == finding.layer
        if anywhere or in_layer:
            return before
    return None


def _rank(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)
