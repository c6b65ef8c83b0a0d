"""What programs send: JSON whose texts are text."""

import json
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class TextParser(JSONParser):
    """Refuses half of a surrogate pair, which JSON can spell and no answer or database can hold."""

    def parse(self, stream: IO[Any], *args: Any, **kwargs: Any) -> Any:
        parsed = super().parse(stream, *args, **kwargs)
        try:
            json.dumps(parsed, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ParseError("A text holds half of a surrogate pair.") from None
        return parsed
