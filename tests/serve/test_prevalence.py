"""The route /v1/prevalence over real window reports: which rows it gives, as JSON and as CSV."""

import csv
import io
import json
from collections.abc import Iterator

import pytest
import running_service
import window_fixtures
from running_service import RunningService

WINDOWS = 12
FIRST, LAST = "2026-11-24T20:00:00Z", "2026-11-25T07:00:00Z"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Serve a workspace with twelve hourly windows, the newest one not corrected in topic phones."""
    workspace = running_service.make_workspace(tmp_path_factory.mktemp("prevalence") / "w")
    window_fixtures.write(workspace.windows, windows=WINDOWS)
    newest = max(workspace.windows.glob("2*.json"))
    document = json.loads(newest.read_text("utf-8"))
    for entry in document["topics"]["phones"]["prevalence"].values():
        entry |= {"corrected": False, "method": "none", "labels": 3, "low": 0.0, "high": 1.0}
        entry |= {"share": entry["raw"], "why": "it has 3 audit labels, 50 are needed"}
    newest.write_text(json.dumps(document), "utf-8")
    with running_service.running(workspace) as found:
        yield found


def get(service: RunningService, **query: str) -> tuple[int, dict[str, object], str]:
    headers = running_service.client_headers(service.workspace)
    answer = service.client.get("/v1/prevalence", params=query, headers=headers)
    is_json = answer.headers["content-type"].startswith("application/json")
    return answer.status_code, answer.json() if is_json else {}, answer.text


def test_each_window_has_a_row_for_each_label(service: RunningService) -> None:
    status, body, _ = get(service)

    assert (status, body["topic"], body["complete"]) == (200, "all", True)
    points = body["points"]
    assert isinstance(points, list)
    # One window in the night has no predictions.
    assert len(points) == 3 * (WINDOWS - 1)
    assert (points[0]["start"], points[-1]["start"]) == (FIRST, LAST)
    assert points[0]["low"] < points[0]["share"] < points[0]["high"]
    assert (points[0]["method"], points[0]["labels_used"], points[0]["reason"]) == ("ppi", 120, None)


def test_a_share_that_is_not_corrected_has_a_reason_and_no_interval(service: RunningService) -> None:
    _, body, _ = get(service, topic="phones", since=LAST)

    for point in body["points"]:  # type: ignore[attr-defined]
        assert (point["method"], point["low"], point["high"]) == ("none", None, None)
        assert point["share"] == point["raw_share"]
        assert point["reason"] == "it has 3 audit labels, 50 are needed"


def test_csv_holds_the_same_rows(service: RunningService) -> None:
    _, body, _ = get(service, topic="phones")
    status, _, text = get(service, topic="phones", format="csv")

    rows = list(csv.DictReader(io.StringIO(text)))
    assert status == 200
    assert len(rows) == len(body["points"])  # type: ignore[arg-type]
    point = body["points"][0]  # type: ignore[index]
    assert float(rows[0]["share"]) == point["share"]
    assert (rows[-1]["low"], rows[-1]["reason"]) == ("", "it has 3 audit labels, 50 are needed")


def test_since_and_until_choose_windows_by_their_start(service: RunningService) -> None:
    _, body, _ = get(service, since="2026-11-25T00:00:00+02:00", until=LAST)

    starts = {point["start"] for point in body["points"]}  # type: ignore[attr-defined]
    assert (min(starts), max(starts)) == ("2026-11-24T22:00:00Z", "2026-11-25T06:00:00Z")


def test_a_time_span_without_windows_is_empty_and_an_unknown_topic_is_404(service: RunningService) -> None:
    assert get(service, since="2030-01-01T00:00:00Z")[:2] == (
        200,
        {"topic": "all", "complete": True, "points": []},
    )
    status, body, _ = get(service, topic="nobody")
    assert (status, body["error"]) == (
        404,
        "No window has a prevalence of this topic. Topic `all` holds all texts.",
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [({"since": "yesterday"}, "since"), ({"topic": "a b"}, "topic"), ({"format": "xml"}, "format")],
)
def test_a_bad_query_is_rejected_with_its_field(
    service: RunningService, query: dict[str, str], field: str
) -> None:
    status, body, _ = get(service, **query)

    assert status == 422
    assert str(body["error"]).startswith(f"{field}: ")


def test_the_first_and_the_last_time_of_all_are_times(service: RunningService) -> None:
    query = {"since": "0001-01-01T00:00:00+23:59", "until": "9999-12-31T23:59:59-23:59"}

    assert len(get(service, **query)[1]["points"]) == 3 * (WINDOWS - 1)  # type: ignore[arg-type]


def test_a_damaged_window_costs_its_own_rows_only(service: RunningService) -> None:
    damaged = service.workspace.windows / "2026-11-24T19-00-00Z.json"
    damaged.write_text('{"window": 3}', "utf-8")
    try:
        assert get(service)[0] == 200
    finally:
        damaged.unlink()


def test_windows_of_earlier_versions_say_that_they_were_corrected_by_the_confusion(
    service: RunningService,
) -> None:
    oldest = min(service.workspace.windows.glob("2*.json"))
    today = oldest.read_text("utf-8")
    window_fixtures.downgrade(oldest)
    try:
        _, body, _ = get(service, until="2026-11-24T21:00:00Z")
    finally:
        oldest.write_text(today, "utf-8")

    assert {(point["method"], point["mean_probability"]) for point in body["points"]} == {  # type: ignore[attr-defined]
        ("confusion", None)
    }
