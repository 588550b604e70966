"""Lifetime-based address allocation in the unified buffer, greedy by size."""

from collections.abc import Sequence

from .views import Storage

__all__ = ["allocate"]


def allocate(storages: Sequence[Storage], start: int = 0) -> int:
    """Assign an address to each storage such that no two live storages overlap.

    Parameters
    ----------
    storages : sequence of Storage
        Storages to place; their `address` is set.
    start : int
        First free byte address.

    Returns
    -------
    int
        Address one past the highest byte used.
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
