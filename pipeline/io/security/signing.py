"""Sign models and check signatures, over the SHA-256 of their files, in the format of OpenSSF Model Signing.

Any tool for that format can check them. Keys are elliptic-curve keys in PEM files; no server is involved.
"""

import base64
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.base.errors import InvalidSignature, UsageError
from pipeline.io import files

CURVES = ("secp256r1", "secp384r1", "secp521r1")  # those of Model Signing
SHOWN = 12  # characters of a digest in a message
HINT = "Check TONEWATCH_SIGNING_KEY and TONEWATCH_VERIFY_KEY."


def sign(folder: Path, names: Sequence[str], key: Path) -> str:
    """Sign files of a folder with a private key and return the signature as text; it differs each time.

    Raises UsageError when the key cannot sign.
    """
    from model_signing.signing import Config

    _public_key(key, private=True)
    with tempfile.TemporaryDirectory(prefix="tonewatch-signing-") as staging:
        written = Path(staging) / "model.sig"
        Config().use_elliptic_key_signer(private_key=key).set_hashing_config(_hashing(names)).sign(
            folder, written
        )
        return written.read_text("utf-8")


def check_signature(folder: Path, names: Sequence[str], signature: str, key: Path) -> None:
    """Check that a signature was made with this key's private half, over exactly these files of the folder.

    Raises InvalidSignature with the difference, UsageError when the key cannot check.
    """
    from cryptography.exceptions import InvalidSignature as WrongSignature
    from model_signing.verifying import Config

    owner = _fingerprint(_public_key(key, private=False))
    signer, signed = _signed_digests(signature)
    if signer != owner:
        raise InvalidSignature(
            f"The model is signed with another key ({signer[:SHOWN]}), not with {key} ({owner[:SHOWN]})."
        )
    with tempfile.TemporaryDirectory(prefix="tonewatch-signing-") as staging:
        written = Path(staging) / "model.sig"
        written.write_text(signature, "utf-8")
        try:
            Config().use_elliptic_key_verifier(public_key=key).set_hashing_config(_hashing(names)).verify(
                folder, written
            )
        except WrongSignature as error:
            raise InvalidSignature(f"The signature was modified, or was not made with {key}.") from error
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            # The key is right: the files differ, or the signed content is no list of files.
            raise InvalidSignature(_difference(folder, names, signed)) from error


def key_fingerprint(key: Path) -> str:
    """Return the fingerprint of a private key's public half, as signatures contain it.

    Raises UsageError when the key cannot sign.
    """
    return _fingerprint(_public_key(key, private=True))


def _hashing(names: Sequence[str]) -> Any:
    """Return a hashing config of exactly these files, whatever files a signature excludes."""
    from model_signing.hashing import Config

    class NamedFiles(Config):  # type: ignore[misc]
        def hash(self, model_path: Path, **_: Any) -> Any:
            return super().hash(model_path, files_to_hash=[Path(model_path) / name for name in names])

        def add_ignored_paths(self, **_: Any) -> None:
            pass

    return NamedFiles().set_ignored_paths(paths=(), ignore_git_paths=False)


def _signed_digests(signature: str) -> tuple[str, Mapping[str, str]]:
    """Return the fingerprint and the file digests that a signature contains, unchecked."""
    try:
        bundle = json.loads(signature)
        statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"], validate=True))
        signed = {str(entry["name"]): str(entry["digest"]) for entry in statement["predicate"]["resources"]}
        return str(bundle["verificationMaterial"]["publicKey"]["hint"]), signed
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidSignature("The model's signature is unreadable.") from error


def _difference(folder: Path, names: Sequence[str], signed: Mapping[str, str]) -> str:
    for name in sorted({*names, *signed}):
        path = folder / name
        if name not in signed:
            return f"{path} is not signed."
        if name not in names or not path.is_file():
            return f"{path} is signed but missing."
        digest = files.sha256(path)
        if digest != signed[name]:
            digests = f"SHA-256 {digest[:SHOWN]}, signed {signed[name][:SHOWN]}"
            return f"{path} differs from the signed file: {digests}."
    return "The model's signature contains no list of files."


def _public_key(key: Path, *, private: bool) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    half = "private" if private else "public"
    wanted = f"a {half} elliptic-curve key in PEM without a password ({', '.join(CURVES)})"
    try:
        content = key.read_bytes()
        public = load_pem_private_key(content, None).public_key() if private else load_pem_public_key(content)
    except OSError as error:
        raise UsageError(f"The key {key} is unreadable: {error.strerror}. {HINT}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{key} is not {wanted}. {HINT}") from error
    if not isinstance(public, EllipticCurvePublicKey) or public.curve.name not in CURVES:
        raise UsageError(f"{key} is not {wanted}. {HINT}")
    return public


def _fingerprint(public: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
