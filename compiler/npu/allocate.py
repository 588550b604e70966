"""Addresses of storages in the unified buffer: greedy by size, by lifetime."""

from collections.abc import Sequence

from .views import Storage

__all__ = ["allocate"]


def allocate(storages: Sequence[Storage], start: int = 0) -> int:
    """Give each storage an address, so that no two that live at the same time overlap.

    Parameters
    ----------
    storages : sequence of Storage
        Their `address` is set.
    start : int
        First free byte.

    Returns
    -------
    int
        The byte behind the highest one.
    """
    placed: list[Storage] = []
    end = start
    for storage in sorted(storages, key=lambda s: (-s.size, s.first)):
        others = sorted(
            (o for o in placed if o.first <= storage.last and storage.first <= o.last), key=lambda o: o.address
        )
        address = start
        for other in others:
            if address + storage.size <= other.address:
                break
            address = max(address, other.address + other.size)
        storage.address = address
        placed.append(storage)
        end = max(end, address + storage.size)
    return end
