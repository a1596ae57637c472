"""Week 1, week 2 with relabelled and dropped texts: diff, lineage, roll back, forget, and another run."""

import csv
import itertools
import json
import re

import pytest

WORDS = {"bad": ("awful", "poor", "boring", "ugly"), "good": ("great", "lovely", "superb", "charming")}
THINGS = ("film", "book", "phone", "meal", "song", "hotel room", "train ride", "garden", "concert", "lamp")
FRAMES = ("a {} {}", "what a {} {} that was", "I think it is a {} {}", "they sold us a {} {} again")
SECRET = "the superb quartz canary of Mrs Zwick sang in room 41"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


def rows_of(frames=FRAMES):
    """Return id, text, label and author of every text, in a fixed order."""
    made = [
        (frame.format(word, thing), label)
        for label, words in WORDS.items()
        for word, thing, frame in itertools.product(words, THINGS, frames)
    ]
    return [[f"r{n}", text, label, f"a{n}"] for n, (text, label) in enumerate(made)]


def write(folder, rows):
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["key", "review", "verdict", "author"], *rows])


def holding(folder, needle):
    """Return the files with these bytes, in a table unpacked."""
    from secrets_kept import contents

    wanted = needle.casefold().encode()
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [str(path.relative_to(folder)) for path in paths if wanted in contents(path).lower()]


def done(result):
    assert result.code == 0, result.err[-3000:]
    return result.json


def test_two_weeks_a_rollback_and_a_forgotten_text(new_workspace, tiny, tmp_path):
    folder, remote = tmp_path / "workspace", tmp_path / "remote"
    tonewatch = new_workspace(folder)
    params = folder / "params.yaml"
    columns = "{text: review, label: verdict, rating: null, id: null, group: null"
    assert columns in params.read_text()
    params.write_text(params.read_text().replace(columns, columns.replace("id: null", "id: key")))
    tiny = [*tiny, "--set", "collect.labels=[bad, good]", "--set", "gate.approval=none"]
    first = [*rows_of(), ["r900", SECRET, "good", "zwick"]]
    write(folder, first)
    assert done(tonewatch("data", "remote", str(remote)))["versions"] == []

    week_1 = done(tonewatch("run", *tiny, timeout=900))
    assert week_1["document"]["data_version"] == "v1"
    assert holding(remote, SECRET)

    second = [[*row[:2], "good", row[3]] if row[0] in ("r1", "r2", "r3") else row for row in first]
    added = [[f"n{n}", *row[1:]] for n, row in enumerate(rows_of(("we saw the {} {}",))[:40])]
    write(folder, [*second[20:], *second[:4], *added])
    week_2 = done(tonewatch("run", timeout=900))
    assert week_2["document"]["data_version"] == "v2"

    diff = done(tonewatch("data", "diff", "v1", "v2"))
    counts = {kind: diff["counts"][kind] for kind in ("added", "dropped", "relabelled", "reworded")}
    assert counts == {"added": 40, "dropped": 16, "relabelled": 3, "reworded": 0}
    assert diff["labels"] == {"bad -> good": 3}
    before, after = done(tonewatch("data", "show", "v1")), done(tonewatch("data", "show", "v2"))
    assert (before["children"], after["parent"]) == (["v2"], "v1")
    assert (before["releases"], after["releases"]) == (["R1"], ["R2"])
    page = (folder / ".tonewatch" / "reports" / "data-v2.html").read_text("utf-8")
    assert "bad -&gt; good: 3" in re.sub(r"<[^>]*>", "", page)
    assert "R2" in page

    assert done(tonewatch("data", "rollback", "v1"))["name"] == "v1"
    receipt = json.loads((folder / "data" / "splits" / "receipt.json").read_text())
    assert receipt["notes"]["fingerprint"] == before["fingerprint"]

    forgotten = done(tonewatch("data", "forget", "--id", "texts:r900"))
    assert (forgotten["versions"], forgotten["releases"]) == (["v2", "v1"], ["R1", "R2"])
    assert forgotten["remotes"]["store"] > 0
    assert holding(folder, SECRET) == ["texts.csv"]
    assert holding(remote, SECRET) == []

    week_3 = done(tonewatch("run", "--set", "data.version=newest", timeout=900))
    assert week_3["document"]["data_version"] == "v3"
    assert holding(folder, SECRET) == ["texts.csv"]
    assert holding(remote, SECRET) == []
    dropped = done(tonewatch("data", "diff", "v2", "v3"))
    assert (dropped["counts"]["dropped"], dropped["counts"]["added"]) == (0, 0)
    checks = {one["name"]: one for one in tonewatch("doctor").json["checks"]}
    assert checks["remotes"]["ok"], checks["remotes"]
    assert done(tonewatch("data", "verify"))["repaired"] == []
    assert done(tonewatch("data", "report", "v1"))["report"].endswith("data-v1.html")
