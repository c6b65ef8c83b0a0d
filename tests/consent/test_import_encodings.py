"""Files in the encodings that programs write, or wrote: in doubt they are Windows-1252, as most are."""

# ruff: noqa: RUF001 - names stand here as people write them

import pytest

from consent import imports
from consent.imports import encodings, reading
from contacts.models import Contact
from tests import make
from tests.consent.importing import refusals

pytestmark = pytest.mark.django_db

NAMES = {
    "cp1250": "Łukasz Wiśniewski, Małgorzata Wójcik, Grażyna Dąbrowska, Paweł Kąkol, Świętosława Żak",
    "iso8859-2": "Łukasz Wiśniewski, Małgorzata Wójcik, Jiří Dvořák, Šárka Černá, Tomáš Němec, Věra Říhová",
    "cp1254": "Ayşe Yılmaz, İbrahim Çelik, Oğuz Şahin, Gül Öztürk, Çağrı Işık, Müjde Doğan, Barış Gündoğdu",
    "cp1251": "Иван Петров, Мария Сидорова, Алексей Кузнецов, Ольга Щербакова",
    "koi8-r": "Иван Петров, Мария Сидорова, Алексей Кузнецов, Ольга Щербакова",
    "cp1253": "Γιώργος Παπαδόπουλος, Ελένη Νικολάου, Άννα Ιωάννου",
    "cp1255": "יוסי כהן, שרה לוי, דוד מזרחי",
    "cp1256": "محمد علي, فاطمة حسن, أحمد خليل",
    "cp932": "山田 太郎, 佐藤 花子, 鈴木 一郎, タナカ ケン",
    "gb18030": "王 小明, 李 娜, 张 伟, 刘 洋, 陈 静",
    "big5": "陳 怡君, 林 志明, 黃 美玲, 張 雅婷",
    "euc_kr": "김 민수, 이 영희, 박 지훈, 최 수진",
    "mac-roman": "François Lefèvre, Chloé Dubois, Jérôme Müller, Anaïs Côté",
    "cp850": "François Lefèvre, Chloé Dubois, Jérôme Müller, Anaïs Côté",
}
WESTERN = {
    "french": "Hélène Prévost, Éric Bénard, Saint-Étienne L’Haÿ, Sœur Thérèse, Noël Garçon, Anaïs Côté",
    "one letter": "Anna Martin, Léa Durand, Tom Petit",
    "two countries, five letters": "Hélène Prévost, Ulrike Jäger, Anna Martin",
    "german": "Jürgen Müller, Käthe Groß, Günther Weiß, Özil Bär",
    "spanish": "José Núñez, Íñigo Muñoz, Begoña Cañas, 1º piso",
    "of several countries": "Hélène Prévost, Ulrike Jäger, António Simões, Søren Kjær, Niccolò Cantù",
    "with names from elsewhere": "Šimon Novák, Žofie Côté, Hélène Prévost, Åse Nørgård",
    "capitals": "ÉLÉONORE LEFÈVRE, JÜRGEN MÜLLER, MARÍA NÚÑEZ",
    "marks": "Anna “Nan” Martin, 50 € – 60 €, O’Brien, 20 °C",
}


def export(names):
    rows = [f"a{place}@example.org;{each}" for place, each in enumerate(names.split(", "))]
    return "\r\n".join(["email;last name", *rows])


@pytest.fixture
def written(tmp_path):
    def write(text, encoding):
        path = tmp_path / "people.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def last_names():
    return set(Contact.objects.values_list("identity__last_name", flat=True))


@pytest.mark.parametrize("encoding", NAMES)
def test_it_reads_names_when_the_file_is_in_an_encoding_of_their_language(written, encoding):
    batch = imports.run(imports.start(path=written(export(NAMES[encoding]), encoding)))
    assert refusals(batch) == {}
    assert last_names() == set(NAMES[encoding].split(", "))


@pytest.mark.parametrize("names", WESTERN.values(), ids=WESTERN)
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_it_takes_a_western_file_for_no_other_when_few_letters_tell(written, names, encoding):
    path = written(export(names), encoding)
    assert reading.inspect(path).encoding == encoding


@pytest.mark.parametrize("encoding", ["cp932", "gb18030", "cp1251"])
def test_it_cuts_no_letter_when_the_sample_ends(written, encoding):
    long = f"{'x' * (encodings.LONGEST_PIECE - 40)}{NAMES[encoding] * 200}"
    path = written(export(f"{NAMES[encoding]}, {long}"), encoding)
    assert reading.inspect(path).encoding == encoding


def test_it_samples_lines_when_they_end_as_on_an_old_mac(written):
    path = written(export(NAMES["mac-roman"]).replace("\r\n", "\r"), "mac-roman")
    assert reading.inspect(path).encoding == "mac-roman"


def test_it_reads_in_the_encoding_that_was_named_when_the_guess_would_be_another(written):
    path = written(export("Tóth Szűcs"), "cp1250")
    imports.run(imports.start(path=path, encoding="windows-1250"))
    assert last_names() == {"Tóth Szűcs"}


@pytest.mark.parametrize("encoding", ["klingon", "base64", "idna", "cp037", ""])
def test_it_refuses_an_encoding_when_it_writes_no_tables(written, encoding):
    batch = imports.start(path=written(export("Anna"), "utf-8"))
    with pytest.raises(imports.FileUnreadable, match="There is no encoding"):
        imports.reread(batch, encoding=encoding)


def test_it_keeps_what_columns_are_when_it_is_read_anew(written):
    make.topic()
    path = written("email;prénom;ville\na@example.org;Noël;Nîmes", "mac-roman")
    mapping = {"email": "email", "prénom": "last_name", "ville": ""}
    batch = imports.start(path=path, encoding="cp1252")
    garbled = dict(zip(batch.mapping, mapping.values(), strict=True))
    imports.remap(batch, mapping=garbled)
    imports.reread(batch, encoding="mac-roman")
    assert batch.mapping == mapping
    imports.run(batch)
    assert last_names() == {"Noël"}
