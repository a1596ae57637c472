"""Print what was tried: a table of the attacks and of the surroundings among the tests that ran.

A test is one of them by its mark, `@pytest.mark.attack("A1")` or `@pytest.mark.surrounding("S2")`, with a
kind of KINDS. Its property `tried` counts what it tries at once, `how` says how that was refused or noticed.
"""

from collections.abc import Generator
from typing import Any

import pytest

KINDS = {
    "A1": "every port a running system opens",
    "A2": "identity",
    "A3": "abuse by a valid client",
    "A4": "what leaks",
    "A5": "what is fetched",
    "S1": "places",
    "S2": "network",
    "S3": "foreign state",
    "S4": "clock",
    "S5": "volume",
    "S6": "upgrade",
    "S7": "processor",
}
MARKS = ("attack", "surrounding")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Let the report of a test say which kind it is; it may come from another process."""
    report = (yield).get_result()
    for name in MARKS:
        if report.when == "call" and (mark := item.get_closest_marker(name)):
            assert mark.args[0] in KINDS, item.nodeid
            report.user_properties.append(("suite", f"{name} {mark.args[0]}"))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table when `-m` chose one of the suites."""
    if not any(name in (config.getoption("markexpr") or "") for name in MARKS):
        return
    rows: dict[tuple[str, str], list[Any]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            properties = dict(report.user_properties)
            if report.when == "call" and (suite := properties.get("suite")):
                name = (
                    report.nodeid.rpartition("::")[2]
                    .partition("[")[0]
                    .removeprefix("test_")
                    .replace("_", " ")
                )
                row = rows.setdefault((suite, name), [0, 0, properties.get("how", "")])
                tried = int(properties.get("tried", 1))
                row[0] += tried
                row[1] += tried if outcome == "passed" else 0
    for name in MARKS:
        chosen = {key: row for key, row in rows.items() if key[0].startswith(name)}
        if chosen:
            _print(terminalreporter, name, chosen)


def _print(reporter: Any, name: str, rows: dict[tuple[str, str], list[Any]]) -> None:
    tried, held = (sum(row[column] for row in rows.values()) for column in (0, 1))
    verb = "refused" if name == "attack" else "right"
    reporter.section(f"{name}s: {len(rows)} kinds of test, {tried} tried, {held} {verb}")
    for (suite, test), (tries, good, how) in sorted(rows.items()):
        kind = suite.rpartition(" ")[2]
        reporter.write_line(
            f"{kind}  {KINDS[kind]:34} {good:>5}/{tries:<5} {test}{f' ({how})' if how else ''}"
        )
