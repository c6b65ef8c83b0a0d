from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import merkle

# The inputs and roots of the RFC 6962 test suite of the Certificate Transparency project.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
sizes = st.one_of(
    st.integers(1, 40), st.integers(1, 3200), st.sampled_from([1023, 1024, 1025, 2048])
)


def some_leaves(size: int) -> list[bytes]:
    return [merkle.leaf_hash(str(number).encode()) for number in range(size)]


def root_by_definition(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = root_by_definition(leaves[:split]), root_by_definition(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


class Store:
    """Leaves and stored nodes as a database would hold them."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.calls = 0
        self.tiers: dict[int, dict[int, bytes]] = {0: dict(enumerate(leaves))}
        for node in merkle.Frontier().extend(leaves):
            self.tiers.setdefault(node.tier, {})[node.place] = node.hash

    def fetch(self, tier: int, start: int, stop: int) -> list[bytes]:
        assert stop - start <= merkle.TILE_SIZE
        self.calls += 1
        nodes = self.tiers.get(tier, {})
        return [nodes[place] for place in range(start, stop) if place in nodes]


def flip(value: bytes, bit: int) -> bytes:
    changed = bytearray(value)
    changed[bit // 8 % len(value)] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("size", range(1, 9))
def test_it_gives_the_published_roots(size):
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_it_gives_the_published_root_when_the_tree_is_empty():
    assert merkle.root([]) == merkle.Frontier().root() == sha256(b"").digest()


@pytest.mark.parametrize(
    ("position", "size", "path"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ],
)
def test_it_gives_the_published_inclusion_proofs(position, size, path):
    found = merkle.inclusion_proof(position, size, Store(LEAVES).fetch)

    assert [node.hex() for node in found] == path


@pytest.mark.parametrize(
    ("first", "second", "path"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_it_gives_the_published_consistency_proofs(first, second, path):
    found = merkle.consistency_proof(first, second, Store(LEAVES).fetch)

    assert [node.hex() for node in found] == path


@given(batches=st.lists(st.integers(0, 700), max_size=8))
def test_it_gives_the_root_by_definition_however_leaves_arrive(batches):
    leaves = some_leaves(sum(batches))
    frontier, start = merkle.Frontier(), 0

    for batch in batches:
        frontier = merkle.Frontier.from_bytes(frontier.to_bytes())
        frontier.extend(leaves[start : start + batch])
        start += batch
        assert frontier.root() == merkle.root(leaves[:start])

    assert frontier.size == len(leaves)
    assert frontier.root() == root_by_definition(leaves)


def test_it_gives_the_same_when_leaves_come_one_by_one():
    leaves = some_leaves(2100)
    frontier = merkle.Frontier()

    nodes = [node for leaf in leaves for node in frontier.append(leaf)]

    assert nodes == merkle.Frontier().extend(leaves)
    assert nodes == [
        merkle.Node(1, 0, root_by_definition(leaves[:1024])),
        merkle.Node(1, 1, root_by_definition(leaves[1024:2048])),
    ]
    assert frontier.root() == root_by_definition(leaves)


def test_it_leaves_the_original_alone_when_a_copy_grows():
    frontier = merkle.Frontier()
    frontier.extend(some_leaves(3))
    before = frontier.root()

    frontier.copy().append(LEAVES[0])

    assert (frontier.size, frontier.root()) == (3, before)


@pytest.mark.parametrize("state", [b"", b"\0" * 7, b"\0" * 9, (3).to_bytes(8, "big") + b"\0" * 32])
def test_it_refuses_a_state_when_its_length_is_wrong(state):
    with pytest.raises(ValueError, match="length"):
        merkle.Frontier.from_bytes(state)


@given(size=sizes, data=st.data())
def test_every_inclusion_proof_verifies_and_none_with_a_flipped_bit(size, data):
    leaves = some_leaves(size)
    position = data.draw(st.integers(0, size - 1))
    root = merkle.root(leaves)
    path = merkle.inclusion_proof(position, size, Store(leaves).fetch)
    bit = data.draw(st.integers(0, 255))

    assert merkle.verify_inclusion(leaves[position], position, size, path, root)

    assert not merkle.verify_inclusion(flip(leaves[position], bit), position, size, path, root)
    assert not merkle.verify_inclusion(leaves[position], position, size, path, flip(root, bit))
    assert not merkle.verify_inclusion(leaves[position], position, size, [*path, root], root)
    for place, node in enumerate(path):
        bent = [*path[:place], flip(node, bit), *path[place + 1 :]]
        assert not merkle.verify_inclusion(leaves[position], position, size, bent, root)
        short = [*path[:place], *path[place + 1 :]]
        assert not merkle.verify_inclusion(leaves[position], position, size, short, root)


@given(size=st.integers(2, 300), data=st.data())
def test_an_inclusion_proof_names_one_position_only(size, data):
    leaves = some_leaves(size)
    position = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(-1, size).filter(lambda number: number != position))
    path = merkle.inclusion_proof(position, size, Store(leaves).fetch)

    assert not merkle.verify_inclusion(leaves[position], other, size, path, merkle.root(leaves))


def test_it_refuses_a_node_between_leaf_and_root_when_it_is_shown_as_a_leaf():
    node = merkle.node_hash(LEAVES[0], LEAVES[1])
    path = merkle.inclusion_proof(0, 8, Store(LEAVES).fetch)

    assert not merkle.verify_inclusion(node, 0, 8, path[1:], merkle.root(LEAVES))


def test_it_refuses_a_path_when_it_is_longer_than_the_tree_is_high():
    beyond = merkle.node_hash(LEAVES[1], LEAVES[0])

    assert not merkle.verify_inclusion(LEAVES[0], 0, 1, [LEAVES[1]], beyond)


@given(second=sizes, data=st.data())
def test_every_consistency_proof_verifies_and_none_with_a_flipped_bit(second, data):
    leaves = some_leaves(second)
    first = data.draw(st.integers(0, second))
    old, new = merkle.root(leaves[:first]), merkle.root(leaves)
    path = merkle.consistency_proof(first, second, Store(leaves).fetch)
    bit = data.draw(st.integers(0, 255))

    assert merkle.verify_consistency(first, second, path, old, new)

    assert not merkle.verify_consistency(first, second, path, flip(old, bit), new)
    assert not merkle.verify_consistency(first, second, [*path, new], old, new)
    if first:
        assert not merkle.verify_consistency(first, second, path, old, flip(new, bit))
    for place, node in enumerate(path):
        bent = [*path[:place], flip(node, bit), *path[place + 1 :]]
        assert not merkle.verify_consistency(first, second, bent, old, new)


def test_it_finds_no_consistency_when_an_old_leaf_was_changed():
    leaves = some_leaves(1500)
    old = merkle.root(leaves[:900])
    leaves[17] = merkle.leaf_hash(b"something else")
    path = merkle.consistency_proof(900, 1500, Store(leaves).fetch)

    assert not merkle.verify_consistency(900, 1500, path, old, merkle.root(leaves))


@pytest.mark.parametrize(("first", "second"), [(3, 2), (-1, 2), (2, 5), (3, 5)])
def test_it_answers_no_when_the_proof_is_impossible(first, second):
    assert not merkle.verify_consistency(first, second, [], bytes(32), bytes(32))


def test_it_reads_few_tiles_when_the_tree_is_large():
    size = 5 * 1024 + 300
    store = Store(some_leaves(size))

    path = merkle.inclusion_proof(2100, size, store.fetch)

    assert store.calls <= 3
    assert len(path) == 13


@pytest.mark.parametrize(("position", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_it_refuses_a_proof_when_there_is_no_such_leaf(position, size):
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_proof(position, size, Store(LEAVES).fetch)


def test_it_refuses_a_proof_when_the_first_tree_is_the_larger():
    with pytest.raises(ValueError, match="no prefix"):
        merkle.consistency_proof(5, 4, Store(LEAVES).fetch)


def test_it_refuses_a_proof_when_stored_nodes_are_missing():
    with pytest.raises(ValueError, match="missing in tier 0 between 0 and 9"):
        merkle.inclusion_proof(2, 9, Store(LEAVES).fetch)
