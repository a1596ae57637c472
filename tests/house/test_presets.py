"""What `tonewatch init` writes is what the checkout itself runs on."""

from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["dvc.yaml", "params.yaml"])
def test_the_template_of_a_workspace_equals_the_checkouts_own_file(root: Path, name: str) -> None:
    assert (root / "pipeline" / "presets" / name).read_bytes() == (root / name).read_bytes()
