"""The page /labels: who may label, what it shows and stores, and twenty texts labelled by keyboard."""

import contextlib
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import running_service
from audit_fixtures import add_to_queue, queue_of
from playwright.sync_api import Browser, Page

from pipeline.base.config import Workspace
from pipeline.base.digests import text_digest
from pipeline.monitoring.audit_labels import read_audit_labels, read_queue
from pipeline.serve.build import build_app

HOSTILE = "</blockquote><script>window.ran = 1</script>"
TEXTS = [f"{text_digest(str(number))[:30]} and {text_digest(str(-number))[:30]}" for number in range(25)]


@dataclass(frozen=True)
class Annotation:
    """Hold a service, and who labels there."""

    workspace: Workspace
    address: str
    key: str

    @property
    def labels(self) -> list[str]:
        return [label.label for label in read_audit_labels(self.workspace)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    workspace = queue_of(tmp_path_factory.mktemp("labels") / "w", [HOSTILE], topic="hostile")
    with running_service.running(workspace, ready=False) as found:
        yield workspace, f"http://127.0.0.1:{found.port}"


@pytest.fixture
def service(served: tuple[Workspace, str]) -> Annotation:
    workspace, address = served
    _, header = running_service.create_key(workspace, "label")
    return Annotation(workspace, address, header["Authorization"].removeprefix("Bearer "))


@contextlib.contextmanager
def client(service: Annotation, key: str | None = None) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.address, headers={"Origin": service.address}, timeout=20) as found:
        assert found.post("/sign-in", data={"key": key or service.key}).status_code == 303
        yield found


def fields(page: str) -> dict[str, str]:
    """Return the hidden fields of the form of answers."""
    form = page[page.index('id="label-form"') :]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[: form.index("<button")]))


def test_only_a_key_with_the_scope_label_opens_the_page(service: Annotation) -> None:
    for scope, status in (("predict", 403), ("feedback", 403), ("label", 200), ("admin", 200)):
        _, header = running_service.create_key(service.workspace, scope)
        with client(service, header["Authorization"].removeprefix("Bearer ")) as signed_in:
            assert signed_in.get("/labels").status_code == status
            assert signed_in.post("/labels", data={"answer": "skip"}).status_code == 403
    anonymous = httpx.get(f"{service.address}/labels")
    assert (anonymous.status_code, anonymous.headers["location"]) == (303, "/sign-in?next=%2Flabels")


def test_a_text_is_shown_escaped_and_nothing_says_what_the_model_predicted(service: Annotation) -> None:
    with client(service) as signed_in:
        page = signed_in.get("/labels?topic=hostile").text

    assert "&lt;/blockquote&gt;&lt;script&gt;" in page
    assert "<script>window" not in page
    assert "0.7" not in page
    # Once as the answer that can be chosen, and once as its value.
    assert page.count("positive") == page.count("negative") == page.count("neutral") == 2


def test_a_forged_form_stores_nothing(service: Annotation) -> None:
    before = service.labels
    with client(service) as signed_in:
        form = {**fields(signed_in.get("/labels?topic=hostile").text), "answer": "label:positive"}
        for wrong, origin in (({"csrf_token": "x"}, service.address), ({}, "http://evil.example")):
            answer = signed_in.post("/labels", data={**form, **wrong}, headers={"Origin": origin})
            assert (answer.status_code, service.labels) == (403, before)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"answer": "label:happy"}, "no label"),
        ({"answer": ""}, "no label"),
        ({"prediction": "2026112508-00/0"}, "not drawn"),
        ({"prediction": "x"}, "not drawn"),
        ({"prediction": "../../etc/passwd/9999999999999"}, "not drawn"),
    ],
)
def test_a_wrong_answer_is_refused_with_a_sentence(
    service: Annotation, wrong: dict[str, str], words: str
) -> None:
    before = service.labels
    with client(service) as signed_in:
        form = {**fields(signed_in.get("/labels?topic=hostile").text), "answer": "label:positive", **wrong}
        answer = signed_in.post("/labels", data=form)

    assert (answer.status_code, words in answer.text, service.labels) == (400, True, before)


def test_an_empty_queue_says_what_to_do(service: Annotation) -> None:
    with client(service) as signed_in:
        page = signed_in.get("/labels?topic=nosuch").text

    assert "No text waits for your label in nosuch." in page
    assert "labels needed for ±3 points" in page


