"""The page /labels where a text has several labels, or entities: what it stores, by key and by pointer."""

import contextlib
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import item_worlds
import pytest
import running_service
from playwright.sync_api import Browser, Page

from pipeline.base.config import Workspace
from pipeline.base.tasks import MULTI_LABEL, TOKEN_LABELS, TaskName
from pipeline.io.params_file import load_params
from pipeline.monitoring.audit_labels import draw, read_audit_labels

# An emoji has two units of UTF-16, and a hostile text stays text.
TEXTS = {
    MULTI_LABEL: ["soup and waiter </blockquote>", "monday again"],
    TOKEN_LABELS: ["👍 Ann Lee went to New York, </blockquote> she said"],
}


@dataclass(frozen=True)
class Annotation:
    workspace: Workspace
    address: str
    key: str

    @property
    def labels(self) -> list[str]:
        return [label.label for label in read_audit_labels(self.workspace)]


@contextlib.contextmanager
def annotation(root: Path, task: TaskName, texts: list[str]) -> Iterator[Annotation]:
    """Serve a workspace in whose queue these texts wait."""
    workspace = item_worlds.make(root, task)
    item_worlds.set_audit(workspace, per_topic_per_day=24 * len(texts))
    item_worlds.add_release(workspace, task)
    item_worlds.journal(workspace, "R1", texts)
    assert draw(workspace, now=item_worlds.at(2), params=load_params(workspace.params)) == len(texts)
    _, header = running_service.create_key(workspace, "label")
    with running_service.running(workspace, ready=False) as found:
        key = header["Authorization"].removeprefix("Bearer ")
        yield Annotation(workspace, f"http://127.0.0.1:{found.port}", key)


@contextlib.contextmanager
def client(service: Annotation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.address, headers={"Origin": service.address}, timeout=20) as found:
        assert found.post("/sign-in", data={"key": service.key}).status_code == 303
        yield found


def fields(page: str) -> dict[str, str]:
    """Return the hidden fields of the form of answers."""
    form = page[page.index('id="label-form"') :]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def test_several_labels_are_stored_without_a_script(tmp_path: Path) -> None:
    with annotation(tmp_path / "w", MULTI_LABEL, TEXTS[MULTI_LABEL]) as service, client(service) as signed_in:
        first = signed_in.get("/labels").text
        form = {**fields(first), "answer": "save"}
        wrong = signed_in.post("/labels", data={**form, "labels": ["food", "happy"]})
        assert (wrong.status_code, service.labels) == (400, [])
        signed_in.post("/labels", data={**form, "labels": ["service", "food"]})
        again = signed_in.post("/labels", data={**form, "labels": ["price"]})
        second = fields(signed_in.get("/labels").text)
        signed_in.post("/labels", data={**second, "answer": "save"})

        assert "0.98" not in first
        assert "has your label food + service already" in again.text
        assert sorted(service.labels) == ["food + service", "no label"]


def test_spans_outside_of_their_text_are_refused_with_a_sentence(tmp_path: Path) -> None:
    with (
        annotation(tmp_path / "w", TOKEN_LABELS, TEXTS[TOKEN_LABELS]) as service,
        client(service) as signed_in,
    ):
        page = signed_in.get("/labels").text
        form = {**fields(page), "answer": "save"}
        for wrong, words in (
            ('[{"start": 2, "end": 900, "label": "person"}]', "lies outside its text"),
            ('[{"start": 2, "end": 5, "label": "animal"}]', "has a label that collect.labels does not name"),
            ('[{"start": 5, "end": 5, "label": "person"}]', "ends where it starts"),
            ("nonsense", "is no JSON"),
        ):
            refused = signed_in.post("/labels", data={**form, "spans": wrong})
            assert (refused.status_code, service.labels) == (400, []), wrong
            assert words in html.unescape(refused.text), re.findall("<p.*?</p>", refused.text)
        signed_in.post("/labels", data={**form, "spans": "[]"})

        assert '<span class="word" data-start="2" data-end="5">Ann</span>' in page
        assert "&lt;" in page
        assert "person" in page
        assert service.labels == ["[]"]


def sign_in(page: Page, service: Annotation) -> list[str]:
    """Sign in, open the page, and return what the browser complains about from then on."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{service.address}/sign-in")
    page.get_by_label("API key").fill(service.key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{service.address}/")
    page.goto(f"{service.address}/labels")
    return complaints


def press(page: Page, key: str) -> None:
    """Press a key and wait for the next page."""
    with page.expect_navigation():
        page.keyboard.press(key)


@pytest.mark.needs("chromium")
def test_a_key_toggles_a_label_and_enter_saves(browser: Browser, tmp_path: Path) -> None:
    with annotation(tmp_path / "w", MULTI_LABEL, TEXTS[MULTI_LABEL]) as service:
        context = browser.new_context()
        page = context.new_page()
        complaints = sign_in(page, service)
        for key in ("1", "2", "3", "2"):
            page.keyboard.press(key)
        press(page, "Enter")
        press(page, "u")
        press(page, "Enter")
        page.get_by_text("food", exact=False).first.click()
        page.keyboard.press("3")
        press(page, "Enter")
        page.get_by_text("No text waits").wait_for()
        context.close()

        assert sorted(service.labels) == ["food + price", "no label"]
        assert complaints == []


@pytest.mark.needs("chromium")
def test_entities_are_marked_by_keyboard_and_by_pointer(browser: Browser, tmp_path: Path) -> None:
    (text,) = TEXTS[TOKEN_LABELS]
    with annotation(tmp_path / "w", TOKEN_LABELS, [text]) as service:
        context = browser.new_context(viewport={"width": 1000, "height": 800})
        page = context.new_page()
        complaints = sign_in(page, service)
        # The emoji, then Ann and Lee.
        for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight", "1"):
            page.keyboard.press(key)
        # A place by mistake, which goes again.
        for key in ("ArrowRight", "2", "Backspace"):
            page.keyboard.press(key)
        drag(page, "New York")
        page.keyboard.press("2")
        listed = page.locator("#marks").inner_text()
        shown = page.locator("#text").inner_text()
        press(page, "Enter")
        page.get_by_text("No text waits").wait_for()
        context.close()

        (answer,) = service.labels
        marked = [(text[one["start"] : one["end"]], one["label"]) for one in json.loads(answer)]
        assert marked == [("Ann Lee", "person"), ("New York", "place")]
        assert ("Ann Lee: person" in listed, "New York: place" in listed, shown) == (True, True, text)
        assert complaints == []


def drag(page: Page, words: str) -> None:
    """Select words of the text with the pointer."""
    box = page.evaluate(
        """(words) => {
          const quote = document.querySelector("#text");
          const walker = document.createTreeWalker(quote, NodeFilter.SHOW_TEXT);
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const at = node.data.indexOf(words);
            if (at < 0) continue;
            const range = document.createRange();
            range.setStart(node, at);
            range.setEnd(node, at + words.length);
            const { left, right, top, bottom } = range.getBoundingClientRect();
            return { left, right, middle: (top + bottom) / 2 };
          }
        }""",
        words,
    )
    page.mouse.move(box["left"] + 1, box["middle"])
    page.mouse.down()
    page.mouse.move(box["right"] - 1, box["middle"], steps=8)
    page.mouse.up()
