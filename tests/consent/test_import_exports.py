"""Files as other newsletter programs export them: their stops count, and no status of theirs is a grant."""

# ruff: noqa: E501, RUF001 - the files stand here as those programs write them

import pytest

from consent import gate, imports
from consent.imports import reading
from consent.models import Permission, Suppression
from contacts import services as contacts
from contacts.models import Channel, Contact
from tests import make

pytestmark = pytest.mark.django_db

MAILCHIMP = (
    '"Email Address","First Name","Last Name",Address,"Phone Number",Birthday,{extra}MEMBER_RATING,'
    "OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,"
    "LAST_CHANGED,LEID,EUID,NOTES,TAGS"
)
MAILCHIMP_ROW = (
    '{email},{name},Martin,"12 rue des Lilas  Lyon 69003 France",,,{extra}2,"2024-05-06 07:08:09",'
    '203.0.113.77,"2024-05-06 07:09:10",203.0.113.77,45.7,4.8,1,2,Europe/Paris,FR,ARA,'
    '"2025-01-01 10:00:00",123456789,0a1b2c3d4e,,"""book club"",vip"'
)
UNSUBSCRIBED = "UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,"
CLEANED = "CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,"
BREVO = """CONTACT ID;EMAIL;LASTNAME;FIRSTNAME;SMS;DOUBLE_OPT-IN;OPT_IN;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME;MODIFIED_TIME
1;ada@example.org;Martin;Ada;33612345678;1;1;0;0;13-02-2024 10:11:12;14-02-2024 10:11:12
2;bo@example.org;Bernard;Bo;;2;0;1;0;14-02-2024 10:11:12;14-02-2024 10:11:12
"""
LISTMONK = """uuid,email,name,attributes,status,created_at,updated_at
5f0c6f1e-7a3b-4a52-9d53-2a7d5a6d1f01,ada@example.org,Ada Martin,"{""city"": ""Lyon""}",enabled,2024-03-01 10:11:12.123456 +0000 UTC,2024-03-02 10:11:12.123456 +0000 UTC
5f0c6f1e-7a3b-4a52-9d53-2a7d5a6d1f02,bo@example.org,Bo Bernard,{},disabled,2024-03-01 10:11:12 +0100 CET,2024-03-02 10:11:12 +0100 CET
5f0c6f1e-7a3b-4a52-9d53-2a7d5a6d1f03,cy@example.org,Cy Petit,{},blocklisted,2024-03-01 10:11:12 +0000 UTC,2024-03-02 10:11:12 +0000 UTC
5f0c6f1e-7a3b-4a52-9d53-2a7d5a6d1f04,di@example.org,Di Roy,null,enabled,2024-03-01 10:11:12 +0000 UTC,2024-03-02 10:11:12 +0000 UTC
"""
MAUTIC = """"id","firstname","lastname","email","preferred_locale","timezone","points","stage","date_added","last_active","donotemail","tags"
"1","Ada","Martin","ada@example.org","fr_FR","Europe/Paris","12","","2024-03-01 10:11:12","2025-03-01 10:11:12","0","vip|book club"
"2","Bo","Bernard","bo@example.org","en","","0","","2024-03-01 10:11:12","","1",""
"""
HUBSPOT = """Record ID,First Name,Last Name,Email,Phone Number,Lifecycle Stage,Lead Status,Marketing contact status,Unsubscribed from all email,Email hard bounce reason,Create Date,Last Activity Date
101,Ada,Martin,ada@example.org,+33 6 12 34 56 78,Customer,Open,Marketing contact,No,,2024-03-01 10:11,2025-03-01 10:11
102,Bo,Bernard,bo@example.org,,Lead,,Marketing contact,Yes,,2024-03-01 10:11,
103,Dee,Dupont,dee@example.org,,Marketing Qualified Lead,,Non-marketing contact,No,UNKNOWN_USER,2024-03-01 10:11,
"""


@pytest.fixture(autouse=True)
def topic():
    make.topic("offers")
    return make.topic()


@pytest.fixture
def bring_in(tmp_path):
    def run(text, name="export.csv", source="", **declared):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8-sig")
        batch = imports.start(path=path, topic="product-news", source=source, declared=declared)
        return imports.run(batch)

    return run


