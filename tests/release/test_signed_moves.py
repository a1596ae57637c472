"""With a verification key configured, only releases signed with its private key move and serve."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keypairs
import pytest
import world

from pipeline.base.config import Workspace
from pipeline.base.errors import InvalidSignature, TonewatchError
from pipeline.inference.predict import predict
from pipeline.release import promote, verify

USES: tuple[Callable[[Workspace], object], ...] = (
    lambda places: predict(places, ["word1"]),
    lambda places: promote.rollback(places, to=None, **world.WHO),
    lambda places: promote.promote(places, "R1", **world.WHO),
    lambda places: verify.verify_releases(places, "R2"),
)


def test_the_paths_of_the_keys_come_from_the_environment(tmp_path: Path) -> None:
    workspace = Workspace.of(
        tmp_path, {"TONEWATCH_SIGNING_KEY": "/keys/ours.pem", "TONEWATCH_VERIFY_KEY": "ours.pub"}
    )

    assert (workspace.signing_key, workspace.verify_key) == (Path("/keys/ours.pem"), tmp_path / "ours.pub")
    assert Workspace.of(tmp_path, {"TONEWATCH_SIGNING_KEY": ""}).signing_key is None


def test_only_releases_signed_with_the_right_key_move_and_serve(tmp_path: Path, mlflow_uri: str) -> None:
    private, public = keypairs.key(tmp_path, "ours")
    ours = replace(world.build(tmp_path, mlflow_uri), signing_key=private, verify_key=public)
    world.serve(ours, wrong=10)
    signed = world.serve(ours, wrong=20)
    theirs = replace(ours, verify_key=keypairs.key(tmp_path, "theirs")[1])

    for use in USES:
        with pytest.raises(
            TonewatchError, match=r"R[12] cannot be used: The model is signed with another key"
        ):
            use(theirs)
    assert world.in_service(ours) == ("R2", {"champion": "2", "previous": "1"})

    assert signed["signature"]
    assert predict(ours, ["word1"]).release == "R2"
    assert promote.rollback(ours, to=None, **world.WHO).move.target == "R1"


def test_an_unsigned_release_is_judged_and_signed_again_once_there_is_a_key(
    tmp_path: Path, mlflow_uri: str
) -> None:
    unsigned = world.build(tmp_path, mlflow_uri)
    private, public = keypairs.key(tmp_path, "ours")
    ours = replace(unsigned, signing_key=private, verify_key=public)
    first = world.judged(unsigned, wrong=10)

    with pytest.raises(
        InvalidSignature, match="R1 is not signed, but TONEWATCH_VERIFY_KEY requires a signature"
    ):
        promote.release(ours, first, **world.WHO)

    again = world.serve(ours, wrong=10)
    assert (first["signature"], again["release"], again["model_version"]) == (
        None,
        "R2",
        first["model_version"],
    )
    assert world.in_service(ours) == ("R2", {"champion": "1"})
