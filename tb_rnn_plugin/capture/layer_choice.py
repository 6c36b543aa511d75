"""What `layers=` means, the same for every framework: None or "*", a name or a part of one, an index, or a list."""

from typing import TypeAlias

Pick: TypeAlias = str | int | None


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


def matches(pick: Pick, names: list[str]) -> list[int]:
    """The indexes of the names that are meant. A full name means that layer alone, though it be part of others."""
    if isinstance(pick, int):
        return [range(len(names))[pick]] if -len(names) <= pick < len(names) else []
    if pick is None or pick == "*":
        return list(range(len(names)))
    if pick in names:
        return [names.index(pick)]
    return [index for index, name in enumerate(names) if pick and pick in name]


def picked(layers: object, names: list[str]) -> list[int]:
    """The indexes of the names that `layers` picks, in their order.

    Raises:
        TypeError: If `layers` is of the wrong type.
        ValueError: If it picks a layer that doesn't exist.
    """
    chosen: set[int] = set()
    for pick in checked_picks(layers):
        found = matches(pick, names)
        if not found:
            raise ValueError(
                f"layers: {pick!r} is none of the model's recurrent layers: {', '.join(map(repr, names))}."
            )
        chosen.update(found)
    return sorted(chosen)