def mailchimp(email, name, extra="", values=""):
    return (
        MAILCHIMP.format(extra=extra)
        + "\n"
        + MAILCHIMP_ROW.format(email=email, name=name, extra=values)
    )


def reason(email, topic):
    contact = contacts.find_contact(channel=Channel.EMAIL, address=email)
    return gate.explain(contact=contact, topic=topic, channel=Channel.EMAIL).reason


def granted():
    return Permission.objects.filter(state="granted").count()


def test_it_takes_the_three_files_of_mailchimp(bring_in, topic):
    batches = [
        bring_in(mailchimp("ada@example.org", "Ada"), "subscribed_email_audience_export_0a1b.csv"),
        bring_in(
            mailchimp(
                "bo@example.org",
                "Bo",
                UNSUBSCRIBED,
                '"2024-06-07 08:09:10","June news",4a5b,"NORMAL",,',
            ),
            "unsubscribed_email_audience_export_0a1b.csv",
        ),
        bring_in(
            mailchimp("dee@example.org", "Dee", CLEANED, '"2024-07-08 09:10:11","July news",6c7d,'),
            "cleaned_email_audience_export_0a1b.csv",
        ),
    ]
    assert [batch.refused for batch in batches] == [0, 0, 0]
    assert reason("ada@example.org", topic) == "claimed"
    assert reason("bo@example.org", topic) == "withdrawn"
    assert reason("dee@example.org", topic) == "undeliverable"
    assert granted() == 0
    ada = contacts.find_contact(channel=Channel.EMAIL, address="ada@example.org")
    assert {tag.name for tag in ada.tags.all()} == {"book-club", "vip"}
    assert ada.timezone == "Europe/Paris"


def test_it_takes_a_file_of_brevo(bring_in, topic):
    batch = bring_in(BREVO, region="FR", day_first=True)
    assert (batch.refused, batch.contacts) == (0, 2)
    assert reason("bo@example.org", topic) == "withdrawn"
    assert reason("bo@example.org", make.topic("offers")) == "withdrawn"
    ada = contacts.find_contact(channel=Channel.EMAIL, address="ada@example.org")
    assert (ada.created_at.day, ada.created_at.month) == (13, 2)
    assert granted() == 0


def test_it_takes_a_file_of_listmonk(bring_in, topic):
    batch = bring_in(LISTMONK)
    assert (batch.refused, batch.contacts, batch.stops) == (0, 3, 2)
    assert reason("ada@example.org", topic) == "claimed"
    assert reason("bo@example.org", topic) == "withdrawn"
    assert Suppression.objects.filter(cause="listed").count() == 1
    bo = contacts.find_contact(channel=Channel.EMAIL, address="bo@example.org")
    assert bo.created_at.isoformat() == "2024-03-01T09:11:12+00:00"
    assert granted() == 0


def test_it_takes_a_file_of_mautic(bring_in, topic):
    batch = bring_in(MAUTIC)
    assert (batch.refused, batch.contacts) == (0, 2)
    assert reason("bo@example.org", topic) == "withdrawn"
    ada = contacts.find_contact(channel=Channel.EMAIL, address="ada@example.org")
    assert (ada.language, ada.timezone) == ("fr", "Europe/Paris")
    assert {tag.name for tag in ada.tags.all()} == {"book-club", "vip"}
    assert granted() == 0


def test_it_takes_a_file_of_hubspot(bring_in, topic):
    batch = bring_in(HUBSPOT)
    assert (batch.refused, batch.contacts) == (0, 3)
    assert reason("bo@example.org", topic) == "withdrawn"
    assert reason("dee@example.org", topic) == "undeliverable"
    stages = dict(Contact.objects.values_list("identity__first_name", "lifecycle"))
    assert stages == {"Ada": "customer", "Bo": "lead", "Dee": "lead"}
    assert granted() == 0


