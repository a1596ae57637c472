"""The audit queue as text for people."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.cli.tables import table

if TYPE_CHECKING:
    from pipeline.monitoring.audit_labels import AuditStatus

COLUMNS = ("topic", "drawn", "labels", "needed", "waiting")


def status(document: "AuditStatus") -> str:
    """Write how far each topic is, how far people agree, and what to do next."""
    parts = []
    if document["topics"]:
        rows = [tuple(str(topic[name]) for name in COLUMNS) for topic in document["topics"]]  # type: ignore[literal-required]
        parts.append(table(rows, header=COLUMNS))
    if found := document["agreement"]:
        kappa = "" if found["kappa"] is None else f", Cohen's kappa {found['kappa']:.2f}"
        parts.append(
            f"Two people agree on {found['share']:.0%} of {found['texts']:,} texts "
            f"({found['low']:.0%} to {found['high']:.0%}){kappa}."
        )
    return "\n".join([*parts, *document["sentences"]])


def queue(texts: Sequence[Mapping[str, object]]) -> str:
    """Write the texts that wait, one a row, as `labels export` names them."""
    if not texts:
        return "No text waits for your label. `tonewatch labels status` says what is drawn."
    rows = [(f"{one['request']}/{one['position']}", str(one["topic"]), str(one["text"])) for one in texts]
    return table(rows, header=("prediction", "topic", "text"))
