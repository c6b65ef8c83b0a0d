"""A test with real transactions leaves nothing to the next, but what a migration fills."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import TransactionTestCase

from consent.models import ConsentEvent
from contacts.models import Contact
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)
FILLED = (Group, Permission)


@pytest.mark.parametrize("is_refilled", [False, True])
def test_it_leaves_nothing_but_what_a_migration_fills(is_refilled):
    before = [set(model.objects.values_list("name", flat=True)) for model in FILLED]
    make.granted(make.contact(), make.topic())
    make.staff()
    if is_refilled:
        Group.objects.all().delete()
    ending: Any = TransactionTestCase()
    ending._fixture_teardown()
    assert not any(m.objects.exists() for m in (Contact, ConsentEvent, User))
    assert [set(model.objects.values_list("name", flat=True)) for model in FILLED] == before
