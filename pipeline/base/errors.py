"""The errors of Tonewatch, by what the caller can do about them.

    TonewatchError              exit code
    ├── Refusal                 1   a valid outcome: the data or the candidate is not good enough
    │   ├── DataRejected            a check of the data failed
    │   ├── TrainingDiverged        the loss of a training is not finite
    │   ├── CandidateRejected       the gate refused the candidate
    │   └── NothingToRollBack       there is no earlier release or data version
    ├── UsageError              2   the user can correct it: a command, a key, a folder
    │   ├── ConfigError             params.yaml or a profile
    │   └── NotAWorkspace           not a workspace, or not under git and DVC
    └── Fault                   3   the environment: network, disk, another process
        ├── Unreachable             a store or a source does not respond; try again
        │   └── SourceUnreachable
        ├── DigestMismatch          bytes differ from what is pinned or recorded
        ├── UnsafeModelFile         a model file has the wrong type or could run code
        ├── InvalidSignature        a model is not signed, or not by the required key
        ├── WorkspaceBusy           another run holds the workspace
        └── ChampionChanged         another process moved the champion first

A message says what is wrong, where, and what to type next.
"""

from pipeline.base.secrets import scrub


class TonewatchError(Exception):
    """The base of every error that is raised on purpose; its message holds no secret."""

    exit_code = 3

    def __init__(self, message: str = "") -> None:
        super().__init__(scrub(message))


class Refusal(TonewatchError):
    """A valid negative outcome."""

    exit_code = 1


class DataRejected(Refusal):
    """The texts cannot be used as they are."""


class TrainingDiverged(Refusal):
    """The loss of a training is not finite."""


class CandidateRejected(Refusal):
    """The gate refused a candidate."""


class NothingToRollBack(Refusal):
    """There is no earlier release or data version."""


class UsageError(TonewatchError):
    """The call itself is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A key of params.yaml or of a profile is wrong."""


class NotAWorkspace(UsageError):
    """The folder is not a workspace."""


class Fault(TonewatchError):
    """The environment failed."""


class Unreachable(Fault):
    """An external service does not respond."""


class SourceUnreachable(Unreachable):
    """A source cannot be read now."""


class DigestMismatch(Fault):
    """Bytes differ from what is pinned or recorded."""


class UnsafeModelFile(Fault):
    """A file must not be part of a model."""


class InvalidSignature(Fault):
    """A model is not signed as required."""


class WorkspaceBusy(Fault):
    """Another run holds the workspace."""


class ChampionChanged(Fault):
    """The champion is no longer the one this move expected."""
