"""A stored sentence is in no language: it comes back as it was, and is said in the reader's."""

import pytest
from django.utils.translation import gettext_lazy, override

from contacts.models import Sentence


def back(sentence: Sentence) -> Sentence | str:
    return Sentence.read(sentence.stored())


@pytest.mark.parametrize(
    ("sentence", "english", "french"),
    [
        (Sentence("subject"), "subject", "objet"),
        (
            Sentence("There is no topic “%s”.") % "subject",
            "There is no topic “subject”.",
            "Il n\u2019y a pas de sujet «\u00a0subject\u00a0».",
        ),
        (
            Sentence("%(length)d characters, %(most)d at most") % {"length": 7, "most": 5},
            "7 characters, 5 at most",
            "7 caractères, 5 au plus",
        ),
        (Sentence("A name has at most %d letters.") % 200, "A name has at most 200 letters.", None),
        (Sentence("%s") % Sentence("subject"), "subject", "objet"),
        (Sentence("%s") % gettext_lazy("subject"), "subject", "objet"),
        (Sentence("%s") % ValueError(Sentence("subject")), "subject", "objet"),
        (Sentence("%s") % ValueError("subject"), "subject", "subject"),
        (Sentence.row([Sentence("subject"), Sentence("subject")]), "subject", "objet"),
        (Sentence.row([Sentence("subject"), Sentence("body")]), "subject body", "objet corps"),
    ],
)
def test_it_says_the_same_after_it_was_stored(sentence, english, french):
    with override("fr"):
        stored = back(sentence)
        said = str(stored)
    assert stored == sentence
    assert (str(stored), said) == (english, french or said)
    assert french is not None or said != english


def test_it_leaves_words_alone_that_somebody_typed():
    with override("fr"):
        assert Sentence.read("subject") == "subject"
