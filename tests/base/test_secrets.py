"""No message holds a secret, in whatever form a library repeats it."""

import io
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base import logs, secrets
from pipeline.base.errors import Fault
from pipeline.base.secrets import find_secrets, remember_secrets, scrub

CANARY = "k4n4ry-5ecret"


@pytest.fixture(autouse=True)
def _forget() -> object:
    yield
    secrets._KNOWN.clear()


@pytest.mark.attack("A4")
@pytest.mark.parametrize(
    "message",
    [
        f"API request to http://ada:{CANARY}@mlflow.example:5000/api/2.0 failed",
        f"http://ada:p@{CANARY}@host/x?y",
        f"postgresql+psycopg://ada:{CANARY}@db/ledger: connection refused",
        f"https://{CANARY}@github.example/x.git",
        f"host=db user=ada password={CANARY} sslmode=require",
        f"https://host/x?api_key={CANARY}&y=1",
        f"AWS_SECRET_ACCESS_KEY={CANARY}",
        f"PREFECT_SERVER_API_AUTH_STRING=tonewatch:{CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"authorization: basic {CANARY}==",
        f"socks5h://ada:{CANARY}@proxy:1080",
        f"'mailtos://ada:{CANARY}@mail.example?to=bob@example.com'",
    ],
)
def test_addresses_and_credentials_are_scrubbed(message: str) -> None:
    assert CANARY not in scrub(message)
    assert CANARY not in str(Fault(message))


@pytest.mark.attack("A3")
@pytest.mark.parametrize(
    "part", ["-a", "a-", "://a", "://a@", "token", "token=", "secret_", "bearer ", "basic a", "_password"]
)
def test_no_text_of_a_client_makes_it_slow(part: str) -> None:
    seconds = []
    for size in (8_000, 32_000):
        start = time.process_time()
        scrub((part * size)[:size])
        seconds.append(time.process_time() - start)

    # Four times the text may take four times as long, and some more on a busy machine; not sixteen times.
    assert seconds[1] < 10 * seconds[0] + 0.05


@pytest.mark.parametrize(
    "message",
    [
        "Missing or invalid API key. Send it as `Authorization: Bearer KEY`.",
        "Set PIP_INDEX_URL to an index, as https://packages.example/simple.",
        "sqlite:////place/.tonewatch/mlflow.db does not respond",
        "write to ada@example.com about the token: it expired",
        "The password is in /place/.tonewatch/prefect/password.",
    ],
)
def test_other_messages_stay_as_they_are(message: str) -> None:
    assert scrub(message) == message


def test_secrets_of_the_environment_are_known_by_name_and_by_address() -> None:
    found = find_secrets(
        {
            "MLFLOW_TRACKING_URI": f"http://ada:{CANARY}1@host",
            "MLFLOW_TRACKING_PASSWORD": f"{CANARY}2",
            "https_proxy": f"http://ada:{CANARY}3@proxy",
            "TONEWATCH_ALERTS": f"slack://x/y json://ada:{CANARY}4@host",
            "AWS_SECRET_ACCESS_KEY": f"{CANARY}5",
            "HF_ENDPOINT": f"http://ada:{CANARY}8@hub",
            "RAY_AUTH_TOKEN": f"{CANARY}6",
            "TONEWATCH_SIGNING_KEY": "/place/key.pem",
            "HF_TOKEN": f"/{CANARY}7",  # one of 64 random secrets begins so
            "PATH": "/usr/bin",
            "PREFECT_API_KEY": "short",
        }
    )

    assert found == {f"{CANARY}{number}" for number in (1, 2, 3, 4, 5, 6, 8)} | {f"/{CANARY}7"}


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=6, max_size=20), st.text(max_size=20))
def test_a_known_secret_is_in_no_message(secret: str, around: str) -> None:
    secrets._KNOWN.clear()
    remember_secrets({"MLFLOW_TRACKING_PASSWORD": secret})

    assert secret not in scrub(f"{around} {secret}{around}").replace("***", "") or secret in "***"


