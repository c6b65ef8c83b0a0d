"""`python -m config.embedded supervise ENGINE VAR OPTIONS LOCK`: what `hold` starts, detached."""

import json
import os
import signal
import sys
from pathlib import Path

from config.embedded.engines import ENGINES
from config.embedded.places import Places
from config.embedded.supervision import supervise


def main() -> int:
    if len(sys.argv) != 6 or sys.argv[1] != "supervise":
        sys.stderr.write(f"{__doc__}\n")
        return 2
    name, var, options, lock = sys.argv[2:]
    # Our parent waits for this process and must not keep a zombie: go on in a child of nobody.
    if os.fork():
        return 0
    os.setsid()
    os.umask(0o077)
    # A shell ignores it for what it starts in the background, and the engine would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.set_inheritable(int(lock), False)
    return supervise(ENGINES[name](Places.of(Path(var)), json.loads(options)), int(lock))


if __name__ == "__main__":
    sys.exit(main())
