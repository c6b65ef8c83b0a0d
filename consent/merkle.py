"""The Merkle tree over the ledger (RFC 9162 §2.1): roots, inclusion and consistency proofs.

Bytes in, bytes out: no database. A hash is always 32 bytes of SHA-256. A wrong proof is answered
with `False`, never with an exception.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple, Self

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

# Kept beside the leaves: the root of every complete run of 1,024 leaves (tier 1), of every 1,024 of
# those (tier 2), and so on: 0.1 % of the leaves. A proof reads at most two tiles of 1,024 per tier.
TILE_LEVELS = 10
TILE_SIZE = 1 << TILE_LEVELS

Fetch = Callable[[int, int, int], Sequence[bytes]]
"""`fetch(tier, start, stop)` answers the hashes of the complete nodes `start <= place < stop` of a
tier, in order; it is never asked for more than `TILE_SIZE`. Tier 0 are the leaves; the node `place`
of tier `t` covers the `TILE_SIZE ** t` leaves from `place * TILE_SIZE ** t`."""


class Node(NamedTuple):
    """The root of the complete subtree number `place`, from 0, of `TILE_SIZE ** tier` leaves."""

    tier: int
    place: int
    hash: bytes


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """The Merkle tree hash of the leaf hashes, in order."""
    nodes = list(leaves)
    while len(nodes) > 1:
        nodes = _pair(nodes)
    return nodes[0] if nodes else EMPTY_ROOT


def _pair(nodes: list[bytes]) -> list[bytes]:
    """One level up; a last node without a partner rises as it is."""
    parents = [
        sha256(b"\x01" + left + right).digest()
        for left, right in zip(nodes[::2], nodes[1::2], strict=False)
    ]
    if len(nodes) % 2:
        parents.append(nodes[-1])
    return parents


class Frontier:
    """The right edge of a growing tree: all that is needed to append leaves and to tell the root.

    Holds one hash per set bit of `size`, so 100 million leaves take some 900 bytes.
    """

    def __init__(self) -> None:
        self.size = 0
        self._peaks: dict[
            int, bytes
        ] = {}  # level -> root of the complete subtree of 2**level leaves

    def append(self, leaf: bytes) -> list[Node]:
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> list[Node]:
        """Append leaf hashes in order; answer the nodes of tier 1 and above that became complete.

        Costs one hash per leaf, whatever the size of the tree. Store the answered nodes: proofs
        read them.
        """
        completed: list[Node] = []
        nodes = list(leaves)
        complete_before = self.size
        self.size += len(nodes)
        level = 0
        while nodes:
            if level and level % TILE_LEVELS == 0:
                tier = level // TILE_LEVELS
                completed += (
                    Node(tier, place, node) for place, node in enumerate(nodes, complete_before)
                )
            if level in self._peaks:
                nodes.insert(0, self._peaks.pop(level))
            if len(nodes) % 2:
                self._peaks[level] = nodes.pop()
            nodes = _pair(nodes)
            complete_before >>= 1
            level += 1
        return completed

    def root(self) -> bytes:
        """The Merkle tree hash of everything appended so far."""
        edge: bytes | None = None
        for level in sorted(self._peaks):
            peak = self._peaks[level]
            edge = peak if edge is None else node_hash(peak, edge)
        return EMPTY_ROOT if edge is None else edge

    def copy(self) -> Self:
        return self.from_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """The state: the size as 8 bytes, big-endian, then the peaks from the lowest level up."""
        peaks = b"".join(self._peaks[level] for level in sorted(self._peaks))
        return self.size.to_bytes(8, "big") + peaks

    @classmethod
    def from_bytes(cls, state: bytes) -> Self:
        """The frontier that `to_bytes` wrote.

        Raises ValueError where the length does not fit the size it states.
        """
        frontier = cls()
        frontier.size = int.from_bytes(state[:8], "big")
        levels = [level for level in range(64) if frontier.size >> level & 1]
        if len(state) != 8 + HASH_SIZE * len(levels):
            raise ValueError("This is not the state of a frontier: its length is wrong.")
        for number, level in enumerate(levels):
            start = 8 + HASH_SIZE * number
            frontier._peaks[level] = state[start : start + HASH_SIZE]
        return frontier


def inclusion_proof(position: int, size: int, fetch: Fetch) -> list[bytes]:
    """The audit path of the leaf at `position` in the tree of the first `size` leaves (§2.1.3.1).

    Raises ValueError where there is no such leaf, or where `fetch` answers too few nodes.
    """
    if not 0 <= position < size:
        raise ValueError(f"There is no leaf {position} in a tree of {size}.")
    return _Tree(size, fetch).path(position, 0, size)


def consistency_proof(first: int, second: int, fetch: Fetch) -> list[bytes]:
    """The proof that the tree of `first` leaves is a prefix of that of `second` (§2.1.4.1).

    Raises ValueError where `first` is larger, or where `fetch` answers too few nodes.
    """
    if not 0 <= first <= second:
        raise ValueError(f"A tree of {first} is no prefix of a tree of {second}.")
    if first in (0, second):
        return []
    return _Tree(second, fetch).prefix(first, 0, second, known=True)


class _Tree:
    """The tree of the first `size` leaves, read one tile at a time, each tile once."""

    def __init__(self, size: int, fetch: Fetch) -> None:
        self._size = size
        self._fetch = fetch
        self._tiles: dict[tuple[int, int], Sequence[bytes]] = {}

    def path(self, position: int, low: int, high: int) -> list[bytes]:
        if high - low == 1:
            return []
        middle = low + _largest_power_below(high - low)
        if position < middle:
            return [*self.path(position, low, middle), self.hash(middle, high)]
        return [*self.path(position, middle, high), self.hash(low, middle)]

    def prefix(self, first: int, low: int, high: int, *, known: bool) -> list[bytes]:
        """SUBPROOF of RFC 9162; `known` while the verifier holds the root of this very range."""
        if first == high:
            return [] if known else [self.hash(low, high)]
        middle = low + _largest_power_below(high - low)
        if first <= middle:
            return [*self.prefix(first, low, middle, known=known), self.hash(middle, high)]
        return [*self.prefix(first, middle, high, known=False), self.hash(low, middle)]

    def hash(self, low: int, high: int) -> bytes:
        """The Merkle tree hash of a range that the tree has a node for."""
        tier, span = 0, 1
        while span * TILE_SIZE <= high - low:
            tier, span = tier + 1, span * TILE_SIZE
        nodes = list(self._nodes(tier, low // span, high // span))
        if high % span:
            nodes.append(self.hash(high - high % span, high))
        return root(nodes)

    def _nodes(self, tier: int, start: int, stop: int) -> Sequence[bytes]:
        tile = start // TILE_SIZE
        first = tile * TILE_SIZE
        if (tier, tile) not in self._tiles:
            last = min(first + TILE_SIZE, self._size // TILE_SIZE**tier)
            nodes = self._fetch(tier, first, last)
            if len(nodes) != last - first:
                raise ValueError(f"Nodes are missing in tier {tier} between {first} and {last}.")
            self._tiles[tier, tile] = nodes
        return self._tiles[tier, tile][start - first : stop - first]


def _largest_power_below(count: int) -> int:
    """The largest power of two that is smaller than `count`, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1


def verify_inclusion(
    leaf: bytes, position: int, size: int, path: Sequence[bytes], tree_root: bytes
) -> bool:
    """Is `leaf` the leaf at `position` of the tree of `size` leaves with that root (§2.1.3.2)?"""
    if not 0 <= position < size:
        return False
    index, last, found = position, size - 1, leaf
    for sibling in path:
        if last == 0 or len(sibling) != HASH_SIZE:
            return False
        if index % 2 or index == last:
            found = node_hash(sibling, found)
            while index and index % 2 == 0:
                index, last = index >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and found == tree_root


def verify_consistency(
    first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Does the tree of `second` leaves begin with the whole tree of `first` (§2.1.4.2)?"""
    if not 0 <= first <= second or any(len(node) != HASH_SIZE for node in path):
        return False
    if first == 0:
        return not path and first_root == EMPTY_ROOT
    if first == second:
        return not path and first_root == second_root
    nodes = [first_root, *path] if first & (first - 1) == 0 else list(path)
    if not nodes:
        return False
    index, last = first - 1, second - 1
    while index % 2:
        index, last = index >> 1, last >> 1
    old = new = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if index % 2 or index == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while index and index % 2 == 0:
                index, last = index >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root
