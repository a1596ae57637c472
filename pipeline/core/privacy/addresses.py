"""Addresses in a folded text: e-mail, web and IP addresses, and handles."""

import ipaddress
import re
from collections.abc import Iterator

import regex

Span = tuple[int, int]

MIN_HEX_DIGITS = 5  # of an IPv6 address; "4::1" is a score with a typo

EMAIL = regex.compile(
    r"@?(?<![\w.+%-])(?:\"[^\"@]{1,64}+\"|[\w.+%-]++(?:['&][\w.+%-]++){0,3}+)@@?"
    r"(?:(?:[\w-]{1,63}+\.){1,8}+(?:xn--[\w-]{1,59}|\p{L}{2,24})\b|\[[\d.:a-f]{7,39}\])",
    regex.IGNORECASE,
)
# Written so that no program finds it: "joe @ x.org", "joe (at) x (dot) org", "joe at x dot org".
OPEN, CLOSE = r" ?[(\[{<] ?", r" ?[)\]}>] ?"
AT = re.compile(
    rf"(?P<spaced> {{1,2}}@ {{0,2}}|@ {{1,2}})|@|%40|{OPEN}(?:@|at|ät|arroba|arobase){CLOSE}|[_-]at[_-]"
    r"|(?P<bare> (?:at|ät|arroba|arobase) )",
    regex.IGNORECASE,
)
SPELLED_DOT = (
    rf"(?:{OPEN}(?:dot|punkt|punto|point|ponto|\.){CLOSE}|[ _-](?:dot|punkt|punto|point|ponto)[ _-])"
)
# No domain is without one of these.
DOTS = (".", "dot", "punkt", "punto", "point", "ponto")
LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?+"
TOP = (
    "com|org|net|edu|gov|mil|int|info|biz|name|pro|app|dev|xyz|online|site|shop|store|tech|cloud|blog|email|mail|live"
    "|news|mobi|museum|jobs|travel|example|test|invalid|local|localhost|onion|[a-z]{2}"
)
DOMAIN = re.compile(
    rf"(?P<plain>(?:{LABEL}\.){{1,8}}(?:{TOP})(?![\w@]|-\w))"
    rf"|(?:{LABEL}(?: ?\. ?|{SPELLED_DOT})){{1,8}}(?:{TOP})(?!\w)",
    regex.IGNORECASE,
)
LOCAL = regex.compile(
    rf"(?r)(?<!\w)(?:[\p{{L}}\d]\w{{0,30}}(?:{SPELLED_DOT}\w{{1,30}}){{1,3}}"
    r"|[\p{L}\d](?:[\w.+%'-]{0,62}\w)?)",
    regex.IGNORECASE,
)
MAIL = re.compile(r"\b(?:e-?mails?|mails?|mailto|correo|courriel|contact|reach)\b", re.IGNORECASE)
BEFORE = 32  # characters in which a word announces an address
# "Buy it @ shop.com", "look at example dot com": not the name of a mailbox.
NO_LOCAL = frozenset((
    "a", "about", "all", "also", "am", "and", "any", "anything", "are", "available", "back", "be", "best",
    "bought", "buy", "buying", "check", "cheap", "come", "deal", "deals", "down", "even", "everything",
    "find", "food", "for", "found", "free", "get", "good", "great", "guys", "he", "her", "here", "him",
    "home", "hosted", "i", "in", "is", "it", "items", "job", "just", "live", "look", "looked", "looking",
    "lunch", "me", "meet", "meeting", "more", "much", "new", "no", "not", "now", "of", "off", "on", "one",
    "online", "only", "or", "order", "ordered", "ordering", "out", "over", "page", "people", "price",
    "prices", "read", "sale", "see", "seen", "sell", "selling", "service", "she", "shop", "shopping",
    "site", "sold", "someone", "staff", "started", "stay", "stuff", "team", "than", "that", "the", "them",
    "there", "they", "thing", "things", "this", "time", "today", "tonight", "tomorrow", "up", "us", "via",
    "visit", "was", "watch", "we", "week", "well", "were", "what", "when", "work", "worked", "working",
    "works", "yesterday", "you",
))  # fmt: skip
# "At this point in 1986", "employed at a dot com company": words of a sentence, and no name of a machine.
IN_PROSE = re.compile(r"([^\W_]+) (dot|point) ([a-z]+)\Z", re.IGNORECASE)
DETERMINERS = frozenset((
    "a", "an", "the", "this", "that", "these", "those", "which", "what", "whatever", "some", "any", "every",
    "each", "no", "another", "either", "neither", "such", "its", "his", "her", "my", "our", "your", "their",
    "whose",
))  # fmt: skip
# No country has these, and no mailbox is there.
NO_TOP = frozenset(("an", "go", "he", "if", "of", "oh", "ok", "on", "or", "ox", "up", "we"))
# What follows "point" in English sentences; elsewhere it parts a domain, as in "jean at exemple point fr".
AFTER_POINT = NO_TOP | {
    "am", "as", "at", "be", "by", "do", "in", "is", "it", "jobs", "live", "local", "mail", "me", "my", "name",
    "news", "no", "online", "pro", "shop", "so", "store", "test", "to", "travel", "us",
}  # fmt: skip
WEB = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}+://\S++", regex.IGNORECASE)
# With a user before the host, or with a name, a password or a token among the parameters.
USER = re.compile(r"[a-z0-9+.-]+://[^\s/?#]*@\S", regex.IGNORECASE)
SECRET = re.compile(
    r"[?&;#](?:[\w.-]{0,20}[_.-])?(?:e-?mail|mail|user(?:name)?|login|token|api_?key|key|passw(?:or)?d|pwd|secret"
    r"|session_?(?:id)?|sid|auth|phone|tel)=\S",
    regex.IGNORECASE,
)
# "@user" and "@anonymous" are placeholders of the sources; "@5pm" is a time.
NAME = r"@(?!(?:user|anonymous)\b)[^\W\d]\w{1,63}+(?:\.\w{1,63}+){0,3}+(?!@)"
HANDLE = regex.compile(rf"(?<![\w@])(?<!\w\.){NAME}(?:\.{NAME})*+", regex.IGNORECASE)
# The name in the address of a profile, without the pages that are no profile.
PROFILE = re.compile(
    r"(?:(?<![\w/])/?u/|\b(?:t\.me|(?:instagram|twitter|x|tiktok|facebook|threads|snapchat)\.(?:com|net)(?:/add)?"
    r"|linkedin\.com/in|reddit\.com/u(?:ser)?)/@?)"
    r"(?!(?:home|search|hashtag|explore|intent|share|sharer|i|p|reel|reels|tag|watch|groups|pages|events)\b)"
    r"([^\W\d][\w.-]{1,62}\w)",
    re.IGNORECASE,
)
IPV4 = regex.compile(
    r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\w|\.\d)"
)
# "Version 1.2.3.4", "section 1.2.3.4".
NUMBERED = re.compile(
    r"(?:\b(?:versions?|ver|v|release|build|firmware|driver|update|patch|revision|rev|sections?|sect?|chapter"
    r"|clause|paragraph|article|figure|fig|table|rule|appendix|exercise)|\u00a7)[ .:#]*\Z",
    re.IGNORECASE,
)
IPV6 = regex.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}+[0-9A-Fa-f]{0,4}(?![\w:])")


