"""Imports on the desk: a file is uploaded, mapped, looked at, and run; then its report stays."""

from consent.admin.imports import pages

__all__ = ["pages"]
