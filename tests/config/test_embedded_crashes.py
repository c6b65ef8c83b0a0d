"""Embedded engines when processes are killed: nothing is lost, nothing runs twice, nothing stays."""

import shutil
import signal
import subprocess
import threading
import time

import pytest
import redis

from config.embedded.places import Places
from tests.beside import wait_until
from tests.config.holders import (
    Holder,
    checkpointer,
    execute,
    is_gone,
    kill,
    postmaster,
    postmasters,
    processes,
    redis_server,
    remove,
    supervisors,
)

pytestmark = pytest.mark.faults

# What a script starts with `&` ignores Ctrl-C, and so does what that starts.
IN_THE_BACKGROUND = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")


def test_it_stops_the_engines_when_every_holder_was_killed(var):
    first, second = Holder(var), Holder(var)
    found = first.addresses()
    second.addresses()
    execute(found, "CREATE TABLE kept AS SELECT 42 AS answer")

    first.kill()
    assert execute(found, "SELECT answer FROM kept") == [(42,)]
    second.kill()

    wait_until(lambda: not processes(var))
    with Holder(var) as third:
        third.addresses()
        assert execute(found, "SELECT answer FROM kept") == [(42,)]


def test_it_adopts_the_engines_when_their_supervisors_were_killed(var):
    with Holder(var) as first:
        found = first.addresses()
        engines = postmaster(var), redis_server(var)
        kill(*supervisors(var))

        with Holder(var) as second:
            second.addresses()
            wait_until(lambda: len(supervisors(var)) == 2)
            assert (postmaster(var), redis_server(var)) == engines
            assert execute(found, "SELECT 1") == [(1,)]
    wait_until(lambda: not processes(var))  # adopted ones are stopped, too


def test_it_runs_one_engine_when_many_come_after_everything_was_killed_but_the_engines(var):
    with Holder(var) as first:
        found = first.addresses()
        execute(found, "CREATE TABLE kept AS SELECT 42 AS answer")
        kill(*supervisors(var))
        first.kill()
        assert postmaster(var)

        holders = [Holder(var) for _ in range(4)]
        for holder in holders:
            holder.addresses()

        assert postmaster(var)
        assert len(supervisors(var)) == 2
        assert execute(found, "SELECT answer FROM kept") == [(42,)]
        for holder in holders:
            holder.leave()


def test_it_starts_an_adopted_engine_again_when_it_dies(var):
    with Holder(var) as first:
        found = first.addresses()
        kill(*supervisors(var))
        with Holder(var) as second:
            second.addresses()
            kill(postmaster(var))

            with Holder(var) as third:
                third.addresses()
                assert execute(found, "SELECT 1") == [(1,)]


def test_it_waits_for_the_backends_of_a_killed_postmaster(var):
    with Holder(var, redis=False) as first:
        first.addresses()
        old = postmaster(var)
        backend = checkpointer(old)
        backend.suspend()
        supervisors(var)[0].kill()
        kill(old)
        # A worker of the old postmaster still has the data folder open: nobody may start there.
        with Holder(var, redis=False) as second:
            time.sleep(1.5)
            assert postmasters(var) == []
            backend.resume()
            assert execute(second.addresses(), "SELECT 1") == [(1,)]
            assert postmaster(var).pid != old.pid


def test_it_starts_when_the_pid_file_names_a_living_stranger(var):
    with Holder(var, redis=False) as holder:
        holder.addresses()
        pid_file = Places.of(var).home / "postgresql" / "postmaster.pid"
        socket_file = Places.of(var).sockets / ".s.PGSQL.5432.lock"
        stale = {file: file.read_text() for file in (pid_file, socket_file)}
        old = postmaster(var)
    wait_until(lambda: not processes(var))
    # The stranger runs as the same account: PostgreSQL itself would take it for its postmaster.
    account = Places.of(var).account
    with subprocess.Popen(["sleep", "60"], user=None if account.is_us else account.uid) as stranger:
        for file, text in stale.items():
            file.write_text(text.replace(str(old.pid), str(stranger.pid), 1))

        with Holder(var, redis=False) as holder:
            assert execute(holder.addresses(), "SELECT 1") == [(1,)]
        wait_until(lambda: not processes(var))
        assert stranger.poll() is None
        stranger.kill()


