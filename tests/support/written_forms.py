"""Personal data as people write them, by kind; all are made up, or example numbers of libphonenumber."""

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import iban, luhn, numdb

REGIONS = (
    "US", "CA", "GB", "IE", "DE", "AT", "CH", "FR", "BE", "NL", "ES", "PT", "IT", "PL", "CZ", "SE", "NO",
    "DK", "FI", "GR", "TR", "RU", "UA", "RO", "HU", "IN", "PK", "CN", "JP", "KR", "HK", "SG", "MY", "ID",
    "PH", "TH", "VN", "AU", "NZ", "ZA", "NG", "KE", "EG", "IL", "AE", "SA", "BR", "AR", "MX", "CO", "CL",
)  # fmt: skip
BANKS = (
    "DE", "FR", "GB", "ES", "IT", "NL", "BE", "AT", "CH", "PL", "PT", "SE", "NO", "DK", "FI", "IE", "GR",
    "CZ", "HU", "RO", "TR", "SA", "AE", "BR", "MT", "UA",
)  # fmt: skip
NETWORKS = {
    "4": (4, 4, 4, 4), "4539": (4, 4, 4, 1), "51": (4, 4, 4, 4), "2221": (4, 4, 4, 4), "37": (4, 6, 5),
    "6011": (4, 4, 4, 4), "3528": (4, 4, 4, 4), "36": (4, 6, 4), "6304": (4, 4, 4, 4, 3), "62": (4, 4, 4, 4),
}  # fmt: skip
EMAILS = (
    "john.smith@example.com", "anna_k@mail.example.org", "jo+shop@example.co.uk",
    "m.mueller99@post.example.de", "li.wei@example.com.cn", "o'brien@example.ie", "x@example.io",
    "marie-claire@example.fr", "first.last@sub.example.net", "info2024@example.info",
    "ravi%sales@example.in", "a.b.c@example.museum",
)  # fmt: skip
HANDLES = (
    "jane_doe", "jane.doe", "j4ne", "JaneDoe99", "_jane_", "жанна", "jörg", "ann_m_lee", "xX_kev_Xx",
    "tom.k.99", "MaryAnn", "o_brien", "li_wei", "the.real.sam",
)  # fmt: skip
CUED = (
    "call me on {} tonight", "my number is {}, ask for Ann", "Tel. {}", "ruf mich an: {}",
    "mon numéro : {} merci", "text {} if you want one", "WhatsApp {}", "llámame al {} por favor",
)  # fmt: skip
BARE = (
    "{}",
    "I gave them {} and nobody came",
    "so disappointed ({})",
    "never again, {}!",
    "it says {} on the door",
)


@dataclass(frozen=True)
class WrittenForm:
    """Hold a text, the personal datum in it as it is written there, its kind and the value it writes."""

    kind: str
    value: str
    written: str
    text: str

    @property
    def is_held_out(self) -> bool:
        """Return whether rules are not chosen on this form: half of the values, with all their forms."""
        return crc32(f"{self.kind} {self.value}".encode()) % 2 == 1


def written_forms() -> list[WrittenForm]:
    """Return all forms, each in a sentence, and telephone numbers also in one that speaks of them."""
    rng = random.Random(10)
    forms = []
    for kind, values in (
        ("email", _emails()), ("telephone", _telephones(rng)), ("iban", _ibans(rng)), ("card", _cards(rng)),
        ("handle", _handles()),
    ):  # fmt: skip
        for number, (value, written) in enumerate(dict.fromkeys(values)):
            if kind == "telephone":
                forms.append(
                    WrittenForm("telephone, cued", value, written, CUED[number % len(CUED)].format(written))
                )
            forms.append(WrittenForm(kind, value, written, BARE[number % len(BARE)].format(written)))
    return forms


def _handles() -> Iterator[tuple[str, str]]:
    for name in HANDLES:
        for written in (
            f"@{name}",
            f"＠{name}",
            f"﹫{name}",
            f"@\u200b{name}",
            f"@{''.join(map(_wide, name))}",
        ):
            yield name, written
        yield name, "\u2060".join(f"@{name}")


