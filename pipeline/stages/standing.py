"""Whether a run would change anything at all: asked before a flow is started, which takes longer than the answer."""

from typing import Any

from pipeline.base.config import NEWEST
from pipeline.base.errors import TonewatchError
from pipeline.io import files
from pipeline.io.locks import held
from pipeline.io.versioning import data_versions
from pipeline.stages import STAGES, Setting, log, projections, run_stage
from pipeline.stages.judging import judged


def standing(at: Setting) -> dict[str, Any] | None:
    """Give the release in service when every stage is unchanged and it is what they led to; None when there is work to do."""
    with held(at.places.home):
        if at.params.data.version != NEWEST or projections.behind(at.places):
            return None
        run_stage(at, "identity")
        for stage in STAGES[1:]:
            if not at.memory.unchanged(stage.name):
                return None
            log.info("unchanged", stage=stage.name)
        return _in_service(at)


def _in_service(at: Setting) -> dict[str, Any] | None:
    fingerprint = files.read_receipt(at.folder("split")).notes["fingerprint"]
    kept = [version.name for version in data_versions.list_versions(at.places.root) if version.fingerprint == fingerprint]
    try:
        return judged(at.places, kept[0]) if kept else None
    except TonewatchError:
        # Something does not hold; the line will find out what, and say it.
        return None