def find_web_addresses(text: str) -> Iterator[Span]:
    """Yield the spans of web addresses that name a user or hold a secret."""
    if "://" in text:
        for match in WEB.finditer(text):
            if USER.match(match[0]) or SECRET.search(match[0]):
                yield match.span()


def find_emails(text: str) -> Iterator[Span]:
    """Yield the spans of e-mail addresses."""
    if "@" in text:
        yield from (match.span() for match in EMAIL.finditer(text))


def find_spelled_emails(text: str) -> Iterator[Span]:
    """Yield the spans of e-mail addresses written for people only, such as `joe (at) x (dot) org`."""
    low = text.lower()
    if not any(dot in low for dot in DOTS):
        return
    if not ("@" in low or "%40" in low or "at" in low or "ät" in low or "arro" in low or "arob" in low):
        return
    past = 0
    for sign in AT.finditer(text):
        domain = DOMAIN.match(text, sign.end())
        local = LOCAL.match(text, past, sign.start()) if domain else None
        if not domain or not local or ((sign["spaced"] or sign["bare"]) and _is_no_name(local[0])):
            continue
        if _is_prose(domain[0], announced=_is_announced(text, local)):
            continue
        if not sign["bare"] or not domain["plain"] or _is_meant(text, local, sign["bare"]):
            past = domain.end()
            yield local.start(), past


def find_handles(text: str) -> Iterator[Span]:
    """Yield the spans of handles such as `@joe`, and of the name in `u/joe` or `t.me/joe`."""
    if "@" in text:
        yield from (match.span() for match in HANDLE.finditer(text))
    if "/" in text:
        yield from (match.span(1) for match in PROFILE.finditer(text))


def find_ip_addresses(text: str) -> Iterator[Span]:
    """Yield the spans of IP addresses of both versions."""
    if "." in text:
        for match in IPV4.finditer(text):
            if not NUMBERED.search(text, max(0, match.start() - BEFORE), match.start()):
                yield match.span()
    if "::" in text or text.count(":") > 2:
        yield from (match.span() for match in IPV6.finditer(text) if _is_ipv6(match[0]))


def _is_no_name(local: str) -> bool:
    return local.isdigit() or local.lower() in NO_LOCAL


def _is_meant(text: str, local: "regex.Match[str]", sign: str) -> bool:
    """Return whether "joe AT x.org", or "joe at x.org" behind the word "mail", is more than a place."""
    is_loud = sign == " AT " and not local[0].isupper()
    return is_loud or _is_announced(text, local)


def _is_announced(text: str, local: "regex.Match[str]") -> bool:
    return bool(MAIL.search(text, max(0, local.start() - BEFORE), local.start()))


def _is_prose(domain: str, *, announced: bool) -> bool:
    """Return whether "this point in" or "a dot com" are words of a sentence rather than a domain."""
    words = IN_PROSE.match(domain)
    if not words:
        return False
    before, sign, after = (word.lower() for word in words.groups())
    if sign == "point":
        return before in DETERMINERS or (after in AFTER_POINT and not announced)
    return after in NO_TOP or (before in DETERMINERS and not announced)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return len(text) - text.count(":") >= MIN_HEX_DIGITS
