"""How dates and numbers are written where Django's own way is ambiguous or breaks at the end of a line."""
