"""N people you may not mail, and why."""

import json

import pytest
from django.core.management import CommandError, call_command

from consent import ledger, old_lists, soft_opt_in
from consent.gate import Reason
from consent.models import Kind, Method, Suppression
from contacts.models import Channel
from tests import make

pytestmark = pytest.mark.django_db

EMAIL = Channel.EMAIL


@pytest.fixture
def topic(settings):
    """One person of every kind, and two who were never asked."""
    settings.SOFT_OPT_IN_REASON = "PECR regulation 22(3)"
    topic = make.topic()
    make.granted(make.contact(), topic)
    make.given_elsewhere(make.contact(), topic)
    soft_opt_in.record(
        contact=make.contact(), topic=topic, channel=EMAIL, occurred_at=make.LONG_AGO,
        actor=ledger.staff(None), facts=soft_opt_in.Facts(
            sale="Order 4711", products="books", collected_by="Lumen", refusal_offered="Box v2"
        ),
    )  # fmt: skip
    make.contact()
    make.contact()
    ledger.record(contact=make.contact(), topic=topic, channel=EMAIL, kind=Kind.ASSERTED,
                  method=Method.IMPORT, actor=ledger.staff(None))  # fmt: skip
    cy = make.contact()
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    ledger.suppress(channel=EMAIL, fingerprint=make.contact().addresses.get().fingerprint,
                    topic=None, cause=Suppression.Cause.LISTED, since=make.LONG_AGO)  # fmt: skip
    return topic


def test_it_counts_people_by_what_can_be_shown(topic):
    lines = {
        (line.evidence, line.reason): line.people
        for line in old_lists.report(topic=topic, channel=EMAIL)
    }
    assert lines == {
        ("A", ""): 2, ("B", ""): 1, ("C", Reason.NEVER_ASKED): 2, ("C", Reason.CLAIMED): 1,
        ("D", Reason.SUPPRESSED): 1, ("D", Reason.WITHDRAWN): 1,
    }  # fmt: skip


def test_it_says_how_many_may_not_be_mailed(topic, capsys):
    call_command("report_unmailable")
    said = capsys.readouterr().out
    assert "Product news by email: 5 people you may not mail." in said
    assert "1  consent is claimed, not shown" in said
    call_command("report_unmailable", "--json", topic=topic.key)
    told = json.loads(capsys.readouterr().out)
    assert (told["mailable"], told["unmailable"]) == (3, 5)


def test_it_refuses_a_topic_it_does_not_know():
    with pytest.raises(CommandError, match="no topic"):
        call_command("report_unmailable", topic="unknown")
