"""Where the engines of a var folder live, and which account runs them."""

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from config.embedded import locks
from config.embedded.errors import EngineError

# A socket's path takes 107 bytes on Linux and 103 on macOS.
LONGEST_SOCKET = 103
LONGEST_NAME = "/.s.PGSQL.5432"


@dataclass(frozen=True)
class Account:
    """Who runs the engines: ourselves, or an unprivileged account where we are root."""

    uid: int
    gid: int

    @property
    def is_us(self) -> bool:
        return self.uid == os.geteuid()

    def may_enter(self, path: Path) -> bool:
        """Whether the modes of every existing part of the path let this account through."""
        return self.is_us or all(map(self._may_pass, (path, *path.parents)))

    def _may_pass(self, part: Path) -> bool:
        try:
            status = part.stat()
        except OSError:
            return True
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


@dataclass(frozen=True)
class Places:
    """The folders of one var folder: `home` holds data, locks and logs, `sockets` the sockets.

    Home is `engines` below var. Where root's var is closed to the engines' account, `engines` is a
    link to a folder below /var/lib: folders above var are never changed.
    """

    var: Path
    home: Path
    sockets: Path
    account: Account

    @classmethod
    def of(cls, var: Path) -> Self:
        """The same answer in every process that may use this var folder; creates nothing."""
        var = var.resolve()
        inside = var / "engines"
        account = _account((inside / "postgresql", inside / "redis", var))
        name = f"assent-{account.uid}-{hashlib.sha256(os.fsencode(var)).hexdigest()[:12]}"
        if os.path.exists(inside):
            home = inside.resolve()
        elif account.may_enter(var):
            home = inside
        else:
            home = Path("/var/lib") / name
        sockets = home / "sockets"
        too_long = len(os.fsencode(sockets)) + len(LONGEST_NAME) > LONGEST_SOCKET
        if too_long or "," in str(sockets):  # libpq takes a comma for the end of a host
            # Known names in a folder for everybody: `own` refuses what somebody else put there.
            folder = "/run" if os.geteuid() == 0 and os.path.isdir("/run") else "/tmp"  # noqa: S108
            sockets = Path(folder) / name
        return cls(var=var, home=home, sockets=sockets, account=account)

    def create(self) -> None:
        """Make what is missing; refuse what belongs to others. Raises EngineError."""
        try:
            _make_folder(self.var, 0o755)
            if not os.path.lexists(self.var / "engines"):
                self._settle()
            _make_folder(self.home, 0o711)
            self._refuse_strangers()
            lock = locks.wait(self.home / "folders")
            try:
                self.own(self.sockets)
            finally:
                os.close(lock)
        except OSError as error:
            raise EngineError(
                f"The folder {self.var} cannot hold the engines ({error.strerror}): choose another "
                "with ASSENT_VAR, or set DATABASE_URL and REDIS_URL."
            ) from error

    def _settle(self) -> None:
        """Make home for a var folder that has none; what lies there belonged to one that was removed."""
        inside = self.var / "engines"
        lock = locks.wait_for_folder(self.var)
        try:
            if os.path.lexists(inside):
                return
            if self.home != inside:
                shutil.rmtree(self.home, ignore_errors=True)
            _make_folder(self.home, 0o711)
            if self.home != inside:
                inside.symlink_to(self.home)
        finally:
            os.close(lock)

    def own(self, folder: Path) -> None:
        """Make a folder for the engines' account alone; refuse one that is anything else."""
        if not os.path.lexists(folder):
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)
            if not self.account.is_us:
                os.chown(folder, self.account.uid, self.account.gid)
        status = folder.lstat()
        if (
            not stat.S_ISDIR(status.st_mode)
            or status.st_uid != self.account.uid
            or stat.S_IMODE(status.st_mode) != 0o700
        ):
            raise EngineError(
                f"{folder} is not a folder with mode 0700 of the account that runs the engines "
                f"(uid {self.account.uid}): remove it and start again."
            )

    def discard(self) -> None:
        """Remove what lies outside the var folder, for one that was removed itself."""
        for folder in {self.home, self.sockets}:
            if not folder.is_relative_to(self.var):
                shutil.rmtree(folder, ignore_errors=True)

    def _refuse_strangers(self) -> None:
        owner = self.home.stat().st_uid
        if os.geteuid() not in (0, owner):
            raise EngineError(
                f"The engines in {self.home} belong to another account (uid {owner}): run this as "
                "that account, choose another folder with ASSENT_VAR, or set DATABASE_URL and "
                "REDIS_URL."
            )
        if not self.account.may_enter(self.home):
            raise EngineError(
                f"The account that runs the engines (uid {self.account.uid}) cannot enter "
                f"{self.home}: let it pass the folders above, or choose another with ASSENT_VAR."
            )


def _account(folders: tuple[Path, ...]) -> Account:
    """PostgreSQL refuses root: data keeps its owner, and a person's folder is served as that person."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    for folder in filter(os.path.exists, folders):
        if (uid := folder.stat().st_uid) != 0:
            try:
                return Account(uid, pwd.getpwuid(uid).pw_gid)
            except KeyError:
                continue
    for name in ("postgres", "nobody", "daemon"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    return Account(65534, 65534)


def _make_folder(folder: Path, mode: int) -> None:
    """Make it and what is missing above; whatever the umask, its owner's neighbors can pass."""
    if os.path.exists(folder):
        return
    _make_folder(folder.parent, 0o755)
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(mode)
    if os.geteuid() == 0:
        above = folder.parent.stat()
        os.chown(folder, above.st_uid, above.st_gid)
