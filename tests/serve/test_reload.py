"""The champion changes under load: no request fails or mixes releases, and only verified releases serve."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import running_service
from running_service import RunningService

from pipeline.base.config import Workspace
from pipeline.base.errors import DigestMismatch
from pipeline.inference.champion import ChampionSource, LoadedRelease
from pipeline.io.registry.ledger import Ledger
from pipeline.serve.runtime.champion import ChampionHolder
from pipeline.serve.runtime.metrics import ServiceMetrics

EXPECTED = {"R1": {"negative"}, "R2": {"positive"}}


@contextmanager
def sending_requests(service: RunningService, clients: int = 4) -> Iterator[list[dict[str, Any]]]:
    """Send requests without a pause, of a size per client; yield the list of responses and errors."""
    responses: list[dict[str, Any]] = []
    stop = threading.Event()

    def send(number: int) -> None:
        with httpx.Client(
            base_url=service.client.base_url, headers=service.client.headers, timeout=20
        ) as client:
            while not stop.is_set():
                texts = [f"word{(number + place) % 300}" for place in range(1 + 7 * number)]
                try:
                    response = client.post("/v1/predict", json={"texts": texts})
                    responses.append({"status": response.status_code, "size": len(texts), **response.json()})
                except httpx.HTTPError as error:
                    responses.append({"status": repr(error)})

    threads = [threading.Thread(target=send, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield responses
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


def served_release(service: RunningService) -> str:
    return str(service.client.get("/v1/release").json()["release"])


def test_moves_under_load_lose_and_mix_no_prediction(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=2)
    seconds = []
    with running_service.running(workspace) as service, sending_requests(service) as responses:
        for name in itertools.islice(itertools.cycle(["R2", "R1"]), 6):
            before = len(responses)
            running_service.promote(workspace, name)
            seconds.append(running_service.wait_until(lambda name=name: served_release(service) == name))
            running_service.wait_until(lambda before=before: len(responses) > before + 8)
        last = len(responses)
        running_service.wait_until(lambda: len(responses) > last + 8)

        assert service.metric("tonewatch_reloads_total") == 6

    assert {r["status"] for r in responses} == {200}
    assert all(len(r["predictions"]) == r["size"] for r in responses)
    assert {r["release"] for r in responses} == {"R1", "R2"}
    assert [r for r in responses if running_service.labels_of(r) != EXPECTED[r["release"]]] == []
    assert len({r["request"] for r in responses}) == len(responses)
    assert len({r["model"] for r in responses if r["release"] == "R1"}) == 1
    # The promise is 10 s; here the ledger is polled ten times a second.
    assert max(seconds) < 10


def test_every_prediction_under_load_is_journaled_once(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=2)
    with running_service.running(workspace) as service:
        with sending_requests(service) as responses:
            running_service.promote(workspace, "R2")
            running_service.wait_until(lambda: served_release(service) == "R2")
        journaled = [
            (r["request"], r["position"], r["release"]) for r in running_service.journal_entries(workspace)
        ]

    response = [(r["request"], position, r["release"]) for r in responses for position in range(r["size"])]
    assert sorted(journaled) == sorted(response)


def without_rows(ledger: Path) -> None:
    Ledger(f"sqlite:///{ledger}").releases()


@pytest.mark.parametrize(
    "instead",
    [Path.mkdir, lambda ledger: ledger.write_bytes(b"no database" * 99), lambda _: None, without_rows],
)
def test_it_serves_on_while_the_ledger_is_unreachable(
    tmp_path: Path, instead: Callable[[Path], object]
) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=2)
    ledger, aside = workspace.home / "ledger.db", workspace.home / "aside"
    with running_service.running(workspace) as service:
        aside.mkdir()
        for path in workspace.home.glob("ledger.db*"):
            path.rename(aside / path.name)
        instead(ledger)
        running_service.wait_until(
            lambda: service.client.get("/v1/release").json()["ledger_unreachable_since"]
        )

        assert running_service.labels_of(service.predict().json()) == {"negative"}
        assert service.client.get("/readyz").status_code == 200
        assert service.metric("tonewatch_ledger_reachable") == 0

        for path in workspace.home.glob("ledger.db*"):
            path.rmdir() if path.is_dir() else path.unlink()
        for path in aside.iterdir():
            path.rename(workspace.home / path.name)
        running_service.promote(workspace, "R2")
        running_service.wait_until(lambda: served_release(service) == "R2")
        assert service.client.get("/v1/release").json()["ledger_unreachable_since"] is None
        assert service.metric("tonewatch_ledger_reachable") == 1


def test_a_changed_champion_is_refused_and_the_old_one_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=2)
    with running_service.running(workspace) as service:
        file = workspace.releases / "R2" / "tokenizer.json"
        good = file.read_bytes()
        file.write_bytes(good.replace(b"word7", b"word8", 1))

        running_service.promote(workspace, "R2")
        running_service.wait_until(lambda: service.client.get("/v1/release").json()["refused"], 60)

        response = service.client.get("/v1/release").json()
        assert (response["release"], response["refused"]) == ("R1", "R2 could not be loaded (DigestMismatch)")
        assert running_service.labels_of(service.predict().json()) == {"negative"}
        assert service.client.get("/readyz").status_code == 200
        assert service.metric("tonewatch_releases_refused_total") >= 1
        captured = capsys.readouterr()
        assert "refused" in captured.out + captured.err

        file.write_bytes(good)
        running_service.wait_until(lambda: served_release(service) == "R2", 60)
        assert service.client.get("/v1/release").json()["refused"] is None


class BrokenSource(ChampionSource):
    """A source whose champion never loads."""

    attempts = 0

    def load(self, name: str) -> LoadedRelease:
        BrokenSource.attempts += 1
        raise DigestMismatch("changed")


def test_a_broken_champion_is_retried_with_backoff(tmp_path: Path) -> None:
    champion = ChampionHolder(
        BrokenSource(running_service.make_workspace(tmp_path / "w"), threads=1),
        ServiceMetrics(),
        lambda: datetime.now(UTC),
    )

    for _ in range(100):
        champion.refresh()

    # After 1, 2, 4, 8, 16, 32 and 64 polls, counted from one attempt to the next.
    assert (BrokenSource.attempts, champion.ready) == (7, False)
    assert champion.refused == "R1 could not be loaded (DigestMismatch)"


def test_it_starts_from_the_local_copy_while_mlflow_is_down(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    down = Workspace(workspace.root, "http://127.0.0.1:9", workspace.ledger)

    with running_service.running(down) as service:
        assert running_service.labels_of(service.predict().json()) == {"negative"}


def test_it_serves_nothing_rather_than_an_unverified_release(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    (workspace.releases / "R1" / "model.onnx").write_bytes(b"")

    with running_service.running(workspace, ready=False) as service:
        running_service.wait_until(lambda: service.metric("tonewatch_releases_refused_total") >= 1, 60)

        assert service.client.get("/readyz").status_code == 503
        assert service.predict().status_code == 503
        assert service.client.get("/healthz").status_code == 200
