"""The state machine of permission: what a person's acts, in the order recorded, amount to.

Pure: `stand(acts)` folds the history of one contact, topic and channel, acts on everything included.
The rules, in the order of their weight:

- Opt-out wins. After a no of the person only a fresh act of that person opens the topic again.
- An act with a past `occurred_at` (an import, a late report) may only weaken: it gives a permission only
  where nothing stood before, and a past no counts unless the person said a fresh yes after it.
- An import's claim without evidence is never a permission.
- Another basis than consent counts only where nobody was ever asked: never after a no, and never in the
  place of a consent that ended.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from consent.models import ActorRole, Kind, Method, Permission

State = Permission.State

UNDO_WINDOW = timedelta(minutes=10)
NO = {
    Kind.WITHDRAWN: State.WITHDRAWN,
    Kind.OBJECTED: State.OBJECTED,
    Kind.COMPLAINED: State.COMPLAINED,
    Kind.REFUSED: State.REFUSED,
}
END = {
    Kind.REVOKED: State.REVOKED,
    Kind.EXPIRED: State.EXPIRED,
    Kind.INVALIDATED: State.INVALIDATED,
}
# How a person acts from the address itself; a form can be filled in by anybody.
OWN_METHODS = frozenset({Method.CONFIRMATION, Method.PREFERENCES, Method.KEYWORD})


class Act(NamedTuple):
    """One event as the state machine sees it; the last three come with a yes."""

    event_id: int
    kind: str
    method: str
    actor_role: str
    basis: str
    occurred_at: datetime
    recorded_at: datetime
    undoes_id: int | None = None
    address_id: int | None = None
    wording_id: int | None = None
    valid_until: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Recorded as it happened."""
        return self.occurred_at == self.recorded_at

    @property
    def is_fresh(self) -> bool:
        """A live act of the person, from the address itself."""
        return self.is_live and self.actor_role == ActorRole.SUBJECT and self.method in OWN_METHODS


class Standing(NamedTuple):
    """What stands for one contact, topic and channel: the columns of a permission."""

    state: str
    stopped: bool
    since: datetime
    event_id: int
    basis: str = ""
    method: str = ""
    address_id: int | None = None
    wording_id: int | None = None
    valid_until: datetime | None = None
    fresh_at: datetime | None = None
    before: "Standing | None" = None


def stand(acts: Iterable[Act]) -> Standing | None:
    """Fold acts in the order they were recorded; `None` where nothing was ever said."""
    standing: Standing | None = None
    for act in acts:
        standing = follow(standing, act)
    return standing


def follow(standing: Standing | None, act: Act) -> Standing | None:
    """What stands after one more act."""
    if standing and standing.state == State.ERASED:
        return standing
    after = _AFTER.get(act.kind)
    return after(standing, act) if after else standing


def _after_erasure(standing: Standing | None, act: Act) -> Standing:
    return _stopped(State.ERASED, act, None)


def _after_no(standing: Standing | None, act: Act) -> Standing:
    if standing and standing.fresh_at and act.occurred_at < standing.fresh_at:
        return standing
    if standing and standing.stopped and act.kind == Kind.REFUSED:
        return standing
    state = NO[Kind(act.kind)]
    if state == State.REFUSED and standing and standing.state == State.GRANTED:
        state = State.WITHDRAWN
    return _stopped(state, act, standing)


def _stopped(state: str, act: Act, before: Standing | None) -> Standing:
    return Standing(
        state,
        stopped=True,
        since=act.occurred_at,
        event_id=act.event_id,
        before=before._replace(before=None) if before else None,
    )


def _after_end(standing: Standing | None, act: Act) -> Standing | None:
    """The permission ends without a word of the person; a stop of the person stays a stop."""
    if standing is None or standing.state not in {State.GRANTED, State.PENDING}:
        return standing
    return Standing(END[Kind(act.kind)], standing.stopped, act.occurred_at, act.event_id)


def _after_yes(standing: Standing | None, act: Act) -> Standing:
    if act.is_fresh:
        return _granted(act, fresh_at=act.occurred_at)
    if standing is None or standing.state == State.CLAIMED:
        return _granted(act)
    return _granted(act) if act.is_live and not standing.stopped else standing


def _after_basis(standing: Standing | None, act: Act) -> Standing:
    if standing is None or standing.state == State.CLAIMED:
        return _granted(act)
    return standing


def _granted(act: Act, fresh_at: datetime | None = None) -> Standing:
    return Standing(
        State.GRANTED,
        False,
        act.occurred_at,
        act.event_id,
        act.basis,
        act.method,
        act.address_id,
        act.wording_id,
        act.valid_until,
        fresh_at,
    )


def _after_request(standing: Standing | None, act: Act) -> Standing:
    if standing and standing.state == State.GRANTED:
        return standing
    return Standing(
        State.PENDING, bool(standing and standing.stopped), act.occurred_at, act.event_id
    )


def _after_claim(standing: Standing | None, act: Act) -> Standing:
    return standing or Standing(State.CLAIMED, False, act.occurred_at, act.event_id)


def _after_undo(standing: Standing | None, act: Act) -> Standing | None:
    """Only the withdrawal that still stands, within minutes, and back to what stood before it."""
    if (
        standing is None
        or standing.event_id != act.undoes_id
        or standing.state != State.WITHDRAWN
        or standing.before is None
        or standing.before.state != State.GRANTED
        or act.occurred_at - standing.since > UNDO_WINDOW
    ):
        return standing
    return standing.before._replace(event_id=act.event_id, fresh_at=act.occurred_at)


_AFTER: dict[str, Callable[[Standing | None, Act], Standing | None]] = {
    Kind.ERASED: _after_erasure,
    **dict.fromkeys(NO, _after_no),
    **dict.fromkeys(END, _after_end),
    Kind.GIVEN: _after_yes,
    Kind.RENEWED: _after_yes,
    Kind.BASIS_RECORDED: _after_basis,
    Kind.REQUESTED: _after_request,
    Kind.ASSERTED: _after_claim,
    Kind.UNDONE: _after_undo,
}
