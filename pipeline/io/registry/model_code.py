"""The code that a registered model carries with it, and the packages this code needs."""

import contextlib
import importlib.metadata
from pathlib import Path

PIPELINE = Path(__file__).parents[2]
# What serve/mlflow_model.py imports, directly or not. A test runs it with nothing else installed.
MODULES = (
    "base/data_account.py",
    "base/errors.py",
    "base/labels.py",
    "base/logs.py",
    "base/secrets.py",
    "base/tasks/answers.py",
    "base/tasks/names.py",
    "base/tasks/scales.py",
    "base/tasks/spans.py",
    "base/tasks/targets.py",
    "base/tasks/written.py",
    "core/privacy/preparation.py",
    "core/clean/rules.py",
    "core/clean/spelled_out.py",
    "core/model/decoding.py",
    "core/model/opened.py",
    "core/model/predictor.py",
    "core/model/special_tokens.py",
    "core/model/span_predictor.py",
    "core/model/text_generator.py",
    "core/model/tokenizer.py",
    "core/privacy/account_numbers.py",
    "core/privacy/addresses.py",
    "core/privacy/folding.py",
    "core/privacy/masking.py",
    "core/privacy/numbering.py",
    "core/privacy/telephone_forms.py",
    "core/privacy/telephone_words.py",
    "core/privacy/telephones.py",
    "inference/load.py",
    "io/security/model_files.py",
    "io/security/model_formats.py",
)
PACKAGES = (
    *("mlflow", "ftfy", "numpy", "onnx", "onnxruntime", "pandas", "phonenumbers", "protobuf"),
    *("python-stdnum", "regex", "selectolax", "structlog", "tokenizers"),
)
# MLflow puts the copy first on sys.path. Where Tonewatch is installed too, its other modules stay importable.
INIT = "\n__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


def copy_model_code(folder: Path) -> Path:
    """Copy the modules into a package `pipeline` in a folder, and return the package."""
    package = folder / PIPELINE.name
    for module in MODULES:
        copy = package / module
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((PIPELINE / module).read_bytes())
        for parent in copy.parents[: len(Path(module).parts)]:
            own = (PIPELINE / parent.relative_to(package) / "__init__.py").read_text("utf-8")
            (parent / "__init__.py").write_text(f"{own}{INIT}", "utf-8")
    return package


def model_requirements() -> list[str]:
    """Return the packages that the code imports, pinned to the installed versions."""
    requirements = []
    for package in PACKAGES:
        # Another build may have another name (onnxruntime-gpu); a package that is absent is not needed here.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            requirements.append(f"{package}=={importlib.metadata.version(package)}")
    return requirements
