"""24 novembre 2026 à 18:05, and 1 234 567 with the thin space that no line breaks at."""

DATETIME_FORMAT = r"j F Y \à H:i"
SHORT_DATE_FORMAT = "j b Y"
SHORT_DATETIME_FORMAT = "j b Y, H:i"
MONTH_DAY_FORMAT = "j F"
THOUSAND_SEPARATOR = "\u202f"
