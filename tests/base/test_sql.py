"""One SELECT is told from everything else, whatever its strings and comments hold."""

import pytest

from pipeline.base.sql import refuse_statement


@pytest.mark.parametrize(
    "query",
    [
        "SELECT text FROM posts",
        "  select text from posts ; ",
        "(SELECT 1) UNION (SELECT 2)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "-- all; of them\nSELECT ';' AS sign, \"a;b\" FROM posts",
        "/* don't; /* nested; */ stop; */ SELECT $x$ ; $x$, E'\\'; ' FROM posts",
        "SELECT 'it''s; fine' FROM posts /* it's; the end",
    ],
)
def test_one_select_is_not_refused(query: str) -> None:
    assert refuse_statement(query) is None


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "is empty"),
        ("-- SELECT 1", "is empty"),
        ("DELETE FROM posts", "begins with 'DELETE'"),
        ("/* SELECT */ drop table posts", "begins with 'drop'"),
        ("SELECT 1; DROP TABLE posts", "more than one statement"),
        ("SELECT ''; COMMIT; DELETE FROM posts", "more than one statement"),
        ("SELECT 'a' /* ' */; DROP TABLE posts --'", "more than one statement"),
        ("ATTACH 'x' AS y", "begins with 'ATTACH'"),
    ],
)
def test_anything_else_is_refused_with_the_reason(query: str, reason: str) -> None:
    assert reason in str(refuse_statement(query))
