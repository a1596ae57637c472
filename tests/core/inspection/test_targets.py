"""A column of targets is found where the rows of one text differ in it, or the texts name it."""

from pipeline.core.inspection.columns import Roles, find_roles

ADJECTIVES = ("cold", "hot", "stale", "fresh", "salty")


def roles_of(rows: list[dict[str, str]]) -> Roles:
    return find_roles(tuple(rows[0]), rows)


def alone(name: str, target: str) -> list[dict[str, str]]:
    """Return texts that stand alone, half of them about soup and half about bread, with a further column."""
    return [
        {
            "text": f"visit {number}: the {thing} was {ADJECTIVES[number % 5]} again",
            "label": ("good", "bad")[number % 3 == 0],
            name: target or thing,
        }
        for number in range(60)
        for thing in ("soup", "bread")
    ]


def test_a_column_that_texts_name_is_their_target() -> None:
    found = roles_of(alone("aspect", ""))

    assert found.target == "aspect"
    assert "task: single_label" in " ".join(found.doubts)


def test_a_column_of_another_name_or_of_one_value_is_none() -> None:
    assert roles_of(alone("product", "")).target == ""
    assert roles_of(alone("aspect", "soup")).target == ""


def test_rows_of_one_text_differ_in_their_target() -> None:
    rows = [
        {"text": f"visit {number}: cold soup, fresh bread", "what": thing, "label": label}
        for number in range(30)
        for thing, label in (("soup", "bad"), ("bread", "good"))
    ]

    found = roles_of(rows)

    assert (found.target, found.label) == ("what", "label")
    assert "30 texts are in several rows, 30 of them with different labels" in " ".join(found.doubts)


def test_copies_of_a_text_by_several_authors_have_no_target() -> None:
    rows = [
        {
            "text": f"visit {number}: cold soup",
            "author": f"{name} {number}",
            "label": ("good", "bad")[number % 2],
        }
        for number in range(60)
        for name in ("Ann", "Bo")
    ]

    assert roles_of(rows).target == ""