@pytest.mark.needs("chromium")
def test_twenty_texts_are_labelled_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", TEXTS)
    _, header = running_service.create_key(workspace, "label")
    with running_service.running(workspace, ready=False) as found:
        key = header["Authorization"].removeprefix("Bearer ")
        annotation = Annotation(workspace, f"http://127.0.0.1:{found.port}", key)
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        page, complaints = context.new_page(), list[str]()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        sign_in(page, annotation)

        with page.expect_navigation():
            page.get_by_role("link", name="Label texts").click()
        first = page.locator("#text").inner_text()
        press(page, "3")
        press(page, "u")
        again = page.locator("#text").inner_text()
        press(page, "s")
        for number in range(20):
            press(page, "123"[number % 3])
        page.wait_for_function("document.querySelector('progress').value === 20")
        context.close()

        assert (first, again) == (first, first)
        assert first in TEXTS
        assert Counter(annotation.labels) == {"negative": 7, "neutral": 7, "positive": 6}
        assert first not in {text_of(workspace, label.request) for label in read_audit_labels(workspace)}
        assert len(read_queue(workspace, "somebody else", most=99)) == 5
        assert complaints == []


def text_of(workspace: Workspace, request: str) -> str:
    (entry,) = [one for one in running_service.journal_entries(workspace) if one["request"] == request]
    return str(entry["text"])


def sign_in(page: Page, annotation: Annotation) -> None:
    page.goto(f"{annotation.address}/sign-in")
    page.get_by_label("API key").fill(annotation.key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{annotation.address}/")


def press(page: Page, key: str) -> None:
    """Press a key and wait for the next page."""
    with page.expect_navigation():
        page.keyboard.press(key)


@pytest.mark.needs("chromium")
def test_keys_with_a_modifier_and_other_keys_answer_nothing(browser: Browser, tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", TEXTS[:2])
    _, header = running_service.create_key(workspace, "label")
    with running_service.running(workspace, ready=False) as found:
        key = header["Authorization"].removeprefix("Bearer ")
        annotation = Annotation(workspace, f"http://127.0.0.1:{found.port}", key)
        context = browser.new_context(viewport={"width": 400, "height": 800}, color_scheme="dark")
        page = context.new_page()
        sign_in(page, annotation)
        page.goto(f"{annotation.address}/labels")
        for key in ("Control+1", "Alt+2", "4", "9", "x", "Tab"):
            page.keyboard.press(key)
        time.sleep(0.3)
        across, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert annotation.labels == []
        page.keyboard.press("1")
        page.wait_for_function("document.querySelector('progress').value === 1")
        context.close()

        assert across <= room
        assert annotation.labels == ["negative"]


def test_the_page_works_below_the_path_of_a_proxy(tmp_path: Path) -> None:
    workspace = queue_of(tmp_path / "w", TEXTS[:1])
    _, header = running_service.create_key(workspace, "label")
    public = replace(workspace, dashboard="http://127.0.0.1/mood")
    with running_service.running(public, ready=False, app=build_app(public, host="127.0.0.1")) as found:
        base = f"http://127.0.0.1:{found.port}"
        with httpx.Client(base_url=f"{base}/mood", headers={"Origin": base}) as signed_in:
            signed_in.post("/sign-in", data={"key": header["Authorization"].removeprefix("Bearer ")})
            form = {**fields(signed_in.get("/labels").text), "answer": "label:neutral"}
            answer = signed_in.post("/labels", data=form)

    assert (answer.status_code, answer.headers["location"]) == (303, "/mood/labels")
    assert [label.label for label in read_audit_labels(workspace)] == ["neutral"]


def test_a_second_label_by_the_back_button_is_refused(service: Annotation) -> None:
    (entry,) = add_to_queue(service.workspace, ["twice"], hours=5, topic="twice", cluster="twice")
    with client(service) as signed_in:
        form = fields(signed_in.get("/labels?topic=twice").text)
        assert form["prediction"] == f"{entry.request}/0"
        signed_in.post("/labels", data={**form, "answer": "label:neutral"})
        answer = signed_in.post("/labels", data={**form, "answer": "label:positive"})

    assert (answer.status_code, "has your label neutral already" in answer.text) == (400, True)
