"""The code that counts in the digest of a stage, on a small package written here and on our own."""

from pathlib import Path

import pytest

from pipeline.io import files
from pipeline.io.versioning.code_digest import code_definitions, code_digest, write_identities
from pipeline.stages.table import STAGES

PACKAGE = {
    "__init__.py": "",
    "base/errors.py": "class Refused(Exception): ...\n",
    "base/__init__.py": "",
    "schema.py": "SIDES = ('a', 'b')\n\ndef unused(): return 1\n",
    "rules/__init__.py": "from pipeline.rules.plain import clean, RULES\n",
    "rules/plain.py": "import re\nfrom ..schema import SIDES\n\nSTEP = 1\n\n"
    "def _one(text): return text + SIDES[0]\n\nRULES = (_one,)\n\n"
    "def clean(text):\n    for rule in RULES:\n        text = rule(text)\n    return text\n\n"
    "def other(text): return STEP\n",
    "methods.py": "TABLE = {}\n\ndef method(f):\n    TABLE[f.__name__] = f\n    return f\n\n"
    "@method\ndef first(): return 1\n",
    "heavy.py": "class Base:\n    size = 1\n\nclass Model(Base):\n    def fit(self): return 1\n",
    "stages/__init__.py": "",
    "stages/data.py": '"""Stages."""\nfrom pipeline import methods, rules\n'
    "from pipeline.base.errors import Refused\n\nLIMIT = 3\n\n"
    'def clean(text):\n    """Clean."""\n    if len(text) > LIMIT: raise Refused(text)\n'
    "    return rules.clean(text)\n\n"
    "def train(text, clean):\n    from pipeline.heavy import Model\n"
    "    return Model().fit(), methods.TABLE, clean\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, content in PACKAGE.items():
        path = tmp_path / "pipeline" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return tmp_path / "pipeline"


def digests(package: Path) -> tuple[str, str]:
    return tuple(code_digest("pipeline.stages.data", name, package=package) for name in ("clean", "train"))  # type: ignore[return-value]


def changed(package: Path, name: str, old: str, new: str) -> tuple[bool, bool]:
    """Say for `clean` and for `train` whether an edit changes its digest."""
    before = digests(package)
    text = (package / name).read_text("utf-8")
    assert old in text
    (package / name).write_text(text.replace(old, new), "utf-8")
    after = digests(package)
    return before[0] != after[0], before[1] != after[1]


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("stages/data.py", "LIMIT = 3", "LIMIT = 4", (True, False)),
        ("stages/data.py", "return rules.clean(text)", "return rules.clean(text).strip()", (True, False)),
        ("stages/data.py", "Model().fit()", "Model()", (False, True)),
        ("rules/plain.py", "text + SIDES[0]", "SIDES[0] + text", (True, False)),
        ("schema.py", "('a', 'b')", "('b', 'a')", (True, False)),
        ("heavy.py", "size = 1", "size = 2", (False, True)),
        ("methods.py", "def first(): return 1", "def first(): return 2", (True, True)),
        ("rules/plain.py", "STEP = 1", "STEP = 2", (False, False)),
        ("schema.py", "def unused(): return 1", "def unused(): return 2", (False, False)),
        ("base/errors.py", "Exception", "ValueError", (False, False)),
        ("stages/data.py", '"""Clean."""', '"""Clean it."""', (False, False)),
        ("stages/data.py", "    if len(text)", "    # Why.\n    if  len( text )", (False, False)),
    ],
)
def test_a_digest_changes_with_the_code_that_runs_and_with_no_other(
    package: Path, name: str, old: str, new: str, expected: tuple[bool, bool]
) -> None:
    assert changed(package, name, old, new) == expected


def test_a_module_used_as_a_value_counts_as_a_whole(package: Path) -> None:
    changed(package, "stages/data.py", "rules.clean(text)", "rules.clean(text), methods")

    assert changed(package, "methods.py", "TABLE = {}", "TABLE = {}\nSPARE = 1")[0]


def test_a_statement_that_runs_when_a_module_is_loaded_counts(package: Path) -> None:
    changed(package, "rules/plain.py", "STEP = 1\n", "STEP = 1\nre.purge()\n")

    assert changed(package, "rules/plain.py", "re.purge()", "re.template") == (True, True)


def test_the_place_of_the_package_does_not_count(package: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    before = digests(package)
    moved = package.rename(tmp_path / "elsewhere" / "pipeline")

    assert digests(moved) == before
    assert code_definitions("pipeline.stages.data", "clean", package=moved) == (
        "pipeline.methods.<loaded>",
        "pipeline.methods.TABLE",
        "pipeline.methods.method",
        "pipeline.rules.plain.RULES",
        "pipeline.rules.plain._one",
        "pipeline.rules.plain.clean",
        "pipeline.schema.SIDES",
        "pipeline.stages.data.LIMIT",
        "pipeline.stages.data.clean",
    )


@pytest.mark.parametrize(
    "stage", [stage for stage in STAGES if stage.name != "identity"], ids=lambda stage: stage.name
)
def test_the_code_of_every_stage_is_found(stage: object) -> None:
    read = code_definitions(stage.module, stage.name)  # type: ignore[attr-defined]

    assert f"{stage.module}.{stage.name}" in read  # type: ignore[attr-defined]
    assert not [
        name
        for name in read
        if name.startswith(
            ("pipeline.base.logs", "pipeline.base.errors", "pipeline.cli", "pipeline.io.versioning")
        )
    ]


def test_the_code_of_clean_has_its_rules_and_no_training() -> None:
    read = code_definitions("pipeline.stages.clean", "clean")

    assert "pipeline.core.clean.rules.RULES" in read
    assert not [
        name
        for name in read
        if name.startswith(("pipeline.core.train", "pipeline.io.sources", "pipeline.core.validate"))
    ]


def test_identities_are_one_file_a_stage_and_reproducible(tmp_path: Path) -> None:
    receipt = write_identities(tmp_path / "identity", {"clean": "a" * 64, "split": "b" * 64})

    assert (tmp_path / "identity/clean").read_text() == "a" * 64 + "\n"
    assert files.verified_receipt(tmp_path / "identity", made_by="identity") == receipt
    assert write_identities(tmp_path / "identity", {"split": "b" * 64, "clean": "a" * 64}) == receipt
