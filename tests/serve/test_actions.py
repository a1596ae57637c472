"""The actions of an admin over HTTP: preview, confirmation, and every kind of forged form."""

import contextlib
import re
from collections.abc import Iterator

import httpx
import pytest
from running_dashboard import HOSTILE, Dashboard, run_dashboard

from pipeline.io.registry.ledger import Ledger

PATH = "/actions/rollback/R1"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        with run_dashboard(tmp_path_factory.mktemp("dashboard")) as running:
            yield running


@contextlib.contextmanager
def signed_in(dashboard: Dashboard, scope: str = "admin") -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=dashboard.address, headers={"Origin": dashboard.address}, timeout=60
    ) as client:
        assert client.post("/sign-in", data={"key": dashboard.keys[scope]}).status_code == 303
        yield client


def csrf_token(client: httpx.Client) -> str:
    match = re.search(r'action="/actions/.*?name="csrf_token" value="(\w+)"', client.get(PATH).text, re.S)
    assert match is not None
    return match[1]


def moves(dashboard: Dashboard) -> int:
    return len(Ledger(dashboard.workspace.ledger).moves())


@pytest.mark.attack("A2")
def test_a_forged_form_changes_nothing(dashboard: Dashboard) -> None:
    with signed_in(dashboard) as client, signed_in(dashboard) as other:
        token, own = csrf_token(client), dashboard.address
        form = {"csrf_token": token, "expected": "R2", "confirmation": "R1", "reason": "forged"}
        before = moves(dashboard)
        forgeries: list[tuple[dict[str, str], dict[str, str]]] = [
            ({**form, "csrf_token": ""}, {}),
            ({name: value for name, value in form.items() if name != "csrf_token"}, {}),
            ({**form, "csrf_token": token[:-1] + ("0" if token[-1] != "0" else "1")}, {}),
            ({**form, "csrf_token": "é" * 64}, {}),
            ({**form, "csrf_token": csrf_token(other)}, {}),
            (form, {"Origin": "http://evil.example"}),
            (form, {"Origin": "null"}),
            (form, {"Origin": ""}),
            (form, {"Origin": f"{own}0"}),
            (form, {"Origin": own.replace("http:", "ftp:")}),
            (form, {"Sec-Fetch-Site": "cross-site"}),
            (form, {"Sec-Fetch-Site": "same-site"}),
        ]

        statuses = [client.post(PATH, data=data, headers=headers).status_code for data, headers in forgeries]

        assert statuses == [403] * len(forgeries)
        assert moves(dashboard) == before


def test_a_token_and_cookies_planted_by_another_program_do_not_help(dashboard: Dashboard) -> None:
    # Cookies ignore ports: another program on this host can set cookies that a browser sends to us.
    with signed_in(dashboard) as victim, signed_in(dashboard, "feedback") as attacker:
        token = re.findall(r'name="csrf_token" value="(\w+)"', attacker.get("/").text)[0]
        for name in ("csrftoken", "csrf_token", "token"):
            victim.cookies.set(name, token)
        form = {"csrf_token": token, "expected": "R2", "confirmation": "R1", "reason": "forged"}

        assert victim.post(PATH, data=form, headers={"X-CSRFToken": token}).status_code == 403


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"confirmation": "R2"}, 400),
        ({"reason": " "}, 400),
        ({"reason": "x" * 501}, 400),
        ({"expected": "R1"}, 409),
    ],
)
def test_an_incomplete_confirmation_changes_nothing(
    dashboard: Dashboard, change: dict[str, str], status: int
) -> None:
    with signed_in(dashboard) as client:
        form = {"csrf_token": csrf_token(client), "expected": "R2", "confirmation": "R1", "reason": "a test"}
        before = moves(dashboard)

        response = client.post(PATH, data={**form, **change})

        assert (response.status_code, moves(dashboard)) == (status, before)
        assert 'role="alert"' in response.text


def test_a_key_without_the_scope_admin_cannot_act(dashboard: Dashboard) -> None:
    with signed_in(dashboard, "predict") as client:
        response = client.get(PATH)

        assert (response.status_code, "lacks the scope admin" in response.text) == (403, True)
        assert client.post(PATH, data={"confirmation": "R1"}).status_code == 403


def test_an_admin_approves_and_rolls_back(dashboard: Dashboard) -> None:
    with signed_in(dashboard) as client:
        for path, expected, name in (
            ("/actions/approve/R3", "R2", "R3"),
            ("/actions/rollback/R2", "R3", "R2"),
        ):
            page = client.get(path).text
            assert f"The ledger records the move from {expected} to {name}." in page
            form = {"expected": expected, "confirmation": name, "reason": f"test {HOSTILE}"}

            response = client.post(path, data={**form, "csrf_token": csrf_token(client)})

            assert (response.status_code, f"{name} is the champion" in response.text) == (200, True)
            last = Ledger(dashboard.workspace.ledger).moves()[-1]
            assert (last.origin, last.target, last.reason) == (expected, name, f"test {HOSTILE}")
            assert last.actor == f"admin <b> ({dashboard.ids['admin']})"
        assert HOSTILE not in client.get("/").text


def test_a_text_is_explained_word_by_word_and_not_stored(dashboard: Dashboard) -> None:
    with signed_in(dashboard, "predict") as client:
        token = re.findall(r'name="csrf_token" value="(\w+)"', client.get("/").text)[0]
        form = {"csrf_token": token, "text": f"word1 word4 word3 {HOSTILE}"}

        fragment, page = (client.post(f"/try?fragment={number}", data=form) for number in (1, 0))

        assert (fragment.status_code, page.status_code) == (200, 200)
        assert "Word importance" in fragment.text
        assert "<html" not in fragment.text
        assert "<html" in page.text
        assert HOSTILE not in fragment.text
        assert client.post("/try", data={**form, "csrf_token": ""}).status_code == 403
    stored = [path for path in dashboard.workspace.journal.rglob("*") if path.is_file()]
    assert not [path for path in stored if b"word4" in path.read_bytes()]


@pytest.mark.parametrize(
    ("method", "message"),
    [("gradients", "is neither in data/classifier nor in MLflow"), ("magic", "There is no explanation by")],
)
def test_a_method_that_cannot_explain_says_why(dashboard: Dashboard, method: str, message: str) -> None:
    with signed_in(dashboard, "predict") as client:
        token = re.findall(r'name="csrf_token" value="(\w+)"', client.get("/").text)[0]

        response = client.post(
            "/try?fragment=1", data={"csrf_token": token, "text": "word1", "method": method}
        )

        assert (response.status_code, message in response.text) == (400, True)


def test_signing_out_ends_the_session(dashboard: Dashboard) -> None:
    with signed_in(dashboard) as client:
        token = csrf_token(client)

        assert client.post("/sign-out", data={"csrf_token": ""}).status_code == 403
        assert client.post("/sign-out", data={"csrf_token": token}).status_code == 303
        assert client.get(PATH).headers["location"].startswith("/sign-in")
