"""Counting at the public doors, and whom a request is counted for."""

import threading

import pytest
from django.test import RequestFactory

from consent.budgets import Budget, client_address, network_of


def request(peer="203.0.113.77", **headers):
    return RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)


def test_it_lets_through_what_the_budget_allows_and_counts_keys_apart():
    budget = Budget("test", limit=2, window_s=86_400)
    assert [budget.spend("a") for _ in range(3)] == [True, True, False]
    assert budget.spend("b")


def test_it_counts_every_act_when_many_come_at_once():
    budget = Budget("test", limit=10, window_s=86_400)
    allowed = []
    threads = [
        threading.Thread(target=lambda: allowed.append(budget.spend("a"))) for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 10


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.1", "203.0.113.77"),
        (1, "", "203.0.113.77"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (2, "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (2, "10.0.0.2", "203.0.113.77"),
    ],
)
def test_it_believes_our_own_proxies_and_nobody_else(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    headers = {"x_forwarded_for": forwarded} if forwarded else {}
    assert client_address(request(**headers)) == address


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("", "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_it_names_a_network_and_no_person(peer, network):
    assert network_of(request(peer)) == network
