"""The fine-tune stage goes on from the champion, on the texts that are new to it and a replay."""

import pytest
import torch

from pipeline.base.config import FinetuneConfig, Profile
from pipeline.base.errors import ConfigError, DataRejected, Fault
from pipeline.base.records import Receipt, TextRecord
from pipeline.io import files, parquet
from pipeline.io.model_folder import write_model
from pipeline.io.models.champion_start import ChampionStart
from pipeline.io.params_file import load_params
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.stages.context import TrainingContext
from pipeline.stages.finetune import finetune

LABELS = ["bad", "good"]
NEW = 40


@pytest.fixture(scope="module")
def records(sentences):
    return [
        TextRecord(str(n), text, LABELS[label], "mine", str(n), "en", "", "own")
        for n, (text, label) in enumerate(sentences)
    ]


@pytest.fixture(scope="module")
def folders(records, start, tokenizer_json, classifier, tmp_path_factory):
    """Return the folders of the splits, of an encoder, and of the classifier of a release."""
    home = tmp_path_factory.mktemp("continual")
    with files.staging_dir(home / "splits") as staging:
        for side in ("train", "valid"):
            parquet.write_texts(staging / f"{side}.parquet", records)
        files.write_receipt(staging, Receipt("split"))
    # The encoder has random weights, so only the champion knows the sentences before the first step.
    models = {"encoder": start.encoder(5), "champion": classifier}
    for name, model in models.items():
        made_by = "pretrain" if name == "encoder" else "finetune"
        with files.staging_dir(home / name) as staging:
            write_model(staging, model.state_dict(), start.config, tokenizer_json, [])
            files.write_receipt(staging, Receipt(made_by))
    return home


def champion_of(folders, records, *, version="v1"):
    """Return the champion, which learnt from all but the last texts."""
    learnt = [(record.text, record.label) for record in records[: len(records) - NEW]]
    return ChampionStart("R1", folders / "champion", version, learnt)


def run(folders, home, root, champion, *, share=0.5, **changes):
    """Run the stage; return its receipt, and the models before the first step."""
    values = {
        **load_params(root / "params.yaml").finetune.model_dump(),
        **{"min_steps": 12, "batch_size": 16, "learning_rate": 1e-4, "eval_every": 12, "save_every": 12},
        **{"start": "champion", "replay": {"share": share}, **changes},
    }
    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=1, stage_minutes=5)
    begun = []

    class Context(TrainingContext):
        """Keep the model as it is before the first step, and the key of the checkpoints."""

        def train(self, job):
            begun.append((job.objective.build_model(), job.checkpoints.key))
            return super().train(job)

    cluster = RayCluster("local", home / "token")
    receipt = finetune(
        folders / "splits",
        folders / "encoder",
        home / "classifier",
        labels=LABELS,
        max_tokens=32,
        cfg=FinetuneConfig.model_validate(values),
        training=Context(3, profile, home / "checkpoints", home, "code", cluster),
        champion=champion,
    )
    return receipt, begun


def test_training_begins_with_the_weights_and_the_head_of_the_champion(
    folders, records, classifier, tmp_path, root
):
    receipt, [(model, _)] = run(folders, tmp_path, root, champion_of(folders, records))

    before, after = classifier.state_dict(), model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert receipt.notes == {"method": "full", "start": "R1"}
    assert (tmp_path / "classifier" / "tokenizer.json").read_text() == (
        folders / "champion" / "tokenizer.json"
    ).read_text()


def test_new_texts_and_a_bounded_replay_are_trained_on(folders, records, tmp_path, root):
    receipt, _ = run(folders, tmp_path, root, champion_of(folders, records))

    assert receipt.counts["new"] == NEW
    assert receipt.counts["replayed"] == NEW // 2
    assert receipt.counts["train"] == NEW + NEW // 2
    assert receipt.counts["valid"] == len(records)


def test_new_texts_are_read_as_often_as_the_epochs_say(folders, records, tmp_path, root):
    receipt, _ = run(folders, tmp_path, root, champion_of(folders, records), epochs=2, min_steps=500)

    assert receipt.counts["steps"] == 2 * -(-receipt.counts["train"] // 16)


@pytest.mark.parametrize("method", ["head", "lora"])
def test_a_method_that_trains_few_weights_goes_on_with_the_head_too(
    method, folders, records, classifier, tmp_path, root
):
    receipt, [(model, _)] = run(folders, tmp_path, root, champion_of(folders, records), method=method)

    assert torch.equal(model.head.weight, classifier.head.weight)
    assert receipt.counts["trained_parameters"] < receipt.counts["parameters"]


def test_checkpoints_belong_to_the_champion_and_to_what_it_learnt_from(folders, records, tmp_path, root):
    keys = {
        (version, share): run(
            folders, tmp_path, root, champion_of(folders, records, version=version), share=share
        )[1][0][1]
        for version, share in (("v1", 0.5), ("v2", 0.5), ("v1", 0.0))
    }

    assert len(set(keys.values())) == 3


def test_where_the_champion_knows_every_text_nothing_is_trained(folders, records, tmp_path, root):
    everything = ChampionStart("R4", folders / "champion", "v4", [(one.text, one.label) for one in records])

    with pytest.raises(DataRejected, match=r"R4 has learnt from each .* write `start: encoder`"):
        run(folders, tmp_path, root, everything)

    assert not (tmp_path / "classifier").exists()


def changed(folders, name, classifier, start, tokenizer_json, change):
    """Write the champion with other weights; return where it goes on from."""
    with files.staging_dir(folders / name) as staging:
        write_model(staging, change(dict(classifier.state_dict())), start.config, tokenizer_json, [])
        files.write_receipt(staging, Receipt("finetune"))
    return ChampionStart("R1", folders / name, "v1", [])


def test_a_champion_whose_weights_are_no_numbers_is_named(
    folders, classifier, start, tokenizer_json, tmp_path, root
):
    champion = changed(
        *(folders, "infinite", classifier, start, tokenizer_json),
        lambda weights: {**weights, "head.bias": torch.tensor([0.0, float("inf")])},
    )

    with pytest.raises(ConfigError, match=r"R1 holds what is no finite number in head\.bias\. Write"):
        run(folders, tmp_path, root, champion)


@pytest.mark.parametrize("rows", [0, 3])
def test_a_champion_with_another_head_is_not_gone_on_from_with_a_new_one(
    rows, folders, classifier, start, tokenizer_json, tmp_path, root
):
    head = {"head.weight": torch.zeros(rows, 32), "head.bias": torch.zeros(rows)} if rows else {}
    champion = changed(
        *(folders, f"head-{rows}", classifier, start, tokenizer_json),
        lambda weights: {name: one for name, one in weights.items() if not name.startswith("head.")} | head,
    )

    with pytest.raises(Fault, match="head does not fit"):
        run(folders, tmp_path, root, champion)
