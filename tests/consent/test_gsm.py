"""How many parts a text is sent and paid as."""

import pytest

from consent.sms import gsm


@pytest.mark.parametrize(
    ("text", "alphabet", "units", "parts"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("é" * 160, "GSM-7", 160, 1),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("ê" * 70, "UCS-2", 70, 1),
        ("ê" * 71, "UCS-2", 71, 2),
        ("ê" * 134, "UCS-2", 134, 2),
        ("ê" * 135, "UCS-2", 135, 3),
        ("📚" * 35, "UCS-2", 70, 1),
        ("📚" * 36, "UCS-2", 72, 2),
    ],
)
def test_it_counts_what_is_paid(text, alphabet, units, parts):
    length = gsm.measure(text)
    assert (length.alphabet, length.units, length.parts) == (alphabet, units, parts)


def test_it_tears_no_character_apart_between_two_parts():
    # 152 + an escaped one does not fit into the first part of 153, so 306 septets take three.
    assert gsm.measure("a" * 152 + "€" + "a" * 152).parts == 3
    assert gsm.measure("ê" + "📚" * 67).parts == 3


def test_it_names_the_characters_that_make_a_text_dear():
    assert gsm.measure("Fête à Nîmes").beyond == "êî"


def test_it_spells_typographic_signs_plainly():
    assert (
        gsm.plain("L\u2019\u00e9t\u00e9 \u00ab\u00a0doux\u00a0\u00bb\u2026") == 'L\'été " doux "...'
    )
