"""The inspection of a table in words: its fields, and sentences about it."""

from pipeline.operations.tables.inspection import TableInspection

DELIMITERS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
LABELS_SHOWN, SPELLINGS_SHOWN = 30, 6


def fields(found: TableInspection) -> list[tuple[str, str]]:
    """Return how a table is written, its rows, columns, labels and texts, each under its name."""
    return [
        ("file", _shape(found)),
        ("rows", _rows(found)),
        ("columns", _columns(found)),
        ("labels", _labels(found)),
        ("task", found.task),
        ("texts", _texts(found)),
    ]


def paragraphs(found: TableInspection) -> dict[str, list[str]]:
    """Return sentences under their headings: spellings of one label, and what a person should look at."""
    doubts = [*found.shape.notes, *_unreadable(found), *found.doubts]
    return {"Spellings of one label": _spellings(found), "Look at": doubts}


def _shape(found: TableInspection) -> str:
    shape, dialect = found.shape, found.shape.dialect
    parts = [shape.kind]
    if shape.packing:
        parts.append(f"packed as {shape.packing}" + (f" ({shape.member})" if shape.member else ""))
    if shape.encoding:
        parts.append(shape.encoding)
    if shape.sheet:
        parts.append(f"sheet {shape.sheet}")
    if dialect is not None and dialect.delimiter:
        parts.append(f"delimiter {DELIMITERS.get(dialect.delimiter, dialect.delimiter)}")
        parts.append("quotes are characters" if dialect.quote is None else f"quote {dialect.quote}")
        if dialect.escape:
            parts.append(f"escape {dialect.escape}")
    if dialect is not None:
        parts.append("header" if dialect.has_header else "no header")
    return ", ".join(parts)


def _rows(found: TableInspection) -> str:
    unreadable = f", {found.unreadable:,} unreadable" if found.unreadable else ""
    return f"{found.rows + found.unreadable:,}{unreadable}"


def _columns(found: TableInspection) -> str:
    pairs = [f"{field}: {column}" for field, column in found.columns.items()]
    if found.one_hot:
        pairs.append(f"labels: one-hot in {', '.join(found.one_hot)}")
    used = {*found.columns.values(), *found.one_hot}
    others = [name for name in found.header or found.shape.columns if name and name not in used]
    return ", ".join(pairs) + (f" (not used: {', '.join(others[:20])})" if others else "")


def _labels(found: TableInspection) -> str:
    counts = list(found.labels.counts.items())
    shown = ", ".join(f"{label} {number:,}" for label, number in counts[:LABELS_SHOWN])
    return shown + (f" and {len(counts) - LABELS_SHOWN} more" if len(counts) > LABELS_SHOWN else "")


def _texts(found: TableInspection) -> str:
    texts = found.texts
    languages = ", ".join(f"{code} {share:.0%}" for code, share in list(texts.languages.items())[:4])
    empty = f", {texts.empty:,} empty" if texts.empty else ""
    return (
        f"{texts.mean_words:.0f} words on average, 95 % up to {texts.p95_words}, longest {texts.max_words}; "
        f"language {languages or 'not determined (texts are short)'}; {texts.duplicates:,} duplicates{empty}"
    )


def _spellings(found: TableInspection) -> list[str]:
    lines = []
    for label, spellings in found.labels.spellings.items():
        if len(spellings) < 2:
            continue
        ranked = sorted(spellings.items(), key=lambda one: -one[1])
        shown = ", ".join(f"{value!r} {number:,}" for value, number in ranked[:SPELLINGS_SHOWN])
        more = f" and {len(ranked) - SPELLINGS_SHOWN} more" if len(ranked) > SPELLINGS_SHOWN else ""
        lines.append(f"{label}: {shown}{more}")
    return lines


def _unreadable(found: TableInspection) -> list[str]:
    lines = []
    for one in found.first_unreadable:
        place = f"line {one.line}" if one.line else f"row {one.row}"
        column = f", column {one.column}" if one.column else ""
        lines.append(f"Unreadable: {place}{column}: {one.reason}.")
    if found.unreadable > len(found.first_unreadable):
        lines.append(f"{found.unreadable:,} rows are unreadable in all.")
    return lines
