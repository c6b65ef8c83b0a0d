#!/usr/bin/env python
"""Assent's command line: a command finds its engines running, or says in a sentence why not."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from config import engines

    with engines.refusals_as_sentences():
        if engines.needed_by(sys.argv[1:]):
            engines.hold()
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
