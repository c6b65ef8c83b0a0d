"""The record of processing activities on the desk, and to whom data goes."""

import csv
import io
import json

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Delivery
from consent.models import ConsentEvent
from contacts import parties
from contacts.models import Processor
from tests import make

pytestmark = pytest.mark.django_db
RECORD = reverse("admin:contacts_datafield_record")
FILE = reverse("admin:contacts_datafield_record_file")


@pytest.fixture
def officer(client):
    officer = make.officer()
    client.force_login(officer)
    return officer


def printer() -> Processor:
    return Processor.objects.create(
        name="Printshop Dupont", service="Prints invitations", receives="Names", country="FR",
        contact="privacy@dupont.example",
    )  # fmt: skip


def test_it_says_who_answers_whose_data_why_for_whom_and_how_safe(client, officer, settings):
    settings.EMAIL_HOST = "mail.lumen.example"
    make.organization()
    make.field("city")
    make.sender()
    printer()
    page = client.get(RECORD).content.decode()
    for words in (
        "Lumen Books SARL", "Email address and phone number", "City", "730 days", "Printshop Dupont",
        "mail.lumen.example", "How it is kept safe", "Subscriber", "CNIL", "90 days after its import ended",
    ):  # fmt: skip
        assert words.lower() in page.lower(), words


def test_it_asks_for_the_organization_when_there_is_none(client, officer):
    assert "enter the organization first" in client.get(RECORD).content.decode()


def test_it_gives_the_same_as_json_and_csv(client, officer):
    make.organization()
    make.field("city", label="=cmd|city")
    whole = json.loads(client.get(FILE).content)
    assert whole["controller"]["name"] == "Lumen Books SARL"
    rows = list(csv.DictReader(io.StringIO(client.get(FILE, {"as": "csv"}).content.decode())))
    assert [row["purpose"] for row in rows] == [row["purpose"] for row in whole["processing"]]
    assert rows[-1]["category"].startswith("'=")


def test_it_names_only_those_who_got_data_of_one_person(settings):
    settings.EMAIL_HOST = "mail.lumen.example"
    topic = make.topic()
    ada, bo = make.contact(), make.contact()
    for contact in (ada, bo):
        make.granted(contact, topic)
    campaign = make.campaign(
        topic, sender=make.sender(transport="anymail.backends.mailgun.EmailBackend")
    )
    Delivery.objects.create(
        campaign=campaign, contact=ada, state="sent", attempt=1, handed_over_at=timezone.now(),
        event=ConsentEvent.objects.get(subject=ada.subject), address=ada.addresses.get(),
    )  # fmt: skip
    ada.service_mails.all().delete()
    bo.service_mails.update(sent_at=timezone.now())
    printer()
    assert {each.name for each in parties.recipients(ada)} == {"mailgun", "Printshop Dupont"}
    assert "mailgun" not in {each.name for each in parties.recipients(bo)}
    Processor.objects.update(ended_on=timezone.localdate())
    assert {each.name for each in parties.recipients(ada)} == {"mailgun"}


def test_it_counts_one_name_once_and_believes_what_was_registered(settings):
    settings.EMAIL_HOST = "mail.lumen.example"
    make.sender()
    Processor.objects.create(
        name="Mail.lumen.example", service="Our relay", receives="Everything", contact="ops"
    )
    known = [each for each in parties.recipients() if each.name.lower() == "mail.lumen.example"]
    assert [each.service for each in known] == ["Our relay"]