def _emails() -> Iterator[tuple[str, str]]:
    for email in EMAILS:
        local, _, domain = email.partition("@")
        spelled = domain.replace(".", " dot ")
        for written in (
            email, email.upper(), f"{local} @ {domain}", f"{local}＠{domain}",
            f"{local}﹫{domain}", f"{local} (at) {domain}", f"{local}[at]{domain}", f"{local} (at) {spelled}",
            f"{local} [at] {spelled}", f"{local} at {spelled}", f"{local}@\u200b{domain}",
            f"{local}%40{domain}",
            f"{local}@{domain.replace('.', '．')}", f"{local} AT {spelled.upper()}", f"{local}@ {domain}",
            f"{local}{{at}}{domain.replace('.', '[dot]')}", f"{local}@{domain.replace('.', ' (dot) ')}",
            email.replace("-", "\u2011"), "".join(_wide(character) for character in email),
        ):  # fmt: skip
            yield email, written


def _telephones(rng: random.Random) -> Iterator[tuple[str, str]]:
    for region in REGIONS:
        for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
            example = phonenumbers.example_number_for_type(region, kind)
            assert example is not None
            number = _varied(example, rng)
            value = phonenumbers.format_number(number, PhoneNumberFormat.E164)
            for written in _telephone_forms(number):
                yield value, written


def _varied(example: phonenumbers.PhoneNumber, rng: random.Random) -> phonenumbers.PhoneNumber:
    """Return a number with other last digits than the example, where one of a few is valid."""
    for _ in range(20):
        number = phonenumbers.PhoneNumber()
        number.merge_from(example)
        number.national_number = example.national_number // 10_000 * 10_000 + rng.randrange(10_000)
        if phonenumbers.is_valid_number(number):
            return number
    return example


def _telephone_forms(number: phonenumbers.PhoneNumber) -> Iterator[str]:
    national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    abroad = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    plain = national.replace("(", "").replace(")", "")
    country, _, rest = abroad.partition(" ")
    yield from (national, abroad, phonenumbers.format_number(number, PhoneNumberFormat.E164))
    yield phonenumbers.format_number(number, PhoneNumberFormat.RFC3966).removeprefix("tel:")
    for separator in (".", "-", "/", "\u2011", "\u2013", "\u00a0", "\u2009", ""):
        yield plain.replace(" ", separator).replace("-", separator)
    for separator in (".", "-", "\u2011", "\u202f"):
        yield abroad.replace(" ", separator).replace("-", separator)
    yield from (f"00{abroad[1:]}", f"011 {abroad[1:]}", f"{country} (0){rest}", f"({country}) {rest}")
    yield from (f"{national} x123", f"{abroad} ext. 45", f"{abroad};ext=7")
    yield "".join(_wide(character) for character in national)
    yield "".join(chr(0x0660 + int(sign)) if sign.isdigit() else sign for sign in national)
    yield "\u200b".join(national)


def _ibans(rng: random.Random) -> Iterator[tuple[str, str]]:
    for country in BANKS:
        fields = numdb.get("iban").info(country)[0][1]["bban"]
        bban = "".join(
            _field(field, rng)
            for field in fields.replace("!n", "n ").replace("!a", "a ").replace("!c", "c ").split()
        )
        compact = country + iban.calc_check_digits(f"{country}00{bban}") + bban
        groups = [compact[at : at + 4] for at in range(0, len(compact), 4)]
        for separator in (" ", "", "-", ".", "\u00a0", "\u2011", "/"):
            yield compact, separator.join(groups)
        yield from ((compact, " ".join(groups).lower()), (compact, compact.lower()))
        yield compact, "".join(map(_wide, compact))


def _field(field: str, rng: random.Random) -> str:
    signs = {"n": string.digits, "a": string.ascii_uppercase, "c": string.digits + string.ascii_uppercase}
    return "".join(rng.choices(signs[field[-1]], k=int(field[:-1])))


def _cards(rng: random.Random) -> Iterator[tuple[str, str]]:
    for prefix, lengths in NETWORKS.items():
        for _ in range(3):
            body = prefix + "".join(rng.choices(string.digits, k=sum(lengths) - len(prefix) - 1))
            digits = body + luhn.calc_check_digit(body)
            ends = [sum(lengths[:count]) for count in range(len(lengths) + 1)]
            groups = [digits[start:end] for start, end in pairwise(ends)]
            for separator in (" ", "", "-", ".", "/", "\u2011", "\u2007", "\u2013", " - ", "\u200b"):
                yield digits, separator.join(groups)
            yield digits, "".join(map(_wide, digits))


def _wide(character: str) -> str:
    return chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character
