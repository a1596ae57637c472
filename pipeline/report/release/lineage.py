"""The data version and the lineage of a release, as the card shows them."""

import hashlib
from collections.abc import Mapping

from pipeline.base.documents import MoveRecord, ReleaseRecord
from pipeline.base.documents.card import CardApproval, CardData, CardLineage, CardSource
from pipeline.report.fields import get_path, pick


def data_card(release: ReleaseRecord, params: object) -> CardData:
    """Return the data version a release is trained on, and its sources as the params list them."""
    data = get_path(release, "data") or {}
    texts = data.get("sources") or {}
    sources = get_path(params, "collect", "sources") or ()
    return pick(
        CardData,
        data,
        version=release["data_version"],
        texts=data.get("rows"),
        sides=dict(data.get("sides") or {}),
        labels=dict(data.get("labels") or {}),
        languages=dict(data.get("languages") or {}),
        sources=[
            pick(CardSource, source, texts=texts.get(str(source.get("name"))))
            for source in sources
            if isinstance(source, Mapping)
        ],
        account=list(get_path(release, "account") or ()),
    )


def lineage_card(release: ReleaseRecord) -> CardLineage:
    """Return versions, digests, approvals and moves; a signature is named by its SHA-256."""
    signature = release.get("signature")
    return pick(
        CardLineage,
        release,
        # In full, a signature is as long as the card.
        signature=hashlib.sha256(signature.encode()).hexdigest() if signature else None,
        approvals=[pick(CardApproval, approval) for approval in get_path(release, "approvals") or ()],
        moves=[pick(MoveRecord, move) for move in get_path(release, "moves") or ()],
        files=dict(release.get("files") or {}),
    )
