"""What people answer to a text message, as far as it says stop."""

import re
import unicodedata

# In whatever form, alone or before other words: nobody is asked to say it right.
FIRST = frozenset(
    "stop stopp stops stopsms arret arreter arretez unsubscribe optout desabonner desinscrire".split()
)
# Everyday words: only where they are all that was said.
ALONE = frozenset(
    """stopall end quit cancel revoke fin non annuler resilier desabonnement desinscription
    alto baja abmelden basta""".split()
)


def says_stop(body: str) -> bool:
    """Whether an answer is a wish to get no more; when in doubt it is."""
    plain = unicodedata.normalize("NFKD", body).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z]+", plain)
    if not words:
        return False
    joined = "".join(words[:2])
    return words[0] in FIRST or joined in FIRST | ALONE or (len(words) == 1 and words[0] in ALONE)
