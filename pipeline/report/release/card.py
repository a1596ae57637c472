"""The card of a release: what was compared, decided and measured, and what it is for, as plain values.

Page, Markdown and JSON are all drawn from it. Every value is taken by its name, so that nothing else of a document, and no
text that people wrote, can come along; what an older document does not hold is None or empty.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from pipeline.report.fields import get_path, pick
from pipeline.report.release import comparison as versus
from pipeline.report.release import intended_use

VARIANT = (
    *(
        "name",
        "parameters",
        "megabytes",
        "macro_f1",
        "macro_f1_fall",
        "worst_slice",
        "agreement",
        "p50_ms",
        "p95_ms",
    ),
    *("p50_ms_32", "p95_ms_32", "texts_per_second", "fits", "reason", "pareto"),
)
MOVE = ("sequence", "from", "to", "actor", "reason", "time")


def build_card(document: Mapping[str, Any]) -> dict[str, Any]:
    """Gather what a reader must know of one release from its document in the ledger."""
    params = _params(document)
    evaluation = document["evaluation"]
    menu = _menu(document.get("menu"))
    found = {
        **pick(document, "release", "created", "actor", "reason", "in_service"),
        "verdict": verdict(document),
        "decision": _decision(document["decision"]),
        "comparison": versus.comparison_card(
            document.get("comparison"), rule=get_path(params, "gate", "against_champion")
        ),
        "figures": _figures(evaluation, params),
        "labels": _labels(evaluation),
        "slices": _slices(evaluation),
        "confusion": [list(row) for row in evaluation["confusion"]],
        "calibration": _calibration(evaluation["calibration"], params),
        "behaviour": _behaviour(evaluation.get("behaviour") or {}, params),
        "attack": _attack(evaluation.get("attack"), params),
        "human": _human(evaluation.get("human")),
        "menu": menu,
        "cost": pick(document["cost"], *VARIANT) if document.get("cost") else None,
        "thresholds": dict(document.get("thresholds") or {}),
        "checks": [pick(check, "name", "passed", "sentence") for check in document.get("checks") or ()],
        "data": _data(document, params),
        "lineage": _lineage(document),
    }
    return {
        **found,
        "compared": _compared(document, found),
        "use": intended_use.uses(found, params),
        "limits": intended_use.limits(found, params),
    }


def verdict(document: Mapping[str, Any]) -> str:
    """Say in one word where a candidate stands: accepted, refused, or waiting for a person."""
    if not document["decision"]["accepted"]:
        return "refused"
    served = any(
        document.get("release") in (move.get("from"), move.get("to")) for move in document.get("moves") or ()
    )
    return (
        "waiting"
        if document.get("approval") == "human" and not document.get("approvals") and not served
        else "accepted"
    )


def gate_limit(parts: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Find a limit of the gate among the figures it recorded."""
    return next((part["figures"][name] for part in parts if name in part["figures"]), None)


