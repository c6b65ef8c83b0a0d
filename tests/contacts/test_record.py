"""The record of processing activities on the desk, and to whom data goes."""

import csv
import io
import json

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Delivery
from consent import my_data
from consent.models import ConsentEvent, Organization
from contacts import parties, processing
from contacts.models import Processor
from tests import make

pytestmark = pytest.mark.django_db
RECORD = reverse("admin:contacts_datafield_record")
FILE = reverse("admin:contacts_datafield_record_file")
ADD = reverse("admin:contacts_processor_add")


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


def processor(**fields) -> Processor:
    defaults = {"service": "Mails", "receives": "Names", "contact": "privacy@it.example"}
    return Processor.objects.create(**defaults | fields)


def call(command: str) -> str:
    said = io.StringIO()
    call_command(command, stdout=said)
    return said.getvalue()


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


def test_it_says_in_every_form_who_else_answers_and_by_what_data_leaves(client, officer):
    make.organization()
    Organization.objects.update(
        data_protection_officer="Dana Roy\ndpo@lumen.example",
        joint_controllers="Lumen Events SARL",
        representative="Rep GmbH, Berlin",
    )
    american = processor(name="Mailfast Inc.", country="US", safeguard="clauses")
    processor(name="Printshop Dupont", country="FR")
    Processor.objects.filter(pk=american.pk).update(safeguard_details="Module 2 of 2025-03-01")
    page = client.get(RECORD).content.decode()
    whole = json.loads(client.get(FILE).content)
    rows = list(csv.DictReader(io.StringIO(client.get(FILE, {"as": "csv"}).content.decode())))
    safeguard = "standard contractual clauses (art. 46), Module 2 of 2025-03-01"
    for said in ("dpo@lumen.example", "Lumen Events SARL", "Rep GmbH, Berlin", safeguard):
        assert said in page
        assert said in json.dumps(whole)
        assert all(said in " ".join(row.values()) for row in rows)
    assert {row["transfers"] for row in rows} == {f"Mailfast Inc. (US: {safeguard})"}
    assert call("article_30").startswith(",".join(rows[0]))


def test_it_says_what_the_record_still_lacks(client, officer, settings):
    settings.SMS_GATEWAY_URL = ""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "mail.lumen.example"
    make.organization()
    lacking = processor(name="Mailfast Inc.", country="US")
    officer_named, relay, american = processing.missing()
    assert "names no data protection officer" in officer_named
    assert "in which country mail.lumen.example keeps the data" in relay
    assert "Mailfast Inc. gets data in US, outside the European Economic Area" in american
    assert "Still missing" in client.get(RECORD).content.decode()
    processor(name="mail.lumen.example", country="DE")
    Processor.objects.filter(pk=lacking.pk).update(safeguard="adequacy")
    Organization.objects.update(
        data_protection_officer="None needed: we are eight people", country="CA"
    )
    [unrepresented] = processing.missing()
    assert "names no representative in the Union" in unrepresented
    Organization.objects.update(representative="Rep GmbH, Berlin")
    assert "Still missing" not in client.get(RECORD).content.decode()


def test_it_takes_countries_that_there_are_and_an_exception_with_its_case(client, officer):
    filled = {"name": "Mailfast", "service": "Mails", "receives": "Names", "contact": "x@y.example"}
    for wrong, why in (
        ({"country": "XX"}, "two capital letters"),
        ({"country": "fr"}, "two capital letters"),
        ({"country": "US", "safeguard": "exception"}, "An exception has to be explained"),
    ):
        assert why in client.post(ADD, filled | wrong).content.decode()
    assert not Processor.objects.exists()
    explained = {"safeguard": "exception", "safeguard_details": "(1)(b), to print one order"}
    assert client.post(ADD, filled | {"country": "US"} | explained).status_code == 302


def test_it_tells_the_person_who_protects_them_and_what_protects_data_abroad():
    make.organization()
    Organization.objects.update(data_protection_officer="Dana Roy\r\ndpo@lumen.example")
    processor(name="Mailfast Inc.", country="US", safeguard="adequacy")
    processor(name="Printshop Dupont", country="FR")
    told = {line.name: line.value for line in my_data.processing(make.contact()).lines}
    assert told["Data protection officer"] == "Dana Roy, dpo@lumen.example"
    assert "Mailfast Inc. (Mails, US: adequacy decision (art. 45))" in told["Who receives it"]
    assert "Printshop Dupont (Mails, FR)" in told["Who receives it"]
    assert "Who represents us in the Union" not in told


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