def test_it_recovers_what_was_committed_when_all_were_killed_under_load(var):
    # fsync may stay off: the machine itself goes on.
    options = {"fsync": "off", "checkpoint_timeout": "1h"}
    with Holder(var, options=options, redis=False) as first:
        found = first.addresses()
        execute(found, "CREATE TABLE load (id bigint PRIMARY KEY, filler text)")
        execute(
            found, "INSERT INTO load SELECT i, repeat('x', 500) FROM generate_series(1, 200000) i"
        )

        def go_on() -> None:
            rows = "SELECT i, repeat('y', 500) FROM generate_series(200001, 2000000) i"
            with pytest.raises(Exception, match="connection"):
                execute(found, f"INSERT INTO load {rows}")

        load = threading.Thread(target=go_on)
        load.start()
        time.sleep(0.5)
        kill(*supervisors(var), *postmaster(var).children(), postmaster(var))
        load.join()
        first.kill()

    with Holder(var, options=options, redis=False) as second:
        second.addresses()
        assert execute(found, "SELECT count(*), max(id) FROM load") == [(200000, 200000)]
        assert "redo done" in (Places.of(var).home / "postgresql.log").read_text()


def test_it_waits_for_a_slow_recovery_as_long_as_the_engine_lives(var):
    with Holder(var, redis=False) as first:
        first.addresses()
        kill(*supervisors(var), postmaster(var))
    wait_until(lambda: not processes(var))

    with Holder(var, redis=False) as second:
        wait_until(lambda: postmasters(var))
        frozen = postmasters(var)
        for process in frozen:
            process.suspend()
        time.sleep(12)  # pgserver's own wrapper gives up after 10
        assert second.process.poll() is None
        for process in frozen:
            process.resume()
        assert execute(second.addresses(), "SELECT 1") == [(1,)]


def test_it_waits_for_the_end_of_a_slow_stop_and_starts_anew(var):
    with Holder(var, redis=False) as first:
        first.addresses()
        old = postmaster(var)
        slow = checkpointer(old)
        slow.suspend()
    log = Places.of(var).home / "postgresql.log"
    wait_until(lambda: "received fast shutdown request" in log.read_text())

    with Holder(var, redis=False) as second:
        time.sleep(1)
        assert postmasters(var) == [old]
        slow.resume()
        assert execute(second.addresses(), "SELECT 1") == [(1,)]
        assert postmaster(var) != old


def test_it_stops_the_engines_when_the_supervisor_is_told_to(var):
    with Holder(var) as first:
        found = first.addresses()
        for supervisor in supervisors(var):
            supervisor.send_signal(signal.SIGTERM)
        wait_until(lambda: not processes(var))

        with Holder(var) as second:
            second.addresses()
            assert execute(found, "SELECT 1") == [(1,)]


def test_it_ends_everything_when_the_var_folder_was_removed(var):
    with Holder(var) as holder:
        with redis.Redis.from_url(holder.addresses().redis_url) as client:
            client.set("unsaved", "1")
        remains = processes(var)
        remove(var)
    wait_until(lambda: all(map(is_gone, remains)))
    var.mkdir()


def test_it_starts_anew_when_the_var_folder_was_removed_under_a_holder(var):
    with Holder(var) as first:
        first.addresses()
        time.sleep(1)  # the supervisors have seen them answer
        old = postmaster(var)
        remove(var)
        var.mkdir()
        var.chmod(0o755)
        with Holder(var) as second:
            found = second.addresses()
            time.sleep(1)
            first.leave()
            # The old one takes the new one's socket with it.
            wait_until(lambda: is_gone(old))
            with Holder(var) as third:
                third.addresses()
                assert execute(found, "SELECT 1") == [(1,)]


def test_it_listens_again_when_a_socket_was_removed(var):
    with Holder(var) as first:
        found = first.addresses()
        time.sleep(1)  # the supervisors have seen them answer
        shutil.rmtree(Places.of(var).sockets)

        with Holder(var) as second:
            second.addresses()
            assert execute(found, "SELECT 1") == [(1,)]
            with redis.Redis.from_url(found.redis_url) as client:
                assert client.ping()


def test_it_leaves_nothing_when_a_holder_is_killed_while_it_starts(bare):
    for delay in (0.05, 0.15, 0.3, 0.6, 0.9):
        holder = Holder(bare, wrapper=IN_THE_BACKGROUND)
        time.sleep(delay)
        holder.kill()
    wait_until(lambda: not processes(bare))
    with Holder(bare) as holder:
        assert execute(holder.addresses(), "SELECT 1") == [(1,)]


@pytest.mark.parametrize("of", [supervisors, processes])
def test_it_starts_when_making_the_data_folder_was_killed(bare, of):
    with Holder(bare, redis=False) as first:
        wait_until((Places.of(bare).home / "postgresql.new" / "global").exists)
        kill(*of(bare))  # initdb alone would go on writing

        assert execute(first.addresses(), "SELECT 1") == [(1,)]
        assert not (Places.of(bare).home / "postgresql.new").exists()