def _params(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read the params the release was made with, whatever the params of today say."""
    try:
        # libyaml's reader, where it is there, is ten times as quick as the one in Python, and as safe.
        found = yaml.load(document.get("params") or "", Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _compared(document: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    comparison, chosen = found["comparison"], found["cost"] or {}
    return {
        "candidate": document["release"],
        **pick(document, "model_version", "data_version"),
        "variant": chosen.get("name"),
        "champion": comparison["champion"] if comparison else document.get("champion"),
        "texts": (comparison and comparison["texts"]) or document["evaluation"]["texts"],
    }


def _decision(decision: Mapping[str, Any]) -> dict[str, Any]:
    parts = [
        {
            **pick(part, "name", "passed", "sentence", "missing", "unit"),
            "figures": dict(part.get("figures") or {}),
        }
        for part in decision.get("parts") or ()
    ]
    return {
        "accepted": decision["accepted"],
        "failed": [part["name"] for part in parts if not part["passed"]],
        "parts": parts,
        "reasons": list(decision.get("reasons") or ()),
    }


def _figures(evaluation: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_scores(evaluation),
        "texts": evaluation["texts"],
        "confidence": get_path(params, "evaluate", "confidence"),
        "baselines": [
            {"name": name, **_scores(found)} for name, found in (evaluation.get("baselines") or {}).items()
        ],
    }


def _scores(found: Mapping[str, Any]) -> dict[str, Any]:
    intervals = found.get("intervals") or {}
    return {
        **pick(found, "macro_f1", "accuracy"),
        "intervals": {
            name: list(intervals[name]) for name in ("macro_f1", "accuracy") if intervals.get(name)
        },
        "per_source": {
            name: pick(row, "macro_f1", "accuracy", "texts")
            for name, row in (found.get("per_source") or {}).items()
        },
    }


def _labels(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = evaluation["per_class"]
    return [
        {"label": name, **pick(rows[name], "f1", "precision", "recall", "texts")}
        for name in evaluation["labels"]
    ]


def _slices(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the slices; a document from before there were any has its sources."""
    found = evaluation.get("slices") or {
        f"source={name}": row for name, row in evaluation["per_source"].items()
    }
    return [{"name": name, **pick(row, "macro_f1", "accuracy", "texts")} for name, row in found.items()]


def _calibration(found: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    bins = [pick(entry, "low", "high", "confidence", "accuracy", "texts") for entry in found["bins"]]
    return {
        **pick(found, "ece", "adaptive_ece", "brier", "temperature"),
        "allowed": get_path(params, "gate", "max_calibration_error"),
        "bins": bins,
    }


def _behaviour(found: Mapping[str, Any], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    needed = get_path(params, "gate", "abilities") or {}
    return [
        {"ability": name, **pick(row, "kind", "cases", "passed", "pass_rate"), "needed": needed.get(name)}
        for name, row in found.items()
    ]


def _attack(found: Mapping[str, Any] | None, params: Mapping[str, Any]) -> dict[str, Any] | None:
    if not found:
        return None
    names = ("texts", "edits", "tries", "macro_f1_before", "macro_f1_after", "fall")
    return {**pick(found, *names), "allowed": get_path(params, "gate", "max_attack_fall")}


def _human(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None

    def three(row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            who: pick(row.get(who) or {}, "accuracy", "macro_f1")
            for who in ("one_rater", "ceiling", "candidate")
        }

    return {
        "texts": found.get("texts"),
        **three(found),
        "per_source": {name: three(row) for name, row in (found.get("per_source") or {}).items()},
    }


def _menu(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    return {
        **pick(found, "chosen", "threads"),
        "reasons": list(found.get("reasons") or ()),
        "parent": pick(found.get("parent") or {}, "macro_f1", "parameters", "megabytes"),
        "variants": [pick(variant, *VARIANT) for variant in found.get("variants") or ()],
    }


def _data(document: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    kept = document.get("data") or {}
    texts = kept.get("sources") or {}
    return {
        "version": document["data_version"],
        "fingerprint": kept.get("fingerprint"),
        "texts": kept.get("rows"),
        **{name: dict(kept.get(name) or {}) for name in ("sides", "labels", "languages")},
        "sources": [
            _source(source, texts)
            for source in get_path(params, "collect", "sources") or ()
            if isinstance(source, Mapping)
        ],
    }


def _source(source: Mapping[str, Any], texts: Mapping[str, int]) -> dict[str, Any]:
    # The path of a file of one's own stays at home: it may name a person or a customer.
    found = pick(source, "name", "kind", "project", "licence", "lang")
    return {**found, "texts": texts.get(str(source.get("name")))}


def _lineage(document: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        "data_version",
        "model_version",
        "code_commit",
        "params_digest",
        "identity",
        "parent",
        "champion",
        "approval",
    )
    return {
        **pick(document, *names),
        "signature": _digest(document.get("signature")),
        "approvals": [pick(entry, "actor", "reason", "time") for entry in document.get("approvals") or ()],
        "moves": [pick(move, *MOVE) for move in document.get("moves") or ()],
        "files": dict(document.get("files") or {}),
    }


def _digest(signature: str | None) -> str | None:
    """Name a signature by its SHA-256: whole, it is as long as the card."""
    return hashlib.sha256(signature.encode()).hexdigest() if signature else None
