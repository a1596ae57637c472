"""Words around digits that say whether they are a telephone number."""

from enum import Enum

import regex

BEFORE, AFTERWARDS = 48, 24  # characters around the digits in which a word speaks about them

CUES = frozenset((
    "tel", "tele", "telephone", "telephones", "phone", "phones", "phoned", "phoning", "mobile", "mob",
    "cell", "cellphone", "landline", "handset", "hotline", "call", "calls", "called", "calling", "callme",
    "ring", "dial", "dialed", "dialling", "dialing", "text", "texted", "texting", "txt", "sms",
    "imessage", "fax", "whatsapp", "wa", "telegram", "viber", "signal", "wechat", "contact", "contacts",
    "reach", "voicemail", "ph", "msg", "message", "digits", "pager", "telefon", "telefonnummer",
    "telefonnr", "fon", "mobil", "mobilnummer", "mobilfunk", "handy", "handynummer", "nummer", "ruf",
    "rufen", "anruf", "anrufen", "rufnummer", "erreichbar", "téléphone", "téléphoner", "portable",
    "appel", "appeler", "appelle", "appelez", "appelle-moi", "joindre", "numéro", "teléfono", "telefono",
    "telf", "móvil", "movil", "celular", "cel", "fijo", "llama", "llame", "llamar", "llamame", "llámame",
    "llámanos", "contacto", "número", "numero", "telefone", "telemóvel", "telemovel", "ligue", "liga",
    "ligar", "contato", "cellulare", "chiama", "chiamami", "chiamare", "chiamate", "bel", "bellen",
    "telefoonnummer", "gsm", "puhelin", "puh", "mig", "ringa", "soita", "tlf", "tlfnr", "mobiltelefon",
    "zadzwoń", "dzwoń", "dzwonić", "numer", "komórka", "mobilní", "volejte", "zavolejte", "číslo",
    "zavolajte", "hívj", "hívjon", "szám", "telefonszám", "sunați", "suna", "telefonul", "numărul", "ara",
    "arayın", "arayin", "numara", "numaram", "τηλ", "τηλέφωνο", "κινητό", "тел", "телефон", "телефона",
    "номер", "звони", "звоните", "позвони", "позвоните", "мобильный", "моб", "сотовый", "дзвоніть",
    "हेल्पलाइन", "फोन", "फ़ोन", "मोबाइल", "नंबर", "कॉल", "فون", "موبائل", "رقم", "هاتف", "جوال", "اتصل",
    "تليفون", "موبايل", "טלפון", "נייד", "telepon", "telpon", "hubungi", "hp", "nomor", "nombor", "gọi",
    "số", "điện", "thoại", "đt", "sdt", "tawag", "โทร",
))  # fmt: skip
# Scripts without blanks between words.
SIGNS = (
    "☎", "📞", "📱", "✆", "电话", "電話", "手机", "手機", "携帯", "番号", "致电", "전화", "핸드폰", "번호",
    "연락", "โทร",
)  # fmt: skip
OWNED = regex.compile(r"\b(?:my|his|her|our|their|new|the) (?:number|no|nr|num|digits)\b", regex.IGNORECASE)
LABEL = regex.compile(
    r"(?:\b(?:order|invoice|ticket|tracking|track|parcel|shipment|item|article|product|sku|upc|ean|gtin|isbn"
    r"|issn|asin|barcode|serial|model|part|ref|reference|case|id|code|pin|zip|plz|booking|reservation|customer"
    r"|flight|version|build|commit|bug|issue|patent|doi|arxiv|pmid|lot|batch|policy|claim|receipt|transaction|timestamp"
    r"|bestellung|bestellnummer|rechnung|artikel|sendung|commande|facture|colis|pedido|factura|ordine"
    r"|zamówienie|заказ)(?: (?:number|no|nr|num|id|code|ref))?[ .:#=]*|#|№|\bno\. ?)\Z",
    regex.IGNORECASE,
)
LETTERS = regex.compile(r"[\p{L}\p{M}]+")
UNIT = regex.compile(
    r" ?(?:people|users|views|followers|subscribers|likes|streams|downloads|votes|copies|km|miles|dollars"
    r"|euros|usd|eur|gbp|yen|won|rupees|bytes|atoms|million|billion)\b",
    regex.IGNORECASE,
)


class Context(Enum):
    """Name what the words around digits say: nothing, a telephone number, or the number of something else."""

    NONE = "none"
    CUED = "cued"
    LABELLED = "labelled"


def read_context(text: str, start: int, end: int) -> Context:
    """Return what the words before the span say, and those after it where there is no label before it."""
    before, after = text[max(0, start - BEFORE) : start], text[end : end + AFTERWARDS]
    if LABEL.search(before) or UNIT.match(after):
        return Context.LABELLED
    words = LETTERS.findall(before.lower()) + LETTERS.findall(after.lower())
    if not CUES.isdisjoint(words) or OWNED.search(before) or any(sign in before for sign in SIGNS):
        return Context.CUED
    return Context.NONE
