"""When a stage runs: what is unchanged is skipped, pinned data stay, and nothing is recorded that did not run."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.base.config import NEWEST, Places, load_params, set_params
from pipeline.base.errors import WrongUse
from pipeline.base.records import Receipt
from pipeline.io import files
from pipeline.io.locks import held
from pipeline.stages import Setting, log, run_stage

ALWAYS = ("identity",)
OF_THE_DATA = ("collect", "clean", "validate", "split")


@dataclass(frozen=True)
class Done:
    """Say how a stage ended: its receipt, and whether it ran or was found unchanged."""

    receipt: Receipt
    ran: bool


def perform(at: Setting, name: str) -> Done:
    """Run a stage unless it ran before on what it depends on, and remember that it ran."""
    if name in OF_THE_DATA and at.params.data.version != NEWEST:
        log.info("pinned", stage=name, data_version=at.params.data.version)
    elif name in ALWAYS or not (at.memory.unchanged(name) or at.memory.restored(name)):
        receipt = run_stage(at, name)
        unedited(at)
        at.memory.commit(name)
        return Done(receipt, ran=name not in ALWAYS)
    else:
        log.info("unchanged", stage=name)
    return Done(files.read_receipt(at.folder(name)), ran=False)


def stand(at: Setting) -> None:
    """Make the work tree's data those of the version that `data.version` pins, if it pins one."""
    from pipeline.io.versioning import data_versions

    if at.params.data.version == NEWEST:
        return
    version = data_versions.stand_on(at.places.root, at.params.data.version)
    if foreign := sorted(set(version.labels) - set(at.params.collect.labels)):
        raise WrongUse(
            f"{version.name} holds texts labelled {', '.join(foreign)}, which collect.labels does not name. "
            f"Name them there, or type `tonewatch run --set data.version={NEWEST}`."
        )


def unedited(at: Setting) -> None:
    """Raise WrongUse when params.yaml is no longer what this run was started with: DVC would record what did not run."""
    if load_params(at.places.params) != at.params:
        raise WrongUse(f"{at.places.params} was changed during the run. What had finished is kept; type `tonewatch run` again.")


def by_hand(at: Setting, name: str) -> Receipt:
    """Run one stage as `tonewatch stage` does; `dvc repro` comes in here.

    Raises WrongUse for a stage of the data while `data.version` pins one: it would put other texts in its place.
    """
    if name in OF_THE_DATA and at.params.data.version != NEWEST:
        raise WrongUse(
            f"data.version pins {at.params.data.version}, so `{name}` would change what should stay. "
            f"Type `tonewatch run --set data.version={NEWEST}` to collect again."
        )
    with held(at.places.home):
        return run_stage(at, name)


def change_params(places: Places, assignments: Sequence[str]) -> list[str]:
    """Write values into params.yaml, all or none, while nothing runs; give a sentence for each.

    A move that was killed half-way is finished first: it may still have to put its own params there.
    """
    from pipeline.stages.releases import heal

    with held(places.home):
        heal(places)
        return set_params(places.params, assignments)
