from config.models.tokens import ApiToken, ScopedUser
from config.models.trail import AuditEntry

__all__ = ["ApiToken", "AuditEntry", "ScopedUser"]
