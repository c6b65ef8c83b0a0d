"""Where the engines of a var folder live and which account runs them; looks, and creates only in `create`."""

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from config.embedded.errors import EngineError

# sun_path takes 107 bytes on Linux and 103 on macOS; the longest name put there is PostgreSQL's.
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
        """Whether this account can pass through every existing folder of the path, by their modes."""
        return self.is_us or all(map(self._may_pass, (path, *path.parents)))

    def _may_pass(self, folder: Path) -> bool:
        try:
            status = folder.stat()
        except OSError:
            return True
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


@dataclass(frozen=True)
class Places:
    """The folders of one var folder: `home` holds data, locks and logs, `sockets` the sockets."""

    var: Path
    home: Path
    sockets: Path
    account: Account

    @classmethod
    def of(cls, var: Path) -> Self:
        """The same answer for every process that may use this var folder; creates nothing."""
        var = var.resolve()
        inside = var / "engines"
        account = _account((inside / "postgresql", inside / "redis", var))
        name = f"assent-{account.uid}-{hashlib.sha256(os.fsencode(var)).hexdigest()[:12]}"
        if inside.exists():
            home = inside.resolve()
        elif account.may_enter(var):
            home = inside
        else:
            home = Path("/var/lib") / name
        sockets = home / "sockets"
        if len(os.fsencode(sockets)) + len(LONGEST_NAME) > LONGEST_SOCKET:
            root_only = os.geteuid() == 0 and Path("/run").is_dir()
            sockets = Path("/run" if root_only else "/tmp") / name  # noqa: S108 - see `create`
        return cls(var=var, home=home, sockets=sockets, account=account)

    def create(self) -> None:
        """Make what is missing; refuse folders of other accounts. Folders above are never changed."""
        try:
            _make_folders(self.var)
            if not self.home.exists():
                _make_home(self.home)
            inside = self.var / "engines"
            if not inside.exists():
                inside.symlink_to(self.home)
        except OSError as error:
            raise EngineError(f"The folder {self.var} cannot be used: {error.strerror}.") from error
        owner = self.home.stat().st_uid
        if os.geteuid() not in (0, owner):
            raise EngineError(
                f"The engines in {self.home} belong to another account (uid {owner}): run this as "
                "that account, choose another folder with ASSENT_VAR, or set DATABASE_URL and REDIS_URL."
            )
        if not self.account.may_enter(self.home):
            raise EngineError(
                f"The account that runs the engines (uid {self.account.uid}) cannot enter {self.home}: "
                "let it pass through the folders above, or choose another folder with ASSENT_VAR."
            )
        self.own(self.sockets)

    def own(self, folder: Path) -> None:
        """Make a folder only the engines' account (and root) can enter; refuse one that is not that."""
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            pass
        else:
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
                f"{folder} is not a folder of uid {self.account.uid} with mode 0700: remove it and start again."
            )


def _account(folders: tuple[Path, ...]) -> Account:
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    # PostgreSQL refuses root. Data keeps its owner; a folder of a person is served as that person.
    for folder in folders:
        if folder.exists() and (uid := folder.stat().st_uid) != 0:
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


def _make_folders(folder: Path) -> None:
    if not folder.exists():
        _make_folders(folder.parent)
        try:
            folder.mkdir()
        except FileExistsError:
            return
        folder.chmod(0o755)


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o711)
    except FileExistsError:
        return
    home.chmod(0o711)
    if os.geteuid() == 0:
        above = home.parent.stat()
        os.chown(home, above.st_uid, above.st_gid)
