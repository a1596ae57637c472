"""Labels that were given to texts of the service: by clients and by people of ours, one a text."""

from pipeline.base.config import CollectConfig, Workspace
from pipeline.base.digests import text_digest
from pipeline.base.records import TextRecord
from pipeline.io import parquet
from pipeline.io.sources.audit import read_audit
from pipeline.io.sources.feedback import read_feedback


def read_volunteered(workspace: Workspace, cfg: CollectConfig) -> list[TextRecord]:
    """Return the texts of feedback; of one text the audit label counts, and disputed ones have none."""
    if cfg.feedback is None:
        return []
    records = read_feedback(workspace.journal, cfg.feedback, cfg)
    if cfg.audit is None:
        return records
    audited = read_audit(workspace.journal, cfg.audit, cfg).texts
    return [record for record in records if text_digest(record.text) not in audited]


def count_new_labels(workspace: Workspace, cfg: CollectConfig) -> int:
    """Count the labelled texts that the collected data in the work tree lack, or hold with another label."""
    labelled = {record.id: record.label for record in read_volunteered(workspace, cfg)}
    if cfg.audit is not None:
        audited = read_audit(workspace.journal, cfg.audit, cfg).records
        labelled |= {record.id: record.label for record in audited}
    raw = workspace.root / "data" / "raw" / "texts.parquet"
    for key, label in parquet.stream_rows(raw, "id", "label") if labelled and raw.is_file() else ():
        if labelled.get(key) == label:
            del labelled[key]
    return len(labelled)
