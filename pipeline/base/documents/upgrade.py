"""Bring stored documents of earlier versions to today's shape."""

from collections.abc import Mapping
from typing import Any, cast

from pipeline.base.documents.release import ReleaseRecord
from pipeline.base.documents.window import ChangePoint, WindowReport

SCHEMA = 2
RELEASE_KEYS = {"withdrawn": "previously_rolled_back", "parent": "teacher", "cost": "variant"}
CHECK_KEYS = {"missing": "shortfall"}
CHECK_NAMES = {"withdrawn": "rollback"}
FIGURE_KEYS = {
    "fall": "drop",
    "max_attack_fall": "max_attack_drop",
    "visible": "minimum_detectable",
}

# Until releases said where they were made, each workspace registered its models as `tonewatch`.
MADE_ANYWHERE = {"model": "tonewatch", "workspace": None, "host": None}

WINDOW_KEYS = {"answers": "predictions", "break": "model_change"}
TOPIC_KEYS = {"shares": "prevalence"}
CHANGE_POINT_KEYS = {"found": "detected"}


def upgrade_release(document: Mapping[str, Any]) -> ReleaseRecord:
    """Return a stored release record in today's shape; one that has it already is returned as it is.

    Version 1 has no `schema`, and early records of version 2 do not say where they were made. Keys that an
    older record lacks stay absent, and keys that a caller added stay.
    """
    if document.get("schema") == SCHEMA:
        complete = document.keys() >= MADE_ANYWHERE.keys()
        return cast(ReleaseRecord, document if complete else {**MADE_ANYWHERE, **document})
    release = {"schema": SCHEMA, **MADE_ANYWHERE, **_renamed(document, RELEASE_KEYS)}
    if decision := release.get("decision"):
        release["decision"] = _decision(decision)
    if variant := release.get("variant"):
        release["variant"] = _variant(variant)
    if menu := release.get("menu"):
        variants = [_variant(variant) for variant in menu.get("variants") or ()]
        release["menu"] = _renamed(menu, {"parent": "teacher"}) | {"variants": variants}
    if comparison := release.get("comparison"):
        release["comparison"] = _comparison(comparison)
    return cast(ReleaseRecord, release)


def upgrade_window(document: Mapping[str, Any]) -> WindowReport:
    """Return a stored window report in today's shape.

    Raises KeyError, TypeError, ValueError or AttributeError for a document that is no window report.
    """
    window = _renamed(document, WINDOW_KEYS)
    window["topics"] = {name: _topic(topic) for name, topic in document["topics"].items()}
    return cast(WindowReport, window)


def upgrade_change_point(document: Mapping[str, Any]) -> ChangePoint:
    """Return a stored change point in today's shape; where it does not say what showed it, that is itself."""
    point = {"detected": document["time"], **_renamed(document, CHANGE_POINT_KEYS)}
    return cast(ChangePoint, point)


def _topic(topic: Mapping[str, Any]) -> dict[str, Any]:
    upgraded = _renamed(topic, TOPIC_KEYS)
    # Until shares were corrected by audit labels, they were by the confusion on the test texts.
    if prevalence := upgraded.get("prevalence"):
        upgraded["prevalence"] = {label: _entry(entry) for label, entry in prevalence.items()}
    return upgraded


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    method = "confusion" if entry["corrected"] else "none"
    return {"mean_probability": None, "method": method, "labels": 0, **entry}


def _renamed(document: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    return {keys.get(key, key): value for key, value in document.items()}


def _decision(decision: Mapping[str, Any]) -> dict[str, Any]:
    upgraded = _renamed(decision, {"parts": "checks"})
    return upgraded | {"checks": [_check(check) for check in upgraded.get("checks") or ()]}


def _check(check: Mapping[str, Any]) -> dict[str, Any]:
    name = check.get("name", "")
    figures = _renamed(check.get("figures") or {}, FIGURE_KEYS)
    return (
        {"shortfall": None, "unit": ""}
        | _renamed(check, CHECK_KEYS)
        | {
            "name": CHECK_NAMES.get(name, name),
            "figures": figures,
        }
    )


def _variant(variant: Mapping[str, Any]) -> dict[str, Any]:
    upgraded = _renamed(variant, {"macro_f1_fall": "macro_f1_drop"})
    if worst := upgraded.get("worst_slice"):
        upgraded["worst_slice"] = _renamed(worst, {"fall": "drop"})
    return upgraded


def _comparison(comparison: Mapping[str, Any]) -> dict[str, Any]:
    if "macro_f1" not in comparison:
        return _bounds_only(comparison)
    upgraded = dict(comparison)
    upgraded["macro_f1"] = _difference(comparison["macro_f1"])
    for tests in ("slices", "forgetting"):
        upgraded[tests] = [_difference(row) for row in comparison.get(tests) or ()]
    if changed := comparison.get("changed"):
        upgraded["changed"] = _renamed(changed, {"mended": "fixed"})
    return upgraded


def _difference(row: Mapping[str, Any]) -> dict[str, Any]:
    return _renamed(row, {"visible": "minimum_detectable"})


def _bounds_only(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Upgrade a comparison without slices; each of its bounds held alone with its confidence."""
    champion, difference = comparison["champion_macro_f1"], comparison["difference"]
    return {
        "champion": comparison["champion"],
        "texts": comparison["texts"],
        "confidence": 2 * comparison["confidence"] - 1,
        "macro_f1": {
            "candidate": champion + difference,
            "champion": champion,
            **{name: comparison[name] for name in ("difference", "low", "high")},
        },
    }