def test_it_stops_by_every_column_in_which_hubspot_keeps_a_no(bring_in, topic):
    """The contacts with an opt-out per kind of email, and the export of unsubscribes and bounces."""
    everybody = bring_in(
        "Record ID,Email,Unsubscribed from all email,Opted out of email: Marketing Information,"
        "Opted out of email: One to One\n"
        "1,ada@example.org,,,true\n2,bo@example.org,,true,\n3,cy@example.org,true,,\n"
    )
    assert everybody.stops == 2
    assert reason("ada@example.org", topic) == "never_asked"
    gone = bring_in(
        "Email,Portal Bounce,Portal Unsubscribe,Portal Spam Report,Global Bounce,Marketing Information\n"
        "dee@example.org,FALSE,FALSE,FALSE,TRUE,\nflo@example.org,,TRUE,,,\ngus@example.org,,,TRUE,,\n"
    )
    assert (gone.stops, gone.undeliverable) == (2, 1)
    for name in ("bo", "cy", "flo", "gus"):
        assert reason(f"{name}@example.org", topic) == "withdrawn"
    assert reason("dee@example.org", topic) == "undeliverable"


EVIDENCE = {"occurred_at": "2024-05-01", "wording": "Yes please"}


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        # HubSpot, with the names that its programs use.
        (
            "email,hs_email_optout,hs_email_optout_1234",
            {"true,": "withdrawn", ",true": "withdrawn"},
        ),
        ("email,hs_email_hard_bounce_reason_enum", {"UNKNOWN_USER": "undeliverable"}),
        (
            "Email,Invalid email address,Email address quarantine reason",
            {"true,": "undeliverable", ",SUSPENSION_REMEDIATION": "undeliverable"},
        ),
        (
            "Email,Portal Bounce,Portal Unsubscribe,Marketing Information,Customer letter",
            {",,TRUE,": "withdrawn", ",,,TRUE": "withdrawn", "MAILBOX_FULL,,,": "undeliverable"},
        ),
        # Brevo, as its programming interface and as its pages export.
        (
            "EMAIL;_listIds;_SUBSCRIBED;_BLOCKLISTED",
            {
                "[3|4];;[email_marketing]": "withdrawn",
                "[3];;[sms_marketing|email_marketing]": "withdrawn",
                "[3];[email_marketing];[sms_marketing]": "",
                "[3];[email_marketing];[]": "",
            },
        ),
        ("EMAIL,EMAIL_BLOCKLISTED,WHATSAPP_BLOCKLISTED", {"true,false": "withdrawn", ",true": ""}),
        # Mautic: a field, and the column of its reports.
        ("Email,DNC reason", {"1": "withdrawn"}),
        ('Email,"DNC Preferences"', {"Email: Unsubscribed": "withdrawn"}),
        ("Email,Do Not Contact - Email", {"Yes": "withdrawn"}),
        # Others, and people.
        ("Email,Status,Unsubscribe Date", {"Active,": "", "Active,2024-06-01": "withdrawn"}),
        ("Email,Accepts Email Marketing", {"no": "never_asked", "yes": ""}),
        ("Email,Email Marketing Consent", {"NEVER_SUBSCRIBED": "never_asked", "SUBSCRIBED": ""}),
        ("Email,OPT_IN", {"0": "never_asked", "1": ""}),
        ("e-mail,Désabonnée", {"oui": "withdrawn", "non": ""}),
        ("e-mail,Client désabonné", {"oui": "withdrawn"}),
        ("Email,Account unsubscribed,Unsubscribe count", {"yes,": "withdrawn", "no,1": ""}),
        ("Email,Unsubscribed from campaigns", {"yes": "withdrawn"}),
        ("Email,Unsubscribe link,UNSUB_CAMPAIGN_ID", {"https://example.org/u/1,4a5b": ""}),
    ],
)
def test_it_mails_nobody_past_a_column_that_says_no(tmp_path, topic, header, rows):
    mark = ";" if ";" in header else ","
    lines = [f"person{number}@example.org{mark}{row}" for number, row in enumerate(rows)]
    path = tmp_path / "export.csv"
    path.write_text("\n".join([header, *lines]))
    batch = imports.start(path=path, topic="product-news", source="Form", declared=EVIDENCE)
    assert imports.run(batch).refused == 0
    found = [reason(f"person{number}@example.org", topic) for number in range(len(rows))]
    assert found == list(rows.values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("unsubscribed_email_audience_export_0a1b.csv", "withdrawn"),
        ("cleaned_email_audience_export_0a1b.csv", "undeliverable"),
        ("nonsubscribed_email_audience_export_0a1b.csv", "never_asked"),
        ("non-subscribed.csv", "never_asked"),
        ("2024 Unsubscribed.CSV", "withdrawn"),
        ("Désabonnés.csv", "withdrawn"),
        ("export-opt-out.csv", "withdrawn"),
        ("hard bounces.csv", "undeliverable"),
        ("soft bounces.csv", ""),
        ("subscribed_email_audience_export_0a1b.csv", ""),
        ("newsletter, cleaned.csv", ""),
    ],
)
def test_it_hears_a_no_in_the_name_of_the_file(bring_in, topic, name, expected):
    bring_in("email\nada@example.org\n", name, **EVIDENCE, source="Form")
    assert reason("ada@example.org", topic) == expected


