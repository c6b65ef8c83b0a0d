"""24 novembre 2026 à 18:05, and 1 234 567 with the thin space that no line breaks at."""

DATETIME_FORMAT = "j F Y \\à\u00a0H:i"
SHORT_DATE_FORMAT = "j N Y"
SHORT_DATETIME_FORMAT = "j N Y, H:i"
MONTH_DAY_FORMAT = "j F"
THOUSAND_SEPARATOR = "\u202f"
