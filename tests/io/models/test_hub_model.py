"""A model of a hub is fetched at its commit, once, from the hub that HF_ENDPOINT names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import COMMIT, HubServer, running_hub
from tiny_starts import write_folder

from pipeline.base.config import HubWeights
from pipeline.base.errors import ConfigError, DigestMismatch, SourceUnreachable, UnsafeModelFile
from pipeline.io.models.hub_model import fetch_hub_model, hub_name
from pipeline.io.models.published_folder import PUBLISHED, read_published_folder

WHERE = "encoder.hub of params.yaml"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = write_folder(tmp_path_factory.mktemp("hub") / "mine", "roberta")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Yield a hub with a whole model, one of pickled weights, and one without a tokenizer."""
    pickled = {name: files[name] for name in ("config.json", "tokenizer.json")} | {"pytorch_model.bin": b"x"}
    bare = {name: files[name] for name in ("config.json", "model.safetensors")}
    code = {**files, "modeling_mine.py": b"raise SystemExit"}
    with running_hub({"ann/whole": code, "ann/pickled": pickled, "ann/bare": bare}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def fetch(model: str, downloads: Path, revision: str = COMMIT) -> Path:
    return fetch_hub_model(HubWeights(model=model, revision=revision), downloads, where=WHERE)


def test_a_model_is_fetched_once_and_none_of_its_code(
    hub: HubServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    folder = fetch("ann/whole", tmp_path)
    asked = len(hub.asked)

    assert {path.name for path in folder.iterdir()} == {*PUBLISHED, "receipt.json"}
    assert {name: (folder / name).read_bytes() for name in PUBLISHED} == files
    assert fetch("ann/whole", tmp_path) == folder
    assert len(hub.asked) == asked
    assert not any("modeling_mine" in one for one in hub.asked)
    assert read_published_folder(folder, where=WHERE).config["model_type"] == "roberta"
    assert hub_name() == "127.0.0.1"


def test_a_damaged_copy_is_fetched_again(hub: HubServer, files: dict[str, bytes], tmp_path: Path) -> None:
    folder = fetch("ann/whole", tmp_path)
    (folder / "config.json").write_bytes(b"{}")

    assert (fetch("ann/whole", tmp_path) / "config.json").read_bytes() == files["config.json"]


@pytest.mark.parametrize(
    ("model", "revision", "sentence"),
    [
        (
            "ann/gone",
            COMMIT,
            r"the model is not there.*`model` under `encoder\.hub` in .*HF_TOKEN",
        ),
        ("ann/whole", "f" * 40, r"no such commit.*`revision` under `encoder\.hub` in params\.yaml"),
    ],
)
def test_what_is_gone_is_named(
    hub: HubServer, tmp_path: Path, model: str, revision: str, sentence: str
) -> None:
    with pytest.raises(SourceUnreachable, match=rf"(?s)^encoder\.hub of params\.yaml.*{sentence}"):
        fetch(model, tmp_path, revision)
    assert not any((tmp_path / "hub").iterdir())


def test_a_model_without_a_file_is_refused(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pytorch_model\.bin is not read: a pickle can run code"):
        fetch("ann/pickled", tmp_path)
    with pytest.raises(ConfigError, match=r"it has no tokenizer\.json"):
        fetch("ann/bare", tmp_path)


@pytest.mark.slow  # the library tries five times
def test_a_hub_that_does_not_respond_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(SourceUnreachable, match=r"Check the network and HF_ENDPOINT.*`start: folder`"):
        fetch("ann/whole", tmp_path)


def answering(hub: HubServer, status: int, headers: dict[str, str], content: bytes) -> None:
    """Let the hub give one answer to every request for a file."""
    plain = hub.reply

    def reply(path: str, form: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        return (status, dict(headers), content) if "/resolve/" in path else plain(path, form)

    hub.reply = reply  # type: ignore[method-assign]


@pytest.mark.parametrize("headers", [{}, {"X-Error-Code": "GatedRepo", "X-Error-Message": "restricted"}])
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_named_and_no_network(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_ofnobody")
    answering(hub, status, headers, b"{}")

    with pytest.raises(SourceUnreachable, match=r"the key in HF_TOKEN") as caught:
        fetch("ann/whole", tmp_path)
    assert "network" not in str(caught.value)
    assert "hf_ofnobody" not in str(caught.value)


def test_without_a_key_the_variable_for_one_is_named(hub: HubServer, tmp_path: Path) -> None:
    answering(hub, 403, {}, b"{}")

    with pytest.raises(SourceUnreachable, match=r"\(403\)\. .* into the variable HF_TOKEN\."):
        fetch("ann/whole", tmp_path)


def test_a_hub_that_sends_another_commit_is_refused(hub: HubServer, tmp_path: Path) -> None:
    answering(hub, 200, {"ETag": '"a"', "X-Repo-Commit": "f" * 40}, b"{}")

    with pytest.raises(DigestMismatch, match=r"sends config\.json of the commit ffffffffffff\. .*`revision`"):
        fetch("ann/whole", tmp_path)
    assert not any((tmp_path / "hub").iterdir())


def test_a_page_in_place_of_a_file_is_refused_and_not_kept(
    hub: HubServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    plain = hub.reply
    answering(hub, 200, {"ETag": '"a"', "X-Repo-Commit": COMMIT}, b"<html>Sign in</html>")
    with pytest.raises(UnsafeModelFile, match=r"config\.json may not be .* not valid JSON.*another model"):
        fetch("ann/whole", tmp_path)

    hub.reply = plain  # type: ignore[method-assign]
    assert (fetch("ann/whole", tmp_path) / "config.json").read_bytes() == files["config.json"]


def test_a_file_that_is_too_large_is_not_fetched(hub: HubServer, tmp_path: Path) -> None:
    size = 2**26 + 1
    answering(hub, 200, {"ETag": '"a"', "X-Repo-Commit": COMMIT, "X-Linked-Size": str(size)}, b"{}")

    with pytest.raises(ConfigError, match=r"config\.json has 67,108,865 bytes; the maximum is 67,108,864\."):
        fetch("ann/whole", tmp_path)
    assert not any(one.startswith("GET") for one in hub.asked)


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9", "http://[::1", "ftp://127.0.0.1", "http://a:99999", "x"])
def test_an_endpoint_that_is_no_address_is_named(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)

    with pytest.raises(ConfigError, match=r"HF_ENDPOINT is .*export HF_ENDPOINT=https://HOST"):
        hub_name()