@pytest.mark.attack("A4")
def test_no_log_line_holds_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True, debug=False)

    logs.get("test").error("store.failed", why=f"http://ada:{CANARY}@host refused")

    line = capsys.readouterr().err
    assert json.loads(line)["why"] == "http://***@host refused"


@pytest.fixture
def library() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """Yield a library's logger, which writes by a handler of its own, and what it wrote."""
    logger, written, factory = logging.getLogger("a.library"), io.StringIO(), logging.getLogRecordFactory()
    handler = logging.StreamHandler(written)
    logger.addHandler(handler)
    yield logger, written
    logger.removeHandler(handler)
    logging.setLogRecordFactory(factory)


@pytest.mark.attack("A4")
def test_no_log_line_of_a_library_holds_a_secret(library: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = library
    logs.configure(json=True, debug=False)
    logs.configure(json=True, debug=False)

    logger.warning("%s thrown while requesting GET %s", TimeoutError(), f"http://ada:{CANARY}@hub/x")
    try:
        raise OSError(f"http://ada:{CANARY}@hub/x refused")
    except OSError:
        logger.exception("attempt %d", 2)

    lines = written.getvalue()
    assert CANARY not in lines
    assert "requesting GET http://***@hub/x" in lines
    assert "attempt 2\nTraceback" in lines
    assert "OSError: http://***@hub/x refused" in lines


def test_what_a_library_logs_keeps_its_arguments(library: tuple[logging.Logger, io.StringIO]) -> None:
    logger, _ = library
    logs.configure(json=True, debug=False)

    # Some formatters, such as uvicorn's, take the arguments apart.
    record = logger.makeRecord("a.library", logging.INFO, "x.py", 1, "%s at %s", ("GET", "/x"), None)
    parts = ("GET", "/x?token=abcdefgh")
    secret = logger.makeRecord("a.library", logging.INFO, "x.py", 1, "%s at %s", parts, None)

    assert record.args == ("GET", "/x")
    assert secret.args == ("GET", "/x?token=***")


class Silent:
    def __str__(self) -> str:
        raise RuntimeError("there is nothing to say")


@pytest.mark.parametrize(
    ("message", "parts"),
    [("%d texts", ("many",)), ("%(a)s", ({"b": 1},)), ("%c", (1 << 40,)), ("%s", (Silent(),))],
)
def test_a_message_that_does_not_fit_is_left_to_its_handler(
    library: tuple[logging.Logger, io.StringIO], message: str, parts: tuple[object, ...]
) -> None:
    logger, _ = library
    logs.configure(json=True, debug=False)

    record = logger.makeRecord("a.library", logging.INFO, "x.py", 1, message, parts, None)

    assert record.msg == message


@pytest.mark.slow
@pytest.mark.attack("A4")
def test_no_output_of_a_command_holds_the_password_of_a_store(tmp_path: Path) -> None:
    """Every command that reaches for a store that is not there, with its password in the address."""
    import os
    import subprocess
    import sys

    root = tmp_path / "w"
    checkout = Path(__file__).parents[2]
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "TONEWATCH"))
    }
    environment = {
        **clean,
        "PYTHONPATH": str(checkout),
        "MLFLOW_TRACKING_URI": f"http://ada:{CANARY}@127.0.0.1:9",
        "TONEWATCH_LEDGER": f"postgresql://ada:{CANARY}@127.0.0.1:9/ledger?connect_timeout=2",
        "TONEWATCH_ALERTS": f"json://ada:{CANARY}@127.0.0.1:9/alerts",
        "PREFECT_API_URL": f"http://ada:{CANARY}@127.0.0.1:9/api",
    }

    def command(*arguments: str) -> str:
        process = subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=root if root.is_dir() else tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return process.stdout + process.stderr

    printed = command("init", str(root))
    for arguments in (
        ["release", "list"],
        ["release", "rollback", "--debug"],
        ["release", "verify", "--json"],
        ["release", "reconcile", "--debug"],
        ["predict", "x", "--debug"],
        ["doctor", "--json"],
        ["watch", "--debug"],
        ["report", "--json", "--debug"],
    ):
        printed += command(*arguments)

    assert "does not respond" in printed or "failed" in printed
    assert CANARY not in printed
