"""The pages of access: staff and their roles, API tokens, the audit trail."""

from config.admin import second_factors, staff, tokens, trail

__all__ = ["second_factors", "staff", "tokens", "trail"]
