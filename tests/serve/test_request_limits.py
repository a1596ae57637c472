"""What a request costs the others: bodies that take long to parse go one by one."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from pipeline.io.params_file import load_params
from pipeline.io.security import api_keys
from pipeline.serve.http.access import AccessGuard
from pipeline.serve.http.request_limits import LARGE_BYTES, RequestLimits
from pipeline.serve.runtime.metrics import ServiceMetrics

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def limited(handled: list[int], folder: Path) -> tuple[RequestLimits, dict[str, str]]:
    """Return the limits around an app that notes the length of each body, and the header of a key."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        handled.append(len((await receive())["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    keys = folder / "keys.json"
    _, secret = api_keys.create_key(keys, name="shop", scopes=["predict"], days=None, now=NOW)
    cfg = load_params(ROOT / "params.yaml").serve
    limits = RequestLimits(
        app,
        guard=AccessGuard(api_keys.KeyStore(keys), cfg, hosts=None, now=lambda: NOW),
        cfg=cfg,
        metrics=ServiceMetrics(),
        policy_of=lambda _: ("/v1/predict", "predict"),
        request_id=lambda: "request",
        signed_in=lambda _: "",
    )
    return limits, {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("large", [LARGE_BYTES + 1, 800_000])
def test_a_small_request_goes_before_the_second_of_two_large_ones(tmp_path: Path, large: int) -> None:
    handled: list[int] = []
    limits, headers = limited(handled, tmp_path)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(limits)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            bodies = [b"a" * large, b"b" * large, b"c"]
            return await asyncio.gather(*(client.post("/", content=body, headers=headers) for body in bodies))

    assert [response.status_code for response in asyncio.run(ask())] == [200] * 3
    assert handled == [1, large, large]


def test_a_body_that_is_not_large_does_not_wait(tmp_path: Path) -> None:
    handled: list[int] = []
    limits, headers = limited(handled, tmp_path)

    async def ask() -> None:
        transport = httpx.ASGITransport(limits)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            await asyncio.gather(
                client.post("/", content=b"a" * (LARGE_BYTES + 1), headers=headers),
                client.post("/", content=b"b" * LARGE_BYTES, headers=headers),
            )

    asyncio.run(ask())
    assert handled == [LARGE_BYTES, LARGE_BYTES + 1]
