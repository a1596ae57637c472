"""Run the whole pipeline as a demo on one laptop: `make demo`. Only the clock is simulated.

Half of the default texts are the tables to train on, the other half is the traffic. Train on movie reviews
and tweets, and serve four topics: these two, shop reviews and newspaper comments. Volunteers send corrections
only: nothing is promoted or rolled back for it. People label predictions that were drawn at random, and
shares are corrected. Opinion on the shop shifts, and an alarm names it. A retrain on all four tables passes
the gate and serves without a restart. Then a person approves a bad release, and audit labels take it back.
The demo ends with the timeline and the address of the dashboard.
"""

import argparse
import contextlib
import csv
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo_tables import FIRST_TABLES, prepare, sources
from demo_workspace import Clock, Demo, serving, wait

HOUR = timedelta(hours=1)
TEXTS_PER_HOUR = 52  # of each topic; watch.min_texts of a window are 50
CALM_HOURS = 24
TOPICS = ("movie", "tweet", "amazon", "nyt")
MIN_STEPS_OF_BAD = 50
AUDITED = 100  # labels of a topic
SHIFT_HOURS, SHIFTED = 12, "amazon"
# What somebody in a hurry writes into params.yaml.
NO_GATE = {"min_macro_f1": 0.0, "anchors": 0} | dict.fromkeys(
    ("forgetting_margin", "slice_margin", "ability_margin", "attack_margin"), 1.0
)


