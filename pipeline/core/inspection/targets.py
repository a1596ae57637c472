"""The column that says what in a text the label of a row is about."""

from collections.abc import Mapping, Sequence

from pipeline.core.inspection.profiles import ColumnProfile, Finder, Roles

# Of the rows, how many have a text that others have too; of such texts, how many have distinct targets.
MIN_SHARED, MIN_DISTINCT = 0.2, 0.8
# Of a column of another name: how many of its cells differ, and how many of such texts have several labels.
MAX_DISTINCT_SHARE, MIN_DIFFERENT = 0.5, 0.05
# Of the rows, how many name their target in the text, where each text stands alone.
MIN_NAMED = 0.8

Row = Mapping[str, str]


def target_finder(rows: Sequence[Row], roles: Roles) -> Finder:
    """Return a finder of the column of targets: the rows of one text differ in it, or the text names it."""
    by_text: dict[str, list[Row]] = {}
    for row in rows:
        by_text.setdefault(row.get(roles.text, ""), []).append(row)
    several = [same for same in by_text.values() if len(same) > 1]

    def find(free: Mapping[str, ColumnProfile], _: Roles) -> str:
        words = {name: one for name, one in free.items() if one.letters > 0.9}
        if not roles.text or not words:
            return ""
        if sum(map(len, several)) < MIN_SHARED * len(rows):
            return _named_in_texts(words, rows, roles)
        apart = {
            name: sum(len({row.get(name, "") for row in same}) == len(same) for same in several)
            for name in words
        }
        best = max(apart, key=lambda name: (words[name].is_called("aspect"), apart[name]))
        if apart[best] < MIN_DISTINCT * len(several):
            return ""
        differ = sum(len({row.get(roles.label, "") for row in same}) > 1 for same in several)
        # Copies of a text, each with its author, have one label; targets have names that come again.
        is_name = words[best].distinct_share <= MAX_DISTINCT_SHARE and differ >= MIN_DIFFERENT * len(several)
        if not (words[best].is_called("aspect") or is_name):
            return ""
        roles.doubts.append(
            f"This is a table of aspects (column {best}): {len(several)} texts are in several rows, "
            f"{differ} of them with different labels. The task is `aspect`: a label for each {best}."
        )
        return best

    return find


def _named_in_texts(words: Mapping[str, ColumnProfile], rows: Sequence[Row], roles: Roles) -> str:
    for name, one in words.items():
        cells = [(row.get(name, "").strip().lower(), row.get(roles.text, "").lower()) for row in rows]
        named = sum(bool(target) and target in text for target, text in cells)
        if one.is_called("aspect") and one.distinct > 1 and named >= MIN_NAMED * len(rows):
            roles.doubts.append(
                f"Column {name} names what each text speaks of: the task is `aspect`. For a label of whole "
                "texts write `task: single_label`, and take `target` out of `columns`."
            )
            return name
    return ""
