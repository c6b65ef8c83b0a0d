"""One timeline per contact: permissions, messages, activity and requests, each for those who may see it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
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
    now = timezone.now()
    SubjectRequest.objects.bulk_create(
        SubjectRequest(
            contact=ada, kind="access", due_at=now, received_at=now - timedelta(days=ago)
        )
        for ago in range(40)
    )
    client.force_login(make.staff())
    page = reverse("admin:contacts_contact_change", args=[ada.pk])
    first = client.get(page)
    assert "became known" not in lines(client, ada)
    assert 'href="?moments=120#moment-30"' in first.content.decode()
    whole = client.get(page, {"moments": "120"}).content.decode()
    assert 'id="moment-45"' in whole
    assert "Became known" in whole
    assert "Show older ones" not in whole
    for asked in ("0", "-5", "x", "9" * 30):
        assert 'id="moment-31"' not in client.get(page, {"moments": asked}).content.decode()
