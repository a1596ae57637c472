"""Prevalence by audit labels, in simulated worlds whose truth is known and by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from audited import LABELS, audit_label, audit_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import SOURCES, label_texts, topic_texts

from pipeline.base.config import PrevalenceConfig
from pipeline.base.documents import PrevalenceEntry
from pipeline.core.prevalence.estimator import PrevalenceEstimator
from pipeline.core.prevalence.ppi import Population
from pipeline.core.prevalence.topic_texts import TopicTexts

CFG = PrevalenceConfig(label_days=28.0, min_labels=50, max_unlabelled=0.1)
WINDOW, WORLDS = 400, 300
# Three standard errors of a coverage of 0.95 in so many worlds.
CHANCE = 3 * (0.95 * 0.05 / WORLDS) ** 0.5
Entries = dict[str, PrevalenceEntry]


def estimator(
    audited: dict[str, list], populations: dict[str, Population] | None = None, **blocked: str
) -> PrevalenceEstimator:
    return PrevalenceEstimator(LABELS, audited, populations or {}, blocked=blocked, cfg=CFG, confidence=0.95)


class World:
    """A window of each source, and so many audit labels of earlier texts of each."""

    def __init__(self, random: np.random.Generator, labels: dict[str, int]) -> None:
        self.audited = {
            topic: label_texts(topic, *SOURCES[topic].draw(count, random)) for topic, count in labels.items()
        }
        drawn = {topic: source.draw(WINDOW, random) for topic, source in SOURCES.items()}
        self.texts = {topic: topic_texts(probabilities) for topic, (_, probabilities) in drawn.items()}
        self.truth = {topic: np.bincount(truth, minlength=3) / WINDOW for topic, (truth, _) in drawn.items()}


def covers(entries: Entries, truth: np.ndarray) -> list[bool]:
    return [
        entries[label]["low"] <= share <= entries[label]["high"]
        for label, share in zip(LABELS, truth, strict=True)
    ]


def test_a_hundred_labels_cover_every_share_of_every_source_and_err_less_than_raw_shares() -> None:
    random, populations = np.random.default_rng(20), {name: one.population() for name, one in SOURCES.items()}
    covered = {topic: np.zeros(3) for topic in (*SOURCES, "all")}
    errors = {topic: np.zeros((2, 3)) for topic in SOURCES}
    for _ in range(WORLDS):
        world = World(random, dict.fromkeys(SOURCES, 100))
        found = estimator(world.audited, populations)
        for topic, texts in world.texts.items():
            entries = found.topic(topic, texts)
            covered[topic] += covers(entries, world.truth[topic])
            shares = [[entries[label][key] for label in LABELS] for key in ("share", "raw")]  # type: ignore[literal-required]
            errors[topic] += (np.array(shares) - world.truth[topic]) ** 2
        covered["all"] += covers(
            found.all_topics("all", world.texts), np.mean(list(world.truth.values()), axis=0)
        )

    rates = {topic: (hits / WORLDS).round(3).tolist() for topic, hits in covered.items()}
    assert all(0.92 - CHANCE <= rate <= 0.97 + CHANCE for row in rates.values() for rate in row), rates
    rmse = {
        topic: np.sqrt(squares.mean(axis=1) / WORLDS).round(4).tolist() for topic, squares in errors.items()
    }
    assert all(ours <= raw for ours, raw in rmse.values()), f"estimate, raw share: {rmse}"


def test_without_labels_no_interval_excludes_the_truth() -> None:
    world = World(np.random.default_rng(21), {})
    found = estimator(world.audited)

    for topic, texts in world.texts.items():
        for entry in found.topic(topic, texts).values():
            assert (entry["corrected"], entry["low"], entry["high"]) == (False, 0.0, 1.0)
            assert entry["share"] == entry["raw"]
            assert entry["why"] == "it has no audit label of this release within 28 days"
    assert not found.all_topics("all", world.texts)["neutral"]["corrected"]


def test_few_labels_are_pooled_with_an_interval_as_wide_as_topics_differ() -> None:
    random, covered, widths = np.random.default_rng(22), np.zeros(3), []
    for _ in range(150):
        world = World(random, {**dict.fromkeys(("tweet", "amazon", "movie"), 100), "nyt": 8})
        entries = estimator(world.audited).topic("nyt", world.texts["nyt"])
        assert {entry["method"] for entry in entries.values()} == {"pooled"}
        covered += covers(entries, world.truth["nyt"])
        widths.append(entries["neutral"]["high"] - entries["neutral"]["low"])

    assert min(covered / 150) >= 0.90, covered / 150
    assert 0.1 < np.mean(widths) < 0.8


def test_few_labels_without_other_topics_correct_nothing() -> None:
    world = World(np.random.default_rng(23), {"nyt": 5, "tweet": 100})
    entry = estimator(world.audited).topic("nyt", world.texts["nyt"])["neutral"]

    assert (entry["method"], entry["labels"], entry["low"], entry["high"]) == ("none", 5, 0.0, 1.0)
    assert entry["why"] == (
        "it has 5 audit labels, 50 are needed (watch.prevalence.min_labels), "
        "and fewer than 3 other topics have so many to pool with"
    )


def test_a_rectifier_worked_by_hand() -> None:
    # Every text of the window is said to be positive with 0.8; of the labelled ones a quarter is negative.
    audited = audit_labels(["negative"] * 25 + ["positive"] * 75, ["positive"] * 100)
    window = topic_texts(np.tile([0.1, 0.1, 0.8], (200, 1)))
    entries = estimator({"phones": audited}).topic("phones", window)

    # 0.25, 0 and 0.75 by the labels; the raw share has a weight of 0.03.
    assert [entries[label]["share"] for label in LABELS] == pytest.approx([0.2424, 0.0, 0.7576], abs=1e-4)
    assert [entries[label]["raw"] for label in LABELS] == [0.0, 0.0, 1.0]
    assert [entries[label]["mean_probability"] for label in LABELS] == pytest.approx([0.1, 0.1, 0.8])
    negative = entries["negative"]
    # 25 of 100 have a Wilson interval of 0.175 to 0.343; the window's 200 texts widen it.
    assert (negative["low"], negative["high"]) == (
        pytest.approx(0.16, abs=0.01),
        pytest.approx(0.37, abs=0.02),
    )
    assert negative["noise"] == pytest.approx(0.0, abs=1e-6)
    assert json.loads(json.dumps(entries)) == entries


def test_labels_of_one_kind_only_still_have_an_interval() -> None:
    audited = audit_labels(["positive"] * 60, ["positive"] * 60)
    entry = estimator({"phones": audited}).topic("phones", topic_texts(np.tile([0.1, 0.1, 0.8], (200, 1))))

    assert entry["positive"]["share"] == pytest.approx(1.0)
    assert 0.8 < entry["positive"]["low"] < 0.99
    assert 0.01 < entry["negative"]["high"] < 0.2


def test_a_label_stands_for_as_many_texts_as_its_inclusion_says() -> None:
    rare = [audit_label(number, "negative", "negative", inclusion=0.9) for number in range(90)]
    frequent = [audit_label(90 + number, "positive", "positive", inclusion=0.1) for number in range(10)]
    window = np.repeat([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]], 150, axis=0)
    entries = estimator({"phones": [*rare, *frequent]}).topic("phones", topic_texts(window))

    # The rare ones stand for 100 texts and the frequent ones for 100 too; by count negative were 0.62.
    assert entries["negative"]["share"] == pytest.approx(0.5)


def test_a_label_stands_for_the_copies_that_were_drawn_with_it() -> None:
    copied = [
        replace(audit_label(number, "negative", "negative", inclusion=0.5), drawn=3) for number in range(30)
    ]
    single = [audit_label(30 + number, "positive", "positive", inclusion=0.5) for number in range(90)]
    window = np.repeat([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]], 150, axis=0)

    entries = estimator({"phones": [*copied, *single]}).topic("phones", topic_texts(window))

    assert entries["negative"]["share"] == pytest.approx(0.5)


def test_each_text_sent_ten_times_changes_no_interval() -> None:
    world = World(np.random.default_rng(24), {"nyt": 100})
    once = world.texts["nyt"]
    tenfold = TopicTexts(10 * once.counts_L, 10 * once.sums_L, 10 * once.square_sums_L, once.independent)
    found = estimator(world.audited)

    for label, entry in found.topic("nyt", once).items():
        again = found.topic("nyt", tenfold)[label]
        assert [again[key] for key in ("share", "low", "high", "noise")] == pytest.approx(  # type: ignore[literal-required]
            [entry[key] for key in ("share", "low", "high", "noise")]  # type: ignore[literal-required]
        )


def test_a_share_is_pulled_towards_the_raw_one_within_its_interval_only() -> None:
    audited = audit_labels(["negative", "positive"] * 50, ["negative", "positive"] * 50)
    # The labels find no bias, but the window is of undecided texts as no labelled one was.
    window = topic_texts(np.tile([0.45, 0.1, 0.45], (300, 1)))
    entries = estimator({"phones": audited}).topic("phones", window)

    assert entries["negative"]["raw"] == 1.0
    assert entries["negative"]["share"] <= entries["negative"]["high"] + 1e-9 < 0.7


def test_topics_without_labels_widen_the_interval_of_all_texts_by_their_part() -> None:
    world = World(np.random.default_rng(25), {"nyt": 100, "tweet": 100, "amazon": 100})
    small = World(np.random.default_rng(26), {}).texts["movie"]
    part = 30 / WINDOW
    movie = TopicTexts(part * small.counts_L, part * small.sums_L, part * small.square_sums_L, 30.0)
    found = estimator(world.audited)
    labelled = {topic: world.texts[topic] for topic in ("nyt", "tweet", "amazon")}

    without, with_movie = (
        found.all_topics("all", topics)["neutral"] for topics in (labelled, {**labelled, "movie": movie})
    )

    open_part = 30 / (3 * WINDOW + 30)
    widened = (without["high"] - without["low"]) * (1 - open_part) + open_part
    assert with_movie["high"] - with_movie["low"] == pytest.approx(widened)
    whole = found.all_topics("all", world.texts)["neutral"]
    assert whole["why"] == "25% of the texts are of topics without usable audit labels"


def test_a_topic_that_drifts_is_not_corrected_and_corrects_no_other() -> None:
    world = World(np.random.default_rng(27), {**dict.fromkeys(("tweet", "amazon", "movie"), 100), "nyt": 8})
    found = estimator(world.audited, movie="a drift alarm of kind topic")

    assert found.topic("movie", world.texts["movie"])["neutral"]["why"] == "a drift alarm of kind topic"
    # Two topics are left to pool with.
    assert found.topic("nyt", world.texts["nyt"])["neutral"]["method"] == "none"
    assert found.topic("tweet", world.texts["tweet"])["neutral"]["method"] == "ppi"


def test_a_model_that_knows_nothing_of_a_topic_costs_no_more_than_not_to_have_it() -> None:
    random = np.random.default_rng(28)
    truth, noise = random.choice(3, size=100, p=(0.3, 0.3, 0.4)), random.dirichlet((0.2, 0.2, 0.2), size=5100)
    audited = {"nyt": label_texts("nyt", truth, noise[:100])}
    population = {"nyt": Population(noise[100:].mean(axis=0), 5000.0)}
    window = topic_texts(random.dirichlet((0.2, 0.2, 0.2), size=100_000))

    tuned, believed = (estimator(audited, one).topic("nyt", window)["neutral"] for one in (population, {}))

    # As wide as 100 labels alone: 1.96 * sqrt(0.21 / 100) to either side.
    assert tuned["high"] - tuned["low"] == pytest.approx(0.18, abs=0.02)
    assert believed["high"] - believed["low"] > 1.2 * (tuned["high"] - tuned["low"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(0.001, 1)), max_size=80),
    st.lists(st.integers(0, 2), min_size=1, max_size=60),
)
def test_shares_sum_to_1_within_their_intervals(
    pairs: list[tuple[int, int, float]], predicted: list[int]
) -> None:
    audited = [
        audit_label(number, LABELS[true], LABELS[said], inclusion=inclusion)
        for number, (true, said, inclusion) in enumerate(pairs)
    ]
    probabilities = np.full((len(predicted), 3), 0.1)
    probabilities[np.arange(len(predicted)), predicted] = 0.8
    found = estimator({"phones": audited})
    texts = topic_texts(probabilities)

    for entries in (found.topic("phones", texts), found.all_topics("all", {"phones": texts})):
        assert sum(entry["share"] for entry in entries.values()) == pytest.approx(1)
        for entry in entries.values():
            assert 0 <= entry["low"] <= entry["share"] + 1e-9
            assert entry["share"] - 1e-9 <= entry["high"] <= 1
            assert entry["spread"] > 0