def main() -> None:
    """Run the demo in a new folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder for the workspace; it must not exist")
    # What is usual is learnt in whole days.
    midnight = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    demo = Demo(parser.parse_args().folder.resolve(), Clock(midnight))
    texts = prepare(demo)
    result = demo.command("run", "--reason", "the first model, trained on movie reviews and tweets")
    demo.log(f"{_summary(result)}: trained on movie reviews and tweets alone")
    with serving(demo):
        _live(demo, texts, hours=CALM_HOURS)
        _say_shares(demo, "nobody has labelled anything")
        demo.log(_summary(demo.command("run", "--reason", "corrections of volunteers", allowed=(0, 1))))
        _label(demo, most=AUDITED)
        _live(demo, texts, hours=1)
        _say_shares(demo, f"{AUDITED} audit labels a topic")
        _live(demo, texts, hours=SHIFT_HOURS, shifted=True, until=lambda summary: bool(summary["alerts"]))
        _retrain_on_all(demo)
        _approve_bad_release(demo)
        _live(demo, texts, hours=8, labels=True, until=lambda summary: bool(summary["rollback"]))
        _wait_for_champion(demo)
        _end(demo)


def _summary(result: dict[str, Any]) -> str:
    if "document" not in result:
        return f"rejected by the gate: {result['error'].partition(' See ')[0].partition('. ')[0]}"
    release = result["document"]
    low, high = release["intervals"]["macro_f1"]
    comparison = release["comparison"]
    macro_f1 = f"macro F1 {release['metrics']['macro_f1']:.3f} [{low:.3f}, {high:.3f}]"
    texts = f"{release['evaluation']['texts']} texts"
    gain = ""
    if comparison:
        difference = comparison["macro_f1"]["difference"]
        gain = f", {difference:+.3f} against {comparison['champion']} on the same texts"
    return f"{release['release']} in service (data {release['data_version']}, {macro_f1} on {texts}{gain})"


def _live(
    demo: Demo,
    texts: dict[str, Iterator[tuple[str, str]]],
    *,
    hours: int,
    shifted: bool = False,
    labels: bool = False,
    until: Callable[[dict[str, Any]], bool] | None = None,
) -> None:
    """Send traffic for some hours and watch; with `until`, watch every second hour and end when it is true.

    `shifted` drops five of six texts that are not negative in the topic SHIFTED; `labels` lets people label
    what was drawn, hour by hour.
    """
    for number in range(hours):
        for topic, traffic in texts.items():
            chosen = _shifted(traffic) if shifted and topic == SHIFTED else traffic
            _send_traffic(demo, topic, list(itertools.islice(chosen, TEXTS_PER_HOUR)))
        demo.clock.now += HOUR
        if number + 1 < hours and (until is None or number % 2 == 0):
            continue
        if labels:
            _watch(demo)  # draws
            _label(demo)
        summary = _watch(demo)
        if until and until(summary):
            break


def _watch(demo: Demo) -> dict[str, Any]:
    summary: dict[str, Any] = demo.command("watch", "--now", demo.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    for title in summary["alerts"]:
        demo.log(f"alert: {title}")
    if summary["rollback"]:
        demo.log(f"rolled back automatically: {summary['rollback']['reason']}")
    return summary


def _shifted(texts: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for number, (text, label) in enumerate(texts):
        if label == "negative" or number % 6 == 0:
            yield text, label


def _send_traffic(demo: Demo, topic: str, texts: Sequence[tuple[str, str]]) -> None:
    """Predict texts, and let volunteers correct what is wrong, as they do."""
    response = demo.post("/v1/predict", {"texts": [text for text, _ in texts], "topic": topic})
    for position, (prediction, (_, label)) in enumerate(zip(response["predictions"], texts, strict=True)):
        demo.truth[response["request"], position] = label
        if prediction["best"] != label and position % 2:
            demo.post("/v1/feedback", {"request": response["request"], "position": position, "label": label})


def _label(demo: Demo, *, most: int | None = None) -> None:
    """Label what was drawn, at most so many texts of a topic, as a person with a spreadsheet does."""
    table, done = demo.root / "to-label.csv", dict.fromkeys(TOPICS, 0)
    demo.command("labels", "export", "--out", str(table), "--force")
    if not table.exists():
        return
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        done[row["topic"]] += 1
        if most is None or done[row["topic"]] <= most:
            row["label"] = demo.truth[row["request"], int(row["position"])]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    demo.command("labels", "import", str(table), "--annotator", "ann")
    table.unlink()


def _say_shares(demo: Demo, when: str) -> None:
    """Log the share of `neutral` in each topic of the newest window, as it may be published."""
    demo.log(f"{when}; share of neutral:")
    for topic in TOPICS:
        points = demo.get(f"/v1/prevalence?topic={topic}")["points"]
        point = next(one for one in reversed(points) if one["label"] == "neutral")
        shown = f"not corrected: {point['reason']}"
        if point["low"] is not None:
            shown = f"{point['share']:.2f} [{point['low']:.2f}, {point['high']:.2f}], {point['method']}"
        demo.log(f"  {topic:<7}{shown} (raw {point['raw_share']:.2f})")


def _retrain_on_all(demo: Demo) -> None:
    """Train on the tables of all four topics, which are labelled now."""
    demo.change(collect={"sources": sources(*TOPICS)})
    demo.log(_summary(demo.command("run", "--reason", "all four topics are labelled now", allowed=(0, 1))))
    _wait_for_champion(demo)


def _approve_bad_release(demo: Demo) -> None:
    """Reverse the labels, as a mistake in a table does; a person approves what was trained on them.

    The test texts have the same mistake, and the person loosens the gate, which notices all the same, and
    lets through what the data version before shows: nine of ten labels have changed.
    """
    params = demo.params()
    labels = params["collect"]["labels"]
    tables = [source for source in sources(*FIRST_TABLES) if source["kind"] == "csv"]
    for source in tables:
        source["label_map"] = dict(zip(labels, labels[::-1], strict=True))
    demo.change(
        collect={"sources": tables},
        validate={"change": params["validate"]["change"] | {"stop": []}},
        finetune={"min_steps": MIN_STEPS_OF_BAD},
        gate={"approval": "human", **NO_GATE},
    )
    result = demo.command("run", "--reason", "new tables of labels, a looser gate", allowed=(0, 1))
    if not result.get("waiting"):
        raise SystemExit(
            f"The bad release does not wait for approval: {result.get('error') or _summary(result)}"
        )
    name = result["document"]["release"]
    demo.command(
        "release", "approve", name, "--actor", "someone in a hurry", "--reason", "the metrics look fine"
    )
    demo.log(f"a person approved {name}, trained on tables whose labels are reversed")
    _wait_for_champion(demo)


def _wait_for_champion(demo: Demo) -> None:
    champion = demo.command("release", "show")["release"]
    wait(lambda: demo.get("/v1/release")["release"] == champion, f"{champion} is not served")
    demo.log(f"the service predicts with {champion}, without a restart")


def _end(demo: Demo) -> None:
    print("\nTimeline:\n" + "\n".join(demo.timeline))
    print(f"\nDashboard: {demo.address}/   (sign in with {demo.root}/.tonewatch/local.key)")
    if sys.stdin.isatty():
        with contextlib.suppress(KeyboardInterrupt):
            input("Press Enter to stop the service. ")


if __name__ == "__main__":
    main()
