"""Whose a model is: a signature over the SHA-256 of its files, made with an elliptic-curve key, in the form of OpenSSF Model Signing.

Any tool that knows that form can check it. Keys are PEM files; no server is asked for anything.
"""

import base64
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.base.errors import InvalidSignature as SignatureRefused
from pipeline.base.errors import UsageError
from pipeline.io import files

CURVES = ("secp256r1", "secp384r1", "secp521r1")  # those that Model Signing knows
SHOWN = 12
PLACES = "Look at TONEWATCH_SIGNING_KEY and TONEWATCH_VERIFY_KEY."


def sign(folder: Path, names: Sequence[str], key: Path) -> str:
    """Sign these files of a folder with a private key; gives the signature as text, another one each time.

    Raises WrongUse when the key cannot sign.
    """
    from model_signing.signing import Config

    _public_half(key, private=True)
    with tempfile.TemporaryDirectory(prefix="tonewatch-signing-") as staging:
        written = Path(staging) / "model.sig"
        Config().use_elliptic_key_signer(private_key=key).set_hashing_config(_hashing(names)).sign(
            folder, written
        )
        return written.read_text("utf-8")


def check_signature(folder: Path, names: Sequence[str], signature: str, key: Path) -> None:
    """Check that a signature is by the owner of this public key and over exactly these files, as they are in the folder.

    Raises SignatureRefused with what does not hold, WrongUse when the key cannot check.
    """
    from cryptography.exceptions import InvalidSignature
    from model_signing.verifying import Config

    owner = _fingerprint(_public_half(key, private=False))
    signer, signed = _stated(signature)
    if signer != owner:
        raise SignatureRefused(
            f"The model is signed with another key ({signer[:SHOWN]}) than {key} ({owner[:SHOWN]})."
        )
    with tempfile.TemporaryDirectory(prefix="tonewatch-signing-") as staging:
        written = Path(staging) / "model.sig"
        written.write_text(signature, "utf-8")
        try:
            Config().use_elliptic_key_verifier(public_key=key).set_hashing_config(_hashing(names)).verify(
                folder, written
            )
        except InvalidSignature as error:
            raise SignatureRefused(
                f"The signature was changed after it was made, or was not made with {key}."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            # The key did sign; it is the files that differ, or something that is no list of files.
            raise SignatureRefused(_difference(folder, names, signed)) from error


def key_fingerprint(key: Path) -> str:
    """Name the owner of a private key, as the signatures made with it do.

    Raises WrongUse when the key cannot sign.
    """
    return _fingerprint(_public_half(key, private=True))


def _hashing(names: Sequence[str]) -> Any:
    """Give a hashing that covers these files and no others, whatever a signature says should be left out."""
    from model_signing.hashing import Config

    class Named(Config):  # type: ignore[misc]
        def hash(self, model_path: Path, **_: Any) -> Any:
            return super().hash(model_path, files_to_hash=[Path(model_path) / name for name in names])

        def add_ignored_paths(self, **_: Any) -> None:
            pass

    return Named().set_ignored_paths(paths=(), ignore_git_paths=False)


def _stated(signature: str) -> tuple[str, Mapping[str, str]]:
    """Read, unchecked, who says to have signed, and which digests."""
    try:
        bundle = json.loads(signature)
        statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"], validate=True))
        signed = {str(entry["name"]): str(entry["digest"]) for entry in statement["predicate"]["resources"]}
        return str(bundle["verificationMaterial"]["publicKey"]["hint"]), signed
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignatureRefused("What stands as the model's signature cannot be read as one.") from error


def _difference(folder: Path, names: Sequence[str], signed: Mapping[str, str]) -> str:
    for name in sorted({*names, *signed}):
        path = folder / name
        if name not in signed:
            return f"{path} is not among the files that were signed."
        if name not in names or not path.is_file():
            return f"{path} was signed and is missing."
        found = files.sha256(path)
        if found != signed[name]:
            return f"{path} is not the one that was signed: SHA-256 {found[:SHOWN]}, signed {signed[name][:SHOWN]}."
    return "What stands as the model's signature is no list of files."


def _public_half(key: Path, *, private: bool) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    wanted = f"a {'private' if private else 'public'} elliptic-curve key in PEM without a password ({', '.join(CURVES)})"
    try:
        content = key.read_bytes()
        public = load_pem_private_key(content, None).public_key() if private else load_pem_public_key(content)
    except OSError as error:
        raise UsageError(f"The key {key} cannot be read: {error.strerror}. {PLACES}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{key} is not {wanted}. {PLACES}") from error
    if not isinstance(public, EllipticCurvePublicKey) or public.curve.name not in CURVES:
        raise UsageError(f"{key} is not {wanted}. {PLACES}")
    return public


def _fingerprint(public: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
