"""The champion moves while people ask: nobody is turned away, no answer is of two releases, and what cannot be trusted does not serve."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import served
from served import Listening

from pipeline.base.config import Workspace
from pipeline.base.errors import DigestMismatch
from pipeline.inference.champion import ChampionSource, LoadedRelease
from pipeline.io.registry.ledger import Ledger
from pipeline.serve.runtime.champion import ChampionHolder
from pipeline.serve.runtime.metrics import ServiceMetrics

EXPECTED = {"R1": {"negative"}, "R2": {"positive"}}


@contextmanager
def asking(service: Listening, clients: int = 4) -> Iterator[list[dict[str, Any]]]:
    """Ask without a pause, each client requests of its own size; what was answered, or what went wrong, is gathered in a list."""
    seen: list[dict[str, Any]] = []
    ends = threading.Event()

    def ask(number: int) -> None:
        with httpx.Client(base_url=service.client.base_url, timeout=20) as client:
            while not ends.is_set():
                texts = [f"word{(number + place) % 300}" for place in range(1 + 7 * number)]
                try:
                    told = client.post("/v1/predict", json={"texts": texts})
                    seen.append({"status": told.status_code, "asked": len(texts), **told.json()})
                except httpx.HTTPError as error:
                    seen.append({"status": repr(error)})

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ends.set()
        for thread in threads:
            thread.join(20)


def serving(service: Listening) -> str:
    return str(service.client.get("/v1/release").json()["release"])


def test_promotions_and_rollbacks_under_load_lose_and_mix_no_answer(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w", releases=2)
    took = []
    with served.listening(places) as service, asking(service) as seen:
        for name in itertools.islice(itertools.cycle(["R2", "R1"]), 6):
            before = len(seen)
            served.move(places, name)
            took.append(served.until(lambda name=name: serving(service) == name))
            served.until(lambda before=before: len(seen) > before + 8)
        last = len(seen)
        served.until(lambda: len(seen) > last + 8)

        assert service.meter("tonewatch_reloads_total") == 6

    assert {one["status"] for one in seen} == {200}
    assert all(len(one["answers"]) == one["asked"] for one in seen)
    assert {one["release"] for one in seen} == {"R1", "R2"}
    assert [one for one in seen if served.labels_of(one) != EXPECTED[one["release"]]] == []
    assert len({one["request"] for one in seen}) == len(seen)
    assert len({one["model"] for one in seen if one["release"] == "R1"}) == 1
    # The promise is 10 s; here the ledger is asked ten times a second.
    assert max(took) < 10


def test_every_answer_under_load_stands_in_the_journal_once(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w", releases=2)
    with served.listening(places) as service:
        with asking(service) as seen:
            served.move(places, "R2")
            served.until(lambda: serving(service) == "R2")
        kept = [(one["request"], one["position"], one["release"]) for one in served.entries(places)]

    told = [(one["request"], position, one["release"]) for one in seen for position in range(one["asked"])]
    assert sorted(kept) == sorted(told)


def emptied(ledger: Path) -> None:
    Ledger(f"sqlite:///{ledger}").releases()


@pytest.mark.parametrize(
    "instead", [Path.mkdir, lambda ledger: ledger.write_bytes(b"no database" * 99), lambda _: None, emptied]
)
def test_while_the_ledger_cannot_be_read_it_goes_on_and_says_since_when(
    tmp_path: Path, instead: Callable[[Path], object]
) -> None:
    places = served.world(tmp_path / "w", releases=2)
    ledger, aside = places.home / "ledger.db", places.home / "aside"
    with served.listening(places) as service:
        aside.mkdir()
        for path in places.home.glob("ledger.db*"):
            path.rename(aside / path.name)
        instead(ledger)
        served.until(lambda: service.client.get("/v1/release").json()["ledger_unreachable_since"])

        assert served.labels_of(service.predict().json()) == {"negative"}
        assert service.client.get("/readyz").status_code == 200
        assert service.meter("tonewatch_ledger_reachable") == 0

        for path in places.home.glob("ledger.db*"):
            path.rmdir() if path.is_dir() else path.unlink()
        for path in aside.iterdir():
            path.rename(places.home / path.name)
        served.move(places, "R2")
        served.until(lambda: serving(service) == "R2")
        assert service.client.get("/v1/release").json()["ledger_unreachable_since"] is None
        assert service.meter("tonewatch_ledger_reachable") == 1


def test_a_champion_whose_files_were_changed_does_not_serve_and_the_old_one_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = served.world(tmp_path / "w", releases=2)
    with served.listening(places) as service:
        file = places.releases / "R2" / "tokenizer.json"
        good = file.read_bytes()
        file.write_bytes(good.replace(b"word7", b"word8", 1))

        served.move(places, "R2")
        served.until(lambda: service.client.get("/v1/release").json()["refused"], 60)

        told = service.client.get("/v1/release").json()
        assert (told["release"], told["refused"]) == ("R1", "R2 could not be opened (DigestMismatch)")
        assert served.labels_of(service.predict().json()) == {"negative"}
        assert service.client.get("/readyz").status_code == 200
        assert service.meter("tonewatch_releases_refused_total") >= 1
        captured = capsys.readouterr()
        assert "refused" in captured.out + captured.err

        file.write_bytes(good)
        served.until(lambda: serving(service) == "R2", 60)
        assert service.client.get("/v1/release").json()["refused"] is None


class Closed(ChampionSource):
    """Know a champion that never opens."""

    tries = 0

    def open(self, name: str) -> LoadedRelease:
        Closed.tries += 1
        raise DigestMismatch("changed")


def test_a_champion_that_cannot_be_opened_is_tried_ever_more_seldom(tmp_path: Path) -> None:
    champion = ChampionHolder(
        Closed(served.world(tmp_path / "w"), threads=1), ServiceMetrics(), lambda: datetime.now(UTC)
    )

    for _ in range(100):
        champion.look()

    # At the looks 1, 2, 4, 8, 16, 32 and 64, counted from one try to the next.
    assert (Closed.tries, champion.ready) == (7, False)
    assert champion.refused == "R1 could not be opened (DigestMismatch)"


def test_it_starts_from_the_verified_copy_while_mlflow_is_down(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w")
    down = Workspace(places.root, "http://127.0.0.1:9", places.ledger)

    with served.listening(down) as service:
        assert served.labels_of(service.predict().json()) == {"negative"}


def test_it_serves_nothing_rather_than_what_does_not_verify(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w")
    (places.releases / "R1" / "model.onnx").write_bytes(b"")

    with served.listening(places, ready=False) as service:
        served.until(lambda: service.meter("tonewatch_releases_refused_total") >= 1, 60)

        assert service.client.get("/readyz").status_code == 503
        assert service.predict().status_code == 503
        assert service.client.get("/healthz").status_code == 200
