"""A sentence of ours that is stored: in no language, with its figures, put into words where it is read."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.functional import Promise
from django.utils.translation import gettext, override

Figures = Mapping[str, object] | tuple[object, ...]


@dataclass(frozen=True)
class Sentence(Promise):
    """Lazy like Django's translated strings, and storable: `Sentence("There is no topic “%s”.") % name`.

    `text` is the English source. A figure is a number, words of somebody else, or a sentence.
    """

    text: str
    figures: Figures | None = None

    def __mod__(self, figures: object) -> Self:
        if isinstance(figures, Mapping):
            return replace(self, figures={key: _figure(each) for key, each in figures.items()})
        several = figures if isinstance(figures, tuple) else (figures,)
        return replace(self, figures=tuple(_figure(each) for each in several))

    def __str__(self) -> str:
        words = gettext(self.text)
        return words if self.figures is None else words % self.figures

    @classmethod
    def of(cls, error: Exception) -> "Sentence | str":
        """What an error says; of one that is not ours its own words."""
        said = error.args[0] if error.args else ""
        return said if isinstance(said, Sentence) else str(error)

    @classmethod
    def row(cls, sentences: Iterable["Sentence | str"]) -> "Sentence":
        """One after the other, each once."""
        parts = tuple(dict.fromkeys(sentences))
        return cls(" ".join(["%s"] * len(parts))) % parts

    def __hash__(self) -> int:
        return hash((self.text, str(self.figures)))

    def stored(self) -> dict[str, Any]:
        """As JSON: `text`, and where it has any, `figures`, a list or an object."""
        if self.figures is None:
            return {"text": self.text}
        if isinstance(self.figures, Mapping):
            figures: Any = {key: _stored(each) for key, each in self.figures.items()}
        else:
            figures = [_stored(each) for each in self.figures]
        return {"text": self.text, "figures": figures}

    @classmethod
    def read(cls, stored: Any) -> "Sentence | str":
        """What `stored` gave; words that somebody wrote are a string and stay one."""
        if not isinstance(stored, dict):
            return str(stored)
        figures = stored.get("figures")
        if isinstance(figures, dict):
            return cls(stored["text"], {key: _read(each) for key, each in figures.items()})
        if figures is not None:
            return cls(stored["text"], tuple(_read(each) for each in figures))
        return cls(stored["text"])


if TYPE_CHECKING:
    _TextField = models.TextField[Sentence | str, Sentence | str]
else:
    _TextField = models.TextField


class SentenceField(_TextField):
    """A `Sentence`, or a string as somebody wrote it; as JSON, so that the two cannot be confused."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "jsonb"

    def from_db_value(self, value: str, _expression: Any, _connection: Any) -> "Sentence | str":
        return Sentence.read(json.loads(value))

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, Sentence) else super().to_python(value)

    def get_prep_value(self, value: Any) -> Any:
        return value

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        stored = value.stored() if isinstance(value, Sentence) else str(value)
        return connection.ops.adapt_json_value(stored, None)


def _figure(value: object) -> object:
    if isinstance(value, Sentence | str | int | float):
        return value
    if isinstance(value, Promise):  # a label that Django translates
        with override(None):
            return Sentence(str(value))
    return Sentence.of(value) if isinstance(value, Exception) else str(value)


def _stored(figure: object) -> Any:
    """What PostgreSQL takes no JSON with is no letter: a zero, and half of a surrogate pair."""
    if isinstance(figure, str):
        return figure.replace("\x00", "\ufffd").encode(errors="replace").decode()
    return figure.stored() if isinstance(figure, Sentence) else figure


def _read(stored: Any) -> object:
    return Sentence.read(stored) if isinstance(stored, dict) else stored
