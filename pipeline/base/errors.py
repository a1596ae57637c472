"""What can go wrong, by what the caller can do about it.

    TonewatchError          exit code
    ├── Refusal             1   reached honestly: the data or the candidate is not good enough
    │   ├── DataRejected        a check of the data failed
    │   ├── CandidateRefused    the gate said no
    │   └── NothingToRollBack   there is no earlier release or data version
    ├── WrongUse            2   the person can mend it: a command, a key, a place
    │   ├── ConfigError         params.yaml or a profile
    │   └── NoWorkspace         not a workspace, or not under git and DVC
    └── Fault               3   the world: network, disk, another process
        ├── Unreachable         a store or a source does not answer now; worth another try
        │   └── SourceUnreachable
        ├── DigestMismatch      the bytes are not the ones that were pinned or recorded
        ├── ArtefactRefused     a file of a model is not plainly what its name says, or could run something
        ├── SignatureRefused    a model is not signed, or not by the key that must have signed it
        ├── RunGoingOn          another run holds the workspace
        └── StaleMove           somebody else moved the champion first

A message says what, where, and the next thing to type.
"""


class TonewatchError(Exception):
    """Stand at the top of every error we raise on purpose."""

    exit_code = 3


class Refusal(TonewatchError):
    """Say that the line did its work and the answer is no."""

    exit_code = 1


class DataRejected(Refusal):
    """Say that texts cannot be used as they are."""


class CandidateRejected(Refusal):
    """Say that the gate did not let a candidate through."""


class NothingToRollBack(Refusal):
    """Say that there is nothing earlier to go back to."""


class UsageError(TonewatchError):
    """Say that the call itself has to be changed."""

    exit_code = 2


class ConfigError(UsageError):
    """Name the key of params.yaml or of a profile that is wrong."""


class NotAWorkspace(UsageError):
    """Say that this folder is not a workspace."""


class Fault(TonewatchError):
    """Say that the world outside did not hold."""


class Unreachable(Fault):
    """Say that something outside does not answer now."""


class SourceUnreachable(Unreachable):
    """Say that a source cannot be read now."""


class DigestMismatch(Fault):
    """Say that bytes differ from what was pinned or recorded."""


class UnsafeModelFile(Fault):
    """Say that a file may not be part of a model."""


class InvalidSignature(Fault):
    """Say that a model is not signed as it must be."""


class WorkspaceBusy(Fault):
    """Say that another run holds the workspace."""


class ChampionChanged(Fault):
    """Say that the champion is no longer the one this move expected."""
