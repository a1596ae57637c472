"""Each task from a table to a release in service, with a tiny encoder from scratch."""

import csv
import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
import service_process

from pipeline.base.config import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ABOUT = {
    "food": ("the soup was cold", "we loved the bread", "a fine dessert"),
    "service": ("the waiter was rude", "they answered at once", "nobody came to our table"),
    "price": ("it cost too much", "a bargain for what you get", "the bill was a shock"),
}
NOTHING = ("we came on a Monday", "my sister had her birthday", "it is near the station")
STARS = {
    "1": ("dreadful", "awful", "horrible"),
    "2": ("poor", "boring", "ugly"),
    "3": ("usual", "plain", "average"),
    "4": ("good", "nice", "pleasant"),
    "5": ("superb", "brilliant", "perfect"),
}
THINGS = ("film", "book", "phone", "meal", "song", "hotel room", "train ride", "garden")
FRAMES = ("a {} {}", "what a {} {} that was", "I think it is a {} {}", "they sold us a {} {} again")


@pytest.fixture
def make_of_preset(command_in, tiny, tmp_path):
    """Return a function that writes a table and runs the pipeline for a task with these labels."""

    def run(task, labels, rows, *changes, column="label"):
        command = command_in(tmp_path)
        begun = command("init", ".", "--preset", "csv")
        assert begun.code == 0, begun.err
        params = tmp_path / "params.yaml"
        if column != "label":
            # A source of entities, or of texts alone, is none of another task.
            text = params.read_text("utf-8").replace("task: single_label ", f"task: {task} ")
            further = f" {column}: {column}," if column else ""
            text = text.replace("[negative, neutral, positive]", f"[{', '.join(labels)}]", 1)
            params.write_text(text.replace("label: label,", f"label: null,{further}"), "utf-8")
        with (tmp_path / "texts.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["text", column or "note"], *rows])
        kept = [one for one in tiny[1::2] if not one.startswith("collect.labels")]
        settings = [f"task={task}", f"collect.labels=[{', '.join(labels)}]", *kept, *changes]
        arguments = [part for one in settings for part in ("--set", one)]
        return command, command("run", *arguments, timeout=600)

    return run


@pytest.fixture
def make(command_in, tiny, tmp_path):
    """Return a function that writes a table, makes a workspace of it and runs the pipeline for a task."""

    def run(task, header, rows, *changes):
        with (tmp_path / "texts.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        begun = command_in(tmp_path)("init", "w", "--from", "texts.csv")
        assert begun.code == 0, begun.err
        command = command_in(tmp_path / "w")
        kept = [one for one in tiny[1::2] if not one.startswith("collect.labels")]
        settings = [f"task={task}", *kept, *changes]
        arguments = [part for one in settings for part in ("--set", one)]
        return command, command("run", *arguments, timeout=600)

    return run


def served(command, text):
    """Return what the service answers for a text."""
    with service_process.started(Workspace.of(command.folder, {})) as (_, client):
        response = client.post("/v1/predict", json={"texts": [text]})
        assert response.status_code == 200, response.text
        return response.json()["predictions"][0]


def watched(command, texts):
    """Let the service predict texts, and return what the watch reports of their topic an hour later."""
    with service_process.started(Workspace.of(command.folder, {})) as (_, client):
        for batch in (texts[:60], texts[60:]):
            response = client.post("/v1/predict", json={"texts": batch, "topic": "cafe"})
            assert response.status_code == 200, response.text
    later = datetime.now(UTC) + timedelta(hours=2)
    watch = command("watch", "--now", later.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert watch.code == 0, watch.err
    window = json.loads((command.folder / f".tonewatch/windows/{watch.json['windows'][-1]}.json").read_text())
    return window["topics"]["cafe"]


def stars():
    return [
        [frame.format(word, thing), label]
        for label, words in STARS.items()
        for word, thing, frame in itertools.product(words, THINGS, FRAMES)
    ]


def test_stars_become_a_release_on_a_scale(make):
    command, first = make("ordinal", ["text", "stars"], stars())

    assert first.code == 0, first.err
    record = command("release", "show", "R1").json
    scale = record["evaluation"]["ordinal"]
    assert scale["mean_absolute_error"] < 0.5
    assert scale["weighted_kappa"] > 0.8
    names = [check["name"] for check in record["decision"]["checks"]]
    assert {"scale error", "scale agreement", "scale champion"} <= set(names)
    assert served(command, "a superb film")["best"] == "5"
    assert served(command, "a dreadful garden")["best"] == "1"
    assert command("run").json["ran"] == []


def test_labels_that_are_no_scale_are_refused_before_anything_runs(make):
    rows = [[text, {"1": "joy", "2": "anger"}.get(label, "fear")] for text, label in stars()]

    command, refused = make("ordinal", ["text", "feeling"], rows)

    assert refused.code in (1, 2)
    assert "no order of" in refused.err
    assert "task: single_label" in refused.err
    assert not (command.folder / "data" / "raw").exists()


def several():
    """Yield texts about none, one or two of the subjects, with their labels as a table writes them."""
    places = ("in Lima", "in Oslo", "last week", "again", "this time", "for once", "at noon", "with friends")
    for place in places:
        yield from ([f"{text} {place}", "[]"] for text in NOTHING)
        yield from ([f"{text} {place}", label] for label, texts in ABOUT.items() for text in texts)
        for one, other in itertools.combinations(ABOUT, 2):
            for first, second in itertools.product(ABOUT[one], ABOUT[other]):
                yield [f"{first} and {second} {place}", f"{other}; {one}"]


def test_several_labels_become_a_release_with_a_threshold_each(make_of_preset):
    command, first = make_of_preset(
        "multi_label", ABOUT, several(), "finetune.min_steps=300", "finetune.eval_every=150"
    )

    assert first.code == 0, first.err
    record = command("release", "show", "R1").json
    evaluation = record["evaluation"]
    assert evaluation["task"] == "multi_label"
    assert evaluation["macro_f1"] > 0.8
    assert evaluation["items"]["micro_f1"] > 0.8
    assert set(evaluation["per_class"]) == set(ABOUT)
    assert {"label food", "label service", "label price"} <= {
        check["name"] for check in record["decision"]["checks"]
    }
    answer = served(command, "the soup was cold and the waiter was rude again")
    assert answer["best"] == "food + service"
    assert answer["labels"] == ["food", "service"]
    assert answer["probabilities"]["price"] < 0.5
    assert served(command, "we came on a Monday again")["best"] == "no label"
    assert command("run").json["ran"] == []
    report = watched(command, [text for text, _ in several()][:120])
    assert set(report["prevalence"]) == set(ABOUT)
    assert {"label/food", "label/service", "label/price"} <= set(report["drift"]["detectors"])
    assert report["estimated"] is None


def test_another_task_than_that_in_service_is_refused_before_anything_runs(make_of_preset):
    command, first = make_of_preset("single_label", STARS, stars())
    assert first.code == 0, first.err

    refused = command("run", "--set", "task=multi_label")

    assert refused.code in (1, 2)
    assert "task is `multi_label`, and R1 in service is of task `single_label`" in refused.err


NAMES = ("Ann Lee", "Bo Chen", "Ida Roth", "Max Muster", "Eve Adams", "Tom")
PLACES = ("Lima", "New York", "Oslo", "Cape Town", "Rome", "Bern")
SENTENCES = (
    "{name} lives in {place}",
    "we met {name} &amp; friends in {place} again",
    "in {place} nobody knows {name}",
    "  the train to {place} was late",
    "a letter from {name} came today",
    "it rained all day",
)
NO_ABILITIES = ("evaluate.behaviour={max_cases: 1, words: {}, abilities: []}", "gate.abilities={}")


def entities():
    """Yield texts with the entities in them, as JSON spans of the text as it is written."""
    for sentence, name, place in itertools.product(SENTENCES, NAMES, PLACES):
        text = sentence.format(name=name, place=place)
        found = [(text.find(part), part, label) for part, label in ((name, "person"), (place, "place"))]
        spans = [
            {"start": start, "end": start + len(part), "label": label}
            for start, part, label in sorted(found)
            if start >= 0
        ]
        yield [text, json.dumps(spans)]


def test_entities_become_a_release_that_finds_them_where_they_stand(make_of_preset):
    rows = list({text: [text, spans] for text, spans in entities()}.values())

    command, first = make_of_preset(
        "token_labels",
        ("person", "place"),
        rows,
        "finetune.min_steps=300",
        "finetune.eval_every=150",
        "gate.min_macro_f1=0.5",
        *NO_ABILITIES,
        column="spans",
    )

    assert first.code == 0, first.err
    record = command("release", "show", "R1").json
    assert record["evaluation"]["task"] == "token_labels"
    assert record["evaluation"]["macro_f1"] > 0.8
    assert "gazetteer" in record["evaluation"]["baselines"]
    assert any("half-int8 is skipped" in reason for reason in record["menu"]["reasons"])
    # Markup and blanks before an entity move it in the text that the model reads, and not in the answer.
    text = "<p>  In Oslo nobody knows Ann Lee"
    answer = served(command, text)
    found = json.loads(answer["best"])
    assert [(text[one["start"] : one["end"]], one["label"]) for one in found] == [
        ("Oslo", "place"),
        ("Ann Lee", "person"),
    ]
    assert answer["spans"] == [{**one, "text": text[one["start"] : one["end"]]} for one in found]
    report = watched(command, [row[0] for row in rows][:120])
    assert set(report["prevalence"]) == {"person", "place"}
    assert {"label/person", "label/place"} <= set(report["drift"]["detectors"])


def test_entities_outside_their_text_are_refused_with_their_row(make_of_preset):
    rows = [*entities()][:50]
    rows[6][1] = json.dumps([{"start": 4, "end": 400, "label": "person"}])

    command, refused = make_of_preset(
        "token_labels", ("person", "place"), rows, *NO_ABILITIES, column="spans"
    )

    assert refused.code in (1, 2)
    assert "source texts, row 7, column 'spans': the span 4 to 400 (person) lies outside" in refused.err
    assert not (command.folder / "data" / "raw").exists()


SAID = {
    "soup": {"bad": ("cold", "salty"), "good": ("hot", "tasty")},
    "waiter": {"bad": ("rude", "slow"), "good": ("kind", "quick")},
}
# The texts are alike, and a near duplicate is in the split of the others.
ASPECT_TRAINING = ("finetune.min_steps=400", "finetune.eval_every=100", "split.near_duplicates=1.0")
VISITS = ("in Lima", "in Oslo", "last week", "on Monday", "at noon", "with us", "before work", "by the sea")


def aspects():
    """Yield texts that speak of two things, in a row for each of them with the tone of that one alone."""
    for tones in itertools.product(("bad", "good"), repeat=2):
        words = (SAID[target][tone] for target, tone in zip(SAID, tones, strict=True))
        for soup, waiter in itertools.product(*words):
            for visit in VISITS:
                text = f"the soup was {soup} and the waiter was {waiter} {visit}"
                yield from ([text, target, tone] for target, tone in zip(SAID, tones, strict=True))


def test_targets_become_a_release_that_tells_them_apart(make):
    command, first = make("aspect", ["text", "target", "label"], [*aspects()], *ASPECT_TRAINING)

    assert first.code == 0, first.err
    assert "\ntask: aspect " in (command.folder / "params.yaml").read_text("utf-8")
    record = command("release", "show", "R1").json
    evaluation = record["evaluation"]
    assert evaluation["task"] == "aspect"
    # Half of the texts have two tones, which no bag of words can tell apart.
    assert evaluation["macro_f1"] > max(0.9, evaluation["baselines"]["tfidf"]["macro_f1"])
    text = "the soup was cold and the waiter was kind in Oslo"
    with service_process.started(Workspace.of(command.folder, {})) as (_, client):
        items = [{"text": text, "target": target} for target in SAID]
        found = client.post("/v1/predict", json={"texts": items}).json()["predictions"]
        assert [one["best"] for one in found] == ["bad", "good"]
        refused = client.post("/v1/predict", json={"texts": [text]})
        assert refused.status_code == 422
        assert "texts.0: it has no target" in refused.json()["error"]
    assert command("predict", text, "--target", "waiter").json[0]["best"] == "good"
    assert "--target" in command("predict", text).err
    scored = command("predict", "--file", "../texts.csv", "--out", "scored.csv", "--prefix", "model_")
    assert scored.json["predicted"] == len([*aspects()]), scored.err
    assert command("run").json["ran"] == []


TONES = {"bad": ("dreadful", "awful", "boring", "ugly"), "good": ("lovely", "superb", "brilliant", "nice")}
WRITING = (
    "encoder.scratch={vocabulary: 300, width: 64, layers: 2, heads: 2, feed_forward: 128}",
    "finetune.min_steps=250",
    "finetune.eval_every=125",
    # The texts are alike, and a near duplicate is in the split of the others.
    "split.near_duplicates=1.0",
    "gate.generation.max_perplexity=1.5",
    "gate.generation.min_chrf=0.7",
)


def summaries():
    """Yield texts about a thing, each with a line that says what it was about and how it was."""
    for tone, words in TONES.items():
        for word, thing, frame in itertools.product(words, THINGS, FRAMES):
            yield [f"{frame.format(word, thing)}, a guest wrote to us", f"in short, the {thing} was {tone}"]


def test_references_become_a_release_that_writes(make):
    command, first = make("generation", ["review", "summary"], [*summaries()], *WRITING)

    assert first.code == 0, first.err
    params = (command.folder / "params.yaml").read_text("utf-8")
    assert "\ntask: generation " in params
    assert "reference: summary" in params
    record = command("release", "show", "R1").json
    evaluation = record["evaluation"]
    assert evaluation["task"] == "generation"
    assert evaluation["log_likelihood"] > evaluation["baselines"]["token_counts"]["log_likelihood"] + 1
    assert evaluation["generation"]["chrf"] > 0.8
    assert "macro_f1" not in evaluation
    assert {"perplexity", "overlap", "overlap champion"} <= {
        check["name"] for check in record["decision"]["checks"]
    }
    text = "they sold us a lovely phone again, a guest wrote to us"
    with service_process.started(Workspace.of(command.folder, {})) as (_, client):
        answer = client.post("/v1/predict", json={"texts": [text]}).json()
        (found,) = answer["predictions"]
        assert found["generated"] == "in short, the phone was good"
        assert found["probabilities"] == {}
        feedback = {"request": answer["request"], "position": 0, "label": "in short, the phone was bad"}
        refused = client.post("/v1/feedback", json=feedback)
        assert refused.status_code == 422
        assert "columns.reference" in refused.json()["error"]
    assert command("predict", text).json[0]["generated"] == "in short, the phone was good"
    assert "Leave out `--explain`" in command("predict", text, "--explain", "gradients").err
    assert "generation" in command("watch").json["left_out"]
    card = (command.folder / command("report", "R1").json["markdown"]).read_text("utf-8")
    assert "The task is generation. The perplexity of the references is" in card
    assert command("run").json["ran"] == []


def test_texts_that_stand_alone_become_a_release_with_a_perplexity(make_of_preset):
    rows = [[text, ""] for text, _ in summaries()]

    command, first = make_of_preset("generation", (), rows, *WRITING[:-2], column=None)

    assert first.code == 0, first.err
    figures = command("release", "show", "R1").json["evaluation"]["generation"]
    assert figures["perplexity"] < 20
    assert figures["chrf"] is None
    (found,) = command("predict", "they sold us a lovely").json
    assert found["generated"]


def test_missing_and_long_references_are_refused_before_any_training(make):
    rows = [[text, "" if number % 4 == 0 else summary] for number, (text, summary) in enumerate(summaries())]

    command, refused = make("generation", ["review", "summary"], rows, *WRITING)

    assert refused.code == 1
    assert "row 1, column 'summary': no reference" in refused.err
    again = command(
        "run", "--set", "clean.max_loss.unreadable=0.3", "--set", "encoder.answer_tokens=5", timeout=600
    )
    assert again.code == 1
    assert "references have more than 5 tokens (encoder.answer_tokens), the longest" in again.err
    assert not (command.folder / "data" / "classifier").exists()