def test_it_believes_the_name_that_mailchimp_gave_a_file_where_a_row_says_nothing(bring_in, topic):
    text = "Email Address,UNSUB_TIME,UNSUB_REASON\nada@example.org,,\n"
    bring_in(text, "unsubscribed_members_export_1f2.csv", **EVIDENCE, source="Form")
    assert reason("ada@example.org", topic) == "withdrawn"


def test_it_leaves_what_the_rows_say_to_them_whatever_the_name_of_the_file(bring_in, topic):
    text = "email,unsubscribed\nada@example.org,no\nbo@example.org,yes\n"
    bring_in(text, "all, also unsubscribed.csv", **EVIDENCE, source="Form")
    assert reason("ada@example.org", topic) == ""
    assert reason("bo@example.org", topic) == "withdrawn"


def test_it_reads_the_numbers_of_brevo_and_its_no_to_text_messages(bring_in, topic):
    batch = bring_in(
        "CONTACT ID;EMAIL;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME\n"
        "1;ada@example.org;33612345678;No;No;01-02-2024\n"
        "2;bo@example.org;33612345679;No;Yes;31-12-2024\n"
    )
    # 01-02-2024 can be read in two ways: the person is taken, the date is not.
    assert (batch.contacts, batch.stops, batch.refused) == (2, 1, 1)
    bo = contacts.find_contact(channel=Channel.SMS, address="+33612345679")
    assert gate.explain(contact=bo, topic=topic, channel=Channel.SMS).reason == "withdrawn"
    assert reason("bo@example.org", topic) == "never_asked"


def test_it_reads_what_a_spreadsheet_on_a_mac_writes(tmp_path, topic):
    path = tmp_path / "mac.csv"
    path.write_bytes("email,prénom,statut\nada@example.org,Éloïse,désabonné\n".encode("mac-roman"))
    imports.run(imports.start(path=path))
    ada = contacts.find_contact(channel=Channel.EMAIL, address="ada@example.org")
    assert ada.identity.first_name == "Éloïse"
    assert reason("ada@example.org", topic) == "withdrawn"


def test_it_takes_curly_quotes_of_windows_for_what_they_are(tmp_path):
    path = tmp_path / "windows.csv"
    path.write_bytes("email,last name\nada@example.org,O’Brien – Žižek\n".encode("cp1252"))
    imports.run(imports.start(path=path))
    ada = contacts.find_contact(channel=Channel.EMAIL, address="ada@example.org")
    assert ada.identity.last_name == "O’Brien – Žižek"


def test_it_reads_a_file_as_utf_8_though_a_letter_in_it_is_spoiled(tmp_path):
    path = tmp_path / "joined.csv"
    path.write_bytes(
        "email,first name\nada@example.org,Éloïse\nbo@example.org,No".encode() + b"\xebl\n"
    )
    imports.run(imports.start(path=path))
    names = set(Contact.objects.values_list("identity__first_name", flat=True))
    assert names == {"Éloïse", "No\N{REPLACEMENT CHARACTER}l"}


def test_it_looks_for_the_encoding_no_longer_than_it_needs(tmp_path):
    """512 MB may be uploaded, and somebody waits."""
    path = tmp_path / "long.csv"
    row = "ada@example.org,Éloïse Noël\n"
    path.write_bytes((row * 50_000).encode("cp1252") + (row * 100_000).encode("mac-roman"))
    assert reading.inspect(path).encoding == "cp1252"
