"""A signature is valid for exactly the signed files and exactly one key."""

import json
import shutil
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from pathlib import Path

import keypairs
import pytest
import toy
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from pipeline.base.errors import InvalidSignature, UsageError
from pipeline.io.security.signing import check_signature, sign

NAMES = ["golden.json", "model.json", "model.onnx", "tokenizer.json"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return keypairs.key(tmp_path_factory.mktemp("keys"), "ours")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy.candidate(tmp_path / "candidate", {"fine": "positive", "dull": "negative"})
    return tmp_path / "candidate"


def test_a_signature_is_valid_for_the_signed_files(folder: Path, keys: tuple[Path, Path]) -> None:
    check_signature(folder, NAMES, sign(folder, NAMES, keys[0]), keys[1])


def test_the_command_line_of_model_signing_accepts_it(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "model.sig").write_text(sign(folder, NAMES, keys[0]))
    for name in ("menu.json", "receipt.json"):
        (folder / name).unlink()
    command = [sys.executable, "-m", "model_signing", "verify", "key", "--public_key", str(keys[1])]

    ran = subprocess.run(
        [*command, "--signature", str(tmp_path / "model.sig"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, "succeeded" in ran.stdout) == (0, True), ran.stderr


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap_tokenizer(folder: Path) -> None:
    toy.candidate(folder.with_name("other"), {"dull": "positive", "fine": "negative"})
    shutil.copyfile(folder.with_name("other") / "tokenizer.json", folder / "tokenizer.json")


def test_each_way_to_tamper_with_files_has_its_own_message(folder: Path, keys: tuple[Path, Path]) -> None:
    text = sign(folder, NAMES, keys[0])
    for tamper, names, why in (
        (
            lambda: flip_bit(folder / "model.onnx"),
            NAMES,
            r"model\.onnx differs from the signed file: SHA-256 \w{12}, signed \w{12}",
        ),
        (lambda: swap_tokenizer(folder), NAMES, r"tokenizer\.json differs from the signed file"),
        (
            lambda: (folder / "extra.json").write_text("{}"),
            [*NAMES, "extra.json"],
            r"extra\.json is not signed",
        ),
        (lambda: (folder / "golden.json").unlink(), NAMES, r"golden\.json is signed but missing"),
        (lambda: None, NAMES[1:], r"golden\.json is signed but missing"),
    ):
        shutil.copytree(folder, folder.with_name("whole"))
        tamper()
        with pytest.raises(InvalidSignature, match=why):
            check_signature(folder, names, text, keys[1])
        shutil.rmtree(folder)
        folder.with_name("whole").rename(folder)


def test_another_key_is_rejected_by_its_fingerprint(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    theirs, _ = keypairs.key(tmp_path, "theirs")

    with pytest.raises(
        InvalidSignature, match=r"signed with another key \(\w{12}\), not with .*ours\.pub \(\w{12}\)"
    ):
        check_signature(folder, NAMES, sign(folder, NAMES, theirs), keys[1])


def test_a_forged_or_broken_signature_is_rejected(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    ours, theirs = (
        json.loads(sign(folder, NAMES, private)) for private in (keys[0], keypairs.key(tmp_path, "theirs")[0])
    )
    theirs["verificationMaterial"] = ours["verificationMaterial"]  # claims to be ours
    edited = json.loads(json.dumps(ours))
    statement = b64decode(edited["dsseEnvelope"]["payload"]).replace(b"golden.json", b"silver.json")
    edited["dsseEnvelope"]["payload"] = b64encode(statement).decode()

    for forged in (theirs, edited):
        with pytest.raises(InvalidSignature, match="was modified, or was not made with"):
            check_signature(folder, NAMES, json.dumps(forged), keys[1])
    for broken in (
        "",
        "{}",
        "[]",
        "null",
        json.dumps({**ours, "verificationMaterial": {}}),
        "x" * 1000,
        "[" * 100_000,
    ):
        with pytest.raises(InvalidSignature, match="signature is unreadable"):
            check_signature(folder, NAMES, broken, keys[1])


def test_an_unusable_key_is_named_with_its_setting(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    text, made = sign(folder, NAMES, keys[0]), ec.generate_private_key(ec.SECP256R1())
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    foreign, _ = keypairs.key(tmp_path, "rsa", rsa.generate_private_key(65537, 2048))
    odd, _ = keypairs.key(tmp_path, "odd", ec.generate_private_key(ec.SECP256K1()))

    for private in (keys[1], locked, foreign, odd):
        with pytest.raises(
            UsageError, match=f"{private.name} is not a private elliptic-curve key.*TONEWATCH_SIGNING_KEY"
        ):
            sign(folder, NAMES, private)
    with pytest.raises(
        UsageError, match=r"ours\.pem is not a public elliptic-curve key.*TONEWATCH_VERIFY_KEY"
    ):
        check_signature(folder, NAMES, text, keys[0])
    with pytest.raises(UsageError, match=r"nowhere\.pub is unreadable: No such file"):
        check_signature(folder, NAMES, text, tmp_path / "nowhere.pub")


def test_half_a_gigabyte_is_checked_in_two_seconds(keys: tuple[Path, Path], tmp_path: Path) -> None:
    with (tmp_path / "model.onnx").open("wb") as file:
        file.truncate(500_000_000)
    text = sign(tmp_path, ["model.onnx"], keys[0])

    start = time.process_time()
    check_signature(tmp_path, ["model.onnx"], text, keys[1])

    assert time.process_time() - start < 2
