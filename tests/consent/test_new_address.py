"""Moving to another address: only whoever reads it moves there, and no permission moves along."""

import pytest
from django.core import mail

from consent import gate, services
from consent.models import ServiceMail
from contacts import services as contacts
from contacts.models import Channel, Identity
from tests import make
from tests.consent.public import mailed, manage_link, stranger

pytestmark = pytest.mark.django_db


@pytest.fixture
def news():
    make.organization()
    return make.topic()


@pytest.fixture
def ada(news):
    ada = make.contact("ada@example.org")
    make.granted(ada, news)
    return ada


def ask(contact, email="new@example.org"):
    return stranger().post(
        f"/preferences/{manage_link(contact)}/", {"do": "address", "email": email}
    )


def email_of(contact):
    return Identity.objects.get(contact=contact).email


def test_it_writes_to_the_new_address_and_changes_nothing_before_the_button(ada):
    ask(ada)
    [link] = mailed("address")
    assert mail.outbox[-1].to == ["new@example.org"]
    stranger().get(link)
    assert email_of(ada) == "ada@example.org"


def test_it_moves_the_person_but_none_of_the_permissions(ada, news):
    ask(ada)
    [link] = mailed("address")
    answer = stranger().post(link)
    assert email_of(ada) == "new@example.org"
    assert ada.addresses.current().get().verified_at
    reason = gate.explain(contact=ada, topic=news, channel=Channel.EMAIL).reason
    assert reason == "other_address"
    page = stranger().get(f"/preferences/{answer.context['token']}/")
    assert "You said yes for another address" in page.content.decode()


def test_it_keeps_the_new_address_unreadable_in_the_outbox_and_forgets_it(ada):
    ask(ada)
    waiting = ServiceMail.objects.get(purpose="new_address")
    assert "new@" not in str(waiting.details)
    mailed("address")
    assert ServiceMail.objects.get(purpose="new_address").details == {}


def test_it_says_so_when_the_address_belongs_to_somebody_else_only_to_whoever_reads_it(ada):
    make.contact("new@example.org")
    free, taken = ask(ada, "free@example.org"), ask(ada)
    assert "We have written to your new address" in free.content.decode()
    assert "We have written to your new address" in taken.content.decode()
    link = mailed("address")[-1]
    assert stranger().post(link).status_code == 409
    assert email_of(ada) == "ada@example.org"


def test_it_asks_again_when_the_address_is_not_one(ada):
    assert "not a complete email address" in ask(ada, "new").content.decode()
    assert not ServiceMail.objects.filter(purpose="new_address").exists()


def test_it_writes_to_three_new_addresses_a_day(ada):
    for number in range(9):
        ask(ada, f"new{number}@example.org")
    waiting = ServiceMail.objects.filter(purpose="new_address")
    assert waiting.count() == services.NEW_ADDRESSES_A_DAY


def test_it_closes_the_links_to_the_former_address(ada):
    before = manage_link(ada)
    contacts.change_address(contact=ada, channel=Channel.EMAIL, address="new@example.org")
    assert stranger().get(f"/preferences/{before}/").status_code == 410
