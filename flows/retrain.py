"""The line: from texts at their sources to a release in service."""

from typing import Any

from prefect import flow

from flows import tasks
from pipeline.io.locks import held


@flow(name="retrain", persist_result=False)
def retrain(root: str, profile: str, actor: str, reason: str) -> dict[str, Any]:
    """Run every stage that is not unchanged, judge what came out, and put it in service if the gate says yes."""
    line = tasks.Line(root, profile, actor, reason)
    with held(line.places.home):
        tasks.settle(line)
        tasks.identity(line)
        tasks.collect(line)
        tasks.clean(line)
        tasks.validate(line)
        tasks.split(line)
        data_version = tasks.keep_data(line)
        tasks.pretrain(line)
        tasks.finetune(line)
        tasks.compress(line)
        tasks.evaluate(line)
        model_version = tasks.register(line, data_version)
        document = tasks.judge(line, data_version, model_version)
        tasks.tell(line, document)
        return tasks.release(line, document)  # type: ignore[no-any-return]
