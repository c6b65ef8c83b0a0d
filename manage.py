#!/usr/bin/env python
"""Assent's command line: every command finds its database and Redis running."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from config import engines

    if engines.needed_by(sys.argv[1:]):
        engines.hold()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
