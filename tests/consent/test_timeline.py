"""One timeline per contact: permissions, messages, activity and requests, each for those who may see it."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns import audience
from contacts.models import Contact, SubjectRequest
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    topic = make.topic()
    ada = make.contact("ada@example.org")
    make.granted(ada, topic)
    make.withdrawn(ada, topic)
    audience.freeze(make.campaign(topic, name="Spring letter"), lanes=1)
    now = timezone.now()
    SubjectRequest.objects.create(
        contact=ada, kind="access", due_at=now, received_at=now, settled_at=now, state="done"
    )
    Contact.objects.filter(pk=ada.pk).update(created_at=now - timedelta(days=400))
    return ada


def lines(client, contact):
    page = client.get(reverse("admin:contacts_contact_change", args=[contact.pk]))
    [panel] = [each for each in page.context_data["panels"] if "timeline" in each.template]
    assert 'class="desk-timeline"' in page.content.decode()
    return [str(moment.words) for moment in panel.context["moments"]]


def test_it_tells_everything_in_the_order_it_happened(client, ada):
    client.force_login(make.staff())
    told = lines(client, ada)
    for words in (
        "withdrawn · Product news · email",
        "given · Product news · email",
        "Spring letter · withheld (withdrew)",
        "access · done",
    ):
        assert words in told, told
    assert told[-1] == "became known"
    withdrawn, given = (
        told.index(f"{kind} · Product news · email") for kind in ("withdrawn", "given")
    )
    assert withdrawn < given


def test_it_tells_nobody_what_they_may_not_see(client, ada):
    staff = make.staff("nora", superuser=False)
    staff.user_permissions.add(Permission.objects.get(codename="view_contact"))
    client.force_login(staff)
    assert lines(client, ada) == ["new address: email", "became known"]


def test_it_leads_to_the_older_ones_as_far_back_as_they_go(client, ada):
    """Every moment stands on one page and on no other, those of one instant together."""
    now = timezone.now()
    SubjectRequest.objects.bulk_create(
        SubjectRequest(
            contact=ada, kind="access", due_at=now, received_at=now - timedelta(days=ago // 4)
        )
        for ago in range(100)
    )
    client.force_login(make.staff())
    address = reverse("admin:contacts_contact_change", args=[ada.pk])
    told, queries = [], [""]
    for query in queries:
        page = client.get(f"{address}{query}")
        [panel] = [each for each in page.context_data["panels"] if "timeline" in each.template]
        told += panel.context["moments"]
        queries += re.findall(r'href="(\?before=[^"#]+)#timeline"', page.content.decode())
    assert len(queries) == 4
    assert len([moment for moment in told if moment.kind == "request"]) == 102
    assert [moment.at for moment in told] == sorted((each.at for each in told), reverse=True)
    assert str(told[-1].words) == "became known"
    assert "Back to the newest" in page.content.decode()
    for unclear in ("0", "x", "2026-13-45T99:00Z", "2026-01-01T00:00", "\0"):
        shown = client.get(address, {"before": unclear}).content.decode()
        assert "Back to the newest" not in shown


def test_it_shows_a_complaint_as_bad_and_names_topics_beside_the_timeline(client, ada):
    state = {"state": "complained", "attempt": 1, "handed_over_at": timezone.now(), "reason": ""}
    event = ada.permissions.get().event
    ada.deliveries.update(event=event, address=ada.addresses.get(), **state)
    client.force_login(make.staff())
    page = client.get(reverse("admin:contacts_contact_change", args=[ada.pk])).content.decode()
    assert "<td>Product news</td>" in page.partition("Consent history")[2]
    assert page.count('desk-tag desk-bad">complained') == 1


def test_it_asks_as_often_and_reads_as_much_however_long_a_life_is(client, ada):
    client.force_login(make.staff())
    address = reverse("admin:contacts_contact_change", args=[ada.pk])

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        return len(queries)

    client.get(address)
    before = asked()
    now = timezone.now()
    SubjectRequest.objects.bulk_create(
        SubjectRequest(contact=ada, kind="access", due_at=now) for _ in range(200)
    )
    for _ in range(20):
        make.granted(ada, make.topic())
        make.withdrawn(ada, make.topic())
    assert asked() == before
