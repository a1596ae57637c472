"""The retrain flow: from the sources to a promoted release."""

from prefect import flow

from flows import tasks
from pipeline.io.locks import workspace_lock
from pipeline.operations.retrain import RetrainResult


@flow(name="retrain", persist_result=False)
def retrain(root: str, profile: str, actor: str, reason: str) -> RetrainResult:
    """Run every stage that has changed, judge the candidate, and promote it if the gate accepts it."""
    run = tasks.RetrainRun(root, profile, actor, reason)
    with workspace_lock(run.workspace.home), tasks.following_moves(run):
        tasks.prepare(run)
        tasks.identity(run)
        tasks.collect(run)
        tasks.clean(run)
        tasks.validate(run)
        tasks.split(run)
        data_version = tasks.keep_data_version(run)
        tasks.pretrain(run)
        tasks.finetune(run)
        tasks.compress(run)
        tasks.evaluate(run)
        model_version = tasks.register(run, data_version)
        document = tasks.judge(run, data_version, model_version)
        tasks.publish_decision(run, document)
        return tasks.release(run, document)
