"""What `layers=` means, the same for every framework.

None: every recurrent layer. "*": every layer that can be recorded, recurrent or not. A layer's name, or a part of one:
looked for among the recurrent layers first, and among the others if it is none of those. An index: among the recurrent
layers, or among the others where the model has no recurrent one. A list: each of these.
"""

from collections.abc import Collection, Sequence
from typing import TypeAlias

Pick: TypeAlias = str | int | None

EVERY_LAYER = "*"

# A large model has hundreds of layers: an error message names no more than these.
_MOST_NAMED = 40


def checked_picks(layers: object) -> list[Pick]:
    """`layers` as a list, without a model to look into.

    Raises:
        TypeError: If it is neither None, a str, an int, nor a list of these.
        ValueError: If it is an empty list.
    """
    picks: list[Pick] = []
    for pick in layers if isinstance(layers, list | tuple) else [layers]:
        if isinstance(pick, bool) or not isinstance(pick, str | int | None):
            raise TypeError(f"layers: expected None, a layer's name, an int index, or a list of these, got {pick!r}.")
        picks.append(pick)
    if not picks:
        raise ValueError("layers: got an empty list; leave it out for every recurrent layer.")
    return picks


def picked(
    layers: object,
    recurrent: Sequence[str],
    others: Sequence[str] = (),
    *,
    without_recurrent: str = "model: it has no recurrent layer.",
) -> frozenset[str]:
    """The names of the layers that `layers` picks.

    Args:
        layers: What the user gave.
        recurrent: The names of the recurrent layers, in model order.
        others: The names of the other layers that can be recorded, in model order.
        without_recurrent: What an error says first where every recurrent layer is asked for and there is none; ends
            with a full stop.

    Raises:
        TypeError: If `layers` is of the wrong type.
        ValueError: If it picks a layer that doesn't exist.
    """
    chosen: set[str] = set()
    for pick in checked_picks(layers):
        if pick is None and not recurrent:
            raise ValueError(without_recurrent + _way_to(others))
        found = _matches(pick, recurrent, others)
        if not found and pick == EVERY_LAYER:
            raise ValueError(without_recurrent)
        if not found:
            raise ValueError(f"layers: {pick!r} is none of the model's {_there_is(recurrent, others)}.")
        chosen.update(found)
    return frozenset(chosen)


def _matches(pick: Pick, recurrent: Sequence[str], others: Sequence[str]) -> Collection[str]:
    if pick is None:
        return recurrent
    if pick == EVERY_LAYER:
        return [*recurrent, *others]
    if isinstance(pick, int):
        counted = recurrent or others
        return [counted[pick]] if -len(counted) <= pick < len(counted) else []
    return _named(pick, recurrent) or _named(pick, others)


def _named(pick: str, names: Sequence[str]) -> list[str]:
    """A full name means that layer alone, though it be part of others."""
    return [pick] if pick in names else [name for name in names if pick and pick in name]


def _way_to(others: Sequence[str]) -> str:
    if not others:
        return ""
    return f' layers="{EVERY_LAYER}" records its other layers, and a name one of them: {_listed(others)}.'


def _there_is(recurrent: Sequence[str], others: Sequence[str]) -> str:
    kinds = (("recurrent layers", recurrent), ("other layers", others))
    return ", nor of its ".join(f"{kind}: {_listed(names)}" for kind, names in kinds if names) or "layers: it has none"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more
