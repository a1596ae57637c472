"""The source of kind `hub`: splits of a data set of the Hugging Face hub, streamed at a pinned commit."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pipeline.base import logs
from pipeline.base.config import HubSource
from pipeline.base.errors import DataRejected, SourceUnreachable, TonewatchError
from pipeline.io.table_files.json_rows import flatten
from pipeline.io.table_files.shape import Rows, TableRequest

# Builders of `datasets` that read plain tables; others unpack archives or decode media.
TABLES = {"parquet": (".parquet",), "csv": (".csv", ".tsv"), "json": (".json", ".jsonl", ".ndjson")}
# `datasets` waits up to 20 times 20 s by itself.
RETRIES, RETRY_SECONDS = 4, 1
REASON_CHARACTERS = 300
SHOWN_ROWS = 1000
NO_LABEL = -1  # as data sets of the hub write it


def hub_rows(source: HubSource, *, max_bytes: int) -> Rows:
    """Yield the rows of the splits of a data set, in their order; labels by their names.

    Raises SourceUnreachable where the hub does not respond or has no such data set, DataRejected for one that
    is no table or needs code of its own, for a split that it lacks, and for more than `max_bytes` of text.
    """
    where = f"source {source.name} ({source.dataset} on {_hub()})"
    request = TableRequest(Path(), where, max_bytes, mapped=source.columns.mapped)
    _require_no_folder(source)
    with tempfile.TemporaryDirectory() as folder, logs.progress(f"read {source.name}", None) as show:
        builder = _named(where, lambda: _open(source, folder))
        number, size = 0, 0
        for split in source.splits:
            before = number
            for row in _stream(source, where, builder, split):
                cells = flatten(row, request, f"split {split}, row {number + 1}")
                number += 1
                size += sum(
                    len(cells.get(column, "").encode("utf-8", "replace")) for column in request.mapped
                )
                if size > max_bytes:
                    raise DataRejected(
                        f"{where} holds more than {max_bytes:,} bytes of text. Raise `collect.max_megabytes` "
                        "in params.yaml, or take a part of it: `splits: [train]`."
                    )
                if number % SHOWN_ROWS == 0:
                    show(number)
                yield cells
            if number == before:
                raise DataRejected(
                    f"{where}: the split {split} holds no rows. Correct `splits` in params.yaml."
                )
        logs.get("collect").info("hub.read", source=source.name, rows=number, revision=source.revision[:12])


def _open(source: HubSource, folder: str) -> Any:
    import datasets

    datasets.config.STREAMING_READ_MAX_RETRIES = datasets.config.STREAMING_OPEN_MAX_RETRIES = RETRIES
    datasets.config.STREAMING_READ_RETRY_INTERVAL = datasets.config.STREAMING_OPEN_RETRY_INTERVAL = (
        RETRY_SECONDS
    )
    # A folder of its own: where the hub fails, the library would take any revision from its cache.
    builder = datasets.load_dataset_builder(
        source.dataset, source.config, revision=source.revision, cache_dir=folder
    )
    kind = type(builder).__module__.split(".")[-2]
    if kind not in TABLES:
        raise DataRejected(
            f"source {source.name}: {source.dataset} holds files of kind {kind}, and only Parquet, CSV and "
            "JSON are read. Name a configuration with such files: `config: NAME`."
        )
    for path in (str(path) for paths in builder.config.data_files.values() for path in paths):
        # The library reads all configurations as it reads the first one, and finds nothing in other files.
        if not any(ending in PurePosixPath(path).suffixes for ending in TABLES[kind]):
            raise DataRejected(
                f"source {source.name}: {source.dataset} mixes files of several kinds, and the library reads "
                f"{PurePosixPath(path).name} as {kind}. Save it as a file, and write its `kind` and `path`."
            )
    return builder


def _stream(source: HubSource, where: str, builder: Any, split: str) -> Iterator[dict[str, Any]]:
    rows = _named(where, lambda: iter(_selected(source, where, builder, split)))
    while (row := _named(where, lambda: next(rows, None))) is not None:
        yield row


def _selected(source: HubSource, where: str, builder: Any, split: str) -> Iterator[dict[str, Any]]:
    try:
        stream = builder.as_streaming_dataset(split=split)
    except ValueError as error:
        if "Bad split" not in str(error):
            raise
        reason = _first_line(error).partition(". ")[2]
        raise DataRejected(
            f"{where} has no split {split!r} ({reason}). Correct `splits` in params.yaml."
        ) from error
    features = stream.features or {}
    # Of nested columns, as `a.b`, the whole column a.
    wanted = {name if name in features else name.split(".")[0] for name in source.columns.mapped}
    if features and wanted <= set(features):
        stream = stream.select_columns(sorted(wanted))
    named = {name: convert for name in features if (convert := _label_names(features[name]))}
    for row in stream:
        yield {name: named[name](value) if name in named else value for name, value in row.items()}


def _label_names(feature: Any) -> Callable[[Any], Any] | None:
    """Return how the numbers of a column become names of labels, None where they are no labels."""
    import datasets

    inner = getattr(feature, "feature", feature)
    if not isinstance(inner, datasets.ClassLabel):
        return None
    label = inner

    def name(value: Any) -> Any:
        if isinstance(value, list):
            return [name(one) for one in value]
        return "" if value in (None, NO_LABEL) else label.int2str(value)

    return name


def _named(where: str, work: Callable[[], Any]) -> Any:
    """Do something with the hub; turn what the library raises into an error with cause and next step."""
    from datasets.data_files import EmptyDatasetError
    from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError

    try:
        return work()
    except TonewatchError:
        raise
    except DatasetNotFoundError as error:
        raise SourceUnreachable(
            f"{where} is not there, or not for everyone: {_first_line(error)}. Correct `dataset` and "
            "`revision` in params.yaml; for a private one type: export HF_TOKEN=KEY"
        ) from error
    except (DataFilesNotFoundError, EmptyDatasetError) as error:
        raise DataRejected(
            f"{where} holds no Parquet, CSV or JSON files at this revision. Name another "
            "`dataset` or `revision`."
        ) from error
    except Exception as error:
        raise _failure(where, error) from error


def _failure(where: str, error: Exception) -> TonewatchError:
    reason = _first_line(error)
    if "scripts are no longer supported" in reason:
        return DataRejected(
            f"{where} is made by a script of its own, and no code of a data set is run. Name a `revision` "
            "of it that holds Parquet files, as the branch refs/convert/parquet does."
        )
    if isinstance(error, ValueError) and "BuilderConfig" in reason:
        return DataRejected(f"{where}: {reason}. Correct `config` of this source in params.yaml.")
    if isinstance(error, ValueError) and "Config name is missing" in reason:
        return DataRejected(
            f"{where} has several configurations: {str(error)[:REASON_CHARACTERS]} Write `config: NAME`."
        )
    offline = any(os.environ.get(name) for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"))
    step = (
        "Type: unset HF_HUB_OFFLINE HF_DATASETS_OFFLINE" if offline else "Check the network and HF_ENDPOINT"
    )
    return SourceUnreachable(
        f"{where} cannot be read ({type(error).__name__}: {reason}). {step}, then type the same again; or "
        "save the data set as a file and write `kind: parquet`."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:REASON_CHARACTERS].rstrip(".")


def _hub() -> str:
    address = os.environ.get("HF_ENDPOINT", "")
    return urlsplit(address).hostname or "the Hugging Face hub"


def _require_no_folder(source: HubSource) -> None:
    if Path(source.dataset).exists():
        raise DataRejected(
            f"source {source.name}: {source.dataset} is a folder here, and would be read in place of the "
            "data set of the hub. Type the command in another folder, or write `kind: csv` with its `path`."
        )
