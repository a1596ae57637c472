"""Write infra/sbom.json from the locks: a CycloneDX 1.6 document of every package that an install may take.

Each file of a package is in the lock by its SHA-256, for every platform; they stand under `distribution`, as
CycloneDX's own tool writes them. Licences come from the metadata of this environment: a package of another
platform has none. Equal locks and an equal environment give equal bytes: there is no date.
"""

import importlib.metadata
import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

from install import LOCK, ROOT, TORCH_CPU_LOCK, TORCH_LOCK, UV_LOCK, entries

SBOM = Path("infra", "sbom.json")
# A name, not the text of a licence, which some packages put in the same field.
LICENCE_CHARACTERS = 80
EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")


def main() -> None:
    """Write the document, one component a line."""
    components = list_components(ROOT)
    head = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components))}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "tonewatch", "bom-ref": "tonewatch"}},
    }
    lines = ",\n".join(json.dumps(component, sort_keys=True) for component in components)
    text = f'{json.dumps(head)[:-1]}, "components": [\n{lines}\n]}}\n'
    (ROOT / SBOM).write_text(text, "utf-8")
    print(f"{SBOM}: {len(components)} packages, {len(text):,} bytes", file=sys.stderr)


def list_components(root: Path) -> list[dict[str, Any]]:
    """List the packages of all locks as components, by name and version."""
    locks = [root / lock for lock in (LOCK, TORCH_LOCK, TORCH_CPU_LOCK, UV_LOCK)]
    packages = [package for lock in locks if lock.exists() for package in entries(lock)]
    return sorted(map(_component, packages), key=lambda one: (one["name"], one["version"]))


def _component(package: str) -> dict[str, Any]:
    name, version = package.split()[0].split("==")
    # "+" of a local version is encoded in a package URL.
    purl = f"pkg:pypi/{name}@{version.replace('+', '%2B')}"
    hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", package)
    component: dict[str, Any] = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": purl,
        "bom-ref": purl,
    }
    component["externalReferences"] = [
        {
            "type": "distribution",
            "url": purl,
            "hashes": [{"alg": "SHA-256", "content": digest} for digest in sorted(hashes)],
        }
    ]
    if licences := _licences(name):
        component["licenses"] = licences
    return component


def _licences(name: str) -> list[dict[str, Any]]:
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return []
    expression = str(metadata.get("License-Expression") or "").strip()
    if EXPRESSION.fullmatch(expression):
        return [{"expression": expression}]
    classifiers = metadata.get_all("Classifier") or []
    names = {line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: ")}
    names -= {"OSI Approved"}
    field = " ".join((expression or str(metadata.get("License") or "")).split())
    if not names and field and len(field) <= LICENCE_CHARACTERS and field != "UNKNOWN":
        names = {field}
    return [{"license": {"name": one}} for one in sorted(names)]


if __name__ == "__main__":
    main()
