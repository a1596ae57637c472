"""The rules that turn mark-up into plain text; negation, case and emoji stay: they carry the sentiment."""

import html
import re
import unicodedata
from collections.abc import Callable

import regex

from pipeline.core.clean.spelled_out import decode_bytes_literal, decode_escapes

# Only real elements count as mark-up: <grin> and <3 are text.
BLOCKS = (
    "address|article|aside|blockquote|body|br|center|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]"
    "|head|header|hr|html|iframe|img|input|li|link|main|meta|nav|ol|option|p|pre|section|select|table|tbody|td"
    "|tfoot|th|thead|title|tr|ul|video"
)
INLINE = (
    "a|abbr|b|big|button|cite|code|del|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strike|strong|style|script"
    "|sub|sup|svg|tt|u|var"
)
# An attribute needs its "=", so that "3 <a and b> 2" stays. The bounds limit the scan after each "<" of
# hostile text.
ATTRIBUTE = (
    r"\s++(?:[\w:.-]{1,50}+\s*+=\s*+(?:\"[^\"<]{0,2000}+\"|'[^'<]{0,2000}+'|[^\s\"'<>]{1,2000}+)"
    r"|checked|disabled|hidden|selected)"
)
TAG = regex.compile(
    r"<!--.{0,2000}?-->|<!doctype\b[^<>]{0,500}>|<\?xml\b[^<>]{0,500}\?>|<(?P<unseen>script|style)\b[^<>]{0,500}>.{0,5000}?</(?P=unseen)\s*>"
    rf"|</?(?:(?P<block>{BLOCKS})|(?P<inline>{INLINE}))\b(?:{ATTRIBUTE}){{0,50}}+\s*+/?>",
    regex.IGNORECASE | regex.DOTALL,
)
AMPERSANDS = regex.compile(r"&(?:amp;|#0*38;|#x0*26;)+", regex.IGNORECASE)
# Scripts that spell with joiners; elsewhere a joiner outside an emoji is invisible noise.
JOINED = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}"
    r"\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Tibetan}"
)
NOISE = regex.compile(
    # Kept: the flags of England, Scotland and Wales; joiners inside an emoji; joiners in scripts that spell
    # with them.
    r"(?P<kept>\U0001F3F4[\U000E0020-\U000E007E]{1,8}\U000E007F"
    r"|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F\uFE0E])\u200D(?=\p{Extended_Pictographic})"
    rf"|(?<=[{JOINED}])[\u200C\u200D])"
    # Dropped: controls, zero-width and bidi characters (T16), but not the number signs that are seen.
    r"|[[\p{Cc}--[\t\n\v\f\r\x85]][\p{Cf}--\p{Prepended_Concatenation_Mark}]]",
    regex.V1,
)
BLANKS = regex.compile(r"[\s\u2800\u3164\uFFA0\u115F\u1160]+")
# The stop behind a link belongs to the sentence.
LINK = regex.compile(
    r"(?:\bhttps?://|\bwww\.(?=\w))[^\s<>\"\[\]]{0,2000}[^\s<>\"\[\].,;:!?'*_~)]", regex.IGNORECASE
)
LINK_PLACEHOLDER = "[link]"
# Four or more of one letter or mark become three: "soooooo" stays longer than "so", and is one word.
REPEATED = regex.compile(r"([\p{L}!?.\u2026\u3002\uFF01\uFF1F])\1{3,}")
ASCII_REPEATED = re.compile(r"([A-Za-z!?.])\1\1\1")
MAX_PASSES = 8

Rules = tuple[tuple[str, Callable[[str], str]], ...]


def clean_text(text: str, rules: "Rules | None" = None) -> tuple[str, tuple[str, ...]]:
    """Return a cleaned text and the names of the rules that changed it; cleaning it again changes nothing.

    `rules` are by default those of today.
    """
    if _is_plain(text):
        return text, ()
    changed: dict[str, None] = {}
    for passed in range(MAX_PASSES):
        before = text
        for name, rule in RULES if rules is None else rules:
            after = rule(text)
            if after != text:
                changed[name] = None
            text = after
        if text == before:
            break
        # A pass can expose another tag or entity ("<<b>b>"); only hostile text does so again and again.
        if passed >= MAX_PASSES // 2:
            text = text.replace("<", " ").replace("&", " ").replace("\\", " ")
    return text, tuple(changed)


def _is_plain(text: str) -> bool:
    """Return, in a tenth of the time of the rules, whether none of them applies, as to most texts."""
    printable = text.isascii() and text.isprintable()
    return (
        printable
        and "&" not in text
        and "<" not in text
        and "  " not in text
        and "\\" not in text
        and text == text.strip(" ")
        and "://" not in text
        and not text.startswith(("b'", 'b"'))
        and "www." not in text.lower()
        and not ASCII_REPEATED.search(text)
    )


def _links(text: str) -> str:
    return str(LINK.sub(LINK_PLACEHOLDER, text)) if "://" in text or "www." in text.lower() else text


def _repeats(text: str) -> str:
    if text.isascii() and not ASCII_REPEATED.search(text):
        return text
    return str(REPEATED.sub(r"\1\1\1", text))


def _entities(text: str) -> str:
    # Once is not enough ("&amp;lt;" takes two), and repeated single steps are quadratic on "&amp;amp;amp;…".
    return html.unescape(AMPERSANDS.sub("&", text)) if "&" in text else text


def _mojibake(text: str) -> str:
    if text.isascii():
        return text
    import ftfy

    # Only the encoding is fixed: quotes, ligatures and wide letters stay as people wrote them.
    only_encoding = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )
    return ftfy.fix_text(text, only_encoding)


def _controls(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return str(NOISE.sub(lambda match: match["kept"] or "", text))


def _html(text: str) -> str:
    if "<" not in text or not TAG.search(text):
        return text
    from selectolax.lexbor import LexborHTMLParser

    # Text outside mark-up is escaped first: a parser would drop all that follows "a <b and c".
    parts, end = [], 0
    for tag in TAG.finditer(text):
        parts += [html.escape(text[end : tag.start()], quote=False), _padded(tag)]
        end = tag.end()
    tree = LexborHTMLParser("".join([*parts, html.escape(text[end:], quote=False)]))
    return tree.root.text(deep=True, separator="", strip=False) if tree.root else ""


def _padded(tag: "regex.Match[str]") -> str:
    # A block separates words, "<b>un</b>real" is one word. An unclosed script would drop the rest of the
    # text.
    if tag["block"]:
        return f" {tag[0]} "
    return tag[0] if tag["inline"] and tag["inline"].lower() not in ("script", "style") else " "


def _unicode(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _spaces(text: str) -> str:
    return str(BLANKS.sub(" ", text)).strip(" ")


# Entities first, since they hide all else; mojibake before controls, which are half of it; both before tags,
# which a zero-width character can break; composition after the rules that remove characters between a letter
# and its mark.
EARLIER_RULES: Rules = (
    ("entities", _entities),
    ("mojibake", _mojibake),
    ("controls", _controls),
    ("html", _html),
    ("unicode", _unicode),
    ("spaces", _spaces),
)
# Spelled-out characters first, since they hide all else; links after tags, which hold some.
RULES: Rules = (
    ("bytes", decode_bytes_literal),
    ("escapes", decode_escapes),
    *EARLIER_RULES[:-1],
    ("links", _links),
    ("repeats", _repeats),
    EARLIER_RULES[-1],
)
