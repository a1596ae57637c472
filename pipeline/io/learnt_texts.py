"""The texts that the champion learnt from: those of its data version that trained or selected it."""

from collections.abc import Iterator

from pipeline.base import logs
from pipeline.base.config import SplitConfig, Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import ConfigError, TonewatchError
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning.data_versions import stream_split

log = logs.get("split")


def stream_learnt_texts(workspace: Workspace) -> Iterator[str]:
    """Yield the training and validation texts of the champion; none where there is no champion.

    Where its data version can no longer be read a warning says so, and none are yielded. One batch of them is
    in memory.
    """
    champion = _champion(workspace)
    if champion is None:
        return
    version = champion["data_version"]
    try:
        # All of its files are exported and verified before the first text is read.
        for text, _ in stream_split(workspace.root, version, "train", "valid"):
            yield text
    except TonewatchError as error:
        log.warning("learnt_texts.unread", data_version=version, error=str(error))


def learnt_identity(workspace: Workspace, cfg: SplitConfig) -> str:
    """Return the data version whose texts the split must keep apart; empty where today's split is the same.

    With the settings of the champion's own split every text stays where it is.
    """
    champion = _champion(workspace)
    if champion is None:
        return ""
    try:
        same = parse_params(champion["params"]).split == cfg
    except ConfigError:
        same = False
    return "" if same else champion["data_version"]


def _champion(workspace: Workspace) -> ReleaseRecord | None:
    ledger = Ledger(workspace.ledger)
    name = ledger.champion()
    return ledger.get(name).record if name else None
