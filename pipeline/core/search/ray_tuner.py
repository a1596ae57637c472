"""Trials on Ray Tune: each fold is a report, and bad trials are stopped early.

Source: Li et al., 2020 (asynchronous successive halving, ASHA).
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.base.config import Choices, SearchRange
from pipeline.base.errors import Fault
from pipeline.core.search.trials import FoldScore, FoldTraining, SearchPlan, TrialListener, Values

# Of the trials that reach a rung, the better half goes on: one fold alone errs by about a point.
REDUCTION = 2
SCORE, SCORES = "score", "scores"
# A worker that dies, as without memory, is started again; folds that are done are kept.
MAX_FAILURES = 2


class _OutOfTime(Exception):
    """The time of a search is over."""


def search(
    plan: SearchPlan,
    train_fold: FoldTraining,
    open_listener: Callable[[], TrialListener],
    *,
    clock: Callable[[], float],
) -> bool:
    """Run every trial to its end; False without time. `clock` tells seconds.

    This process has joined the Ray cluster. A search that stopped is drawn again with the same values, and
    what `train_fold` has trained costs nothing: so nothing depends on what Ray Tune keeps on disk, of which a
    killed process may leave half a file. Raises Fault with the reason where a trial fails.
    """
    from ray import tune

    # It warns of first values outside of their ranges, and where it begins anew; what fails is raised.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # The trial itself only waits for its folds.
    resources = tune.PlacementGroupFactory([{}, _needs(plan, "CPU", "GPU")])
    trainable = tune.with_resources(_trial_of(plan, train_fold), resources)
    tuner = _new_tuner(plan, trainable, _callback(open_listener, plan.seconds, clock))
    try:
        results = tuner.fit()
    except _OutOfTime:
        return False
    for error in results.errors:
        raise Fault(f"A trial of the search failed: {_reason(error)} Type `tonewatch tune` to go on.")
    return True


def _new_tuner(plan: SearchPlan, trainable: Any, callback: Any) -> Any:
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.basic_variant import BasicVariantGenerator

    first = {key: plan.first[key] for key in plan.ranges}
    return tune.Tuner(
        trainable,
        param_space={key: domain(one, whole=key in plan.whole) for key, one in plan.ranges.items()},
        tune_config=tune.TuneConfig(
            metric=SCORE,
            mode="max",
            num_samples=plan.trials,
            search_alg=BasicVariantGenerator(
                points_to_evaluate=[first], max_concurrent=plan.at_once, random_state=plan.seed
            ),
            scheduler=ASHAScheduler(max_t=plan.folds, grace_period=1, reduction_factor=REDUCTION),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=plan.name,
            storage_path=plan.storage,
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            callbacks=[callback],
            verbose=0,
        ),
    )


def domain(searched: SearchRange, *, whole: bool) -> Any:
    """Return a range as Ray Tune draws from it."""
    from ray import tune

    if isinstance(searched, Choices):
        return tune.choice(list(searched.choices))
    if whole:
        draw = tune.lograndint if searched.log else tune.randint
        # Its upper end is left out.
        return draw(round(searched.low), round(searched.high) + 1)
    return (tune.loguniform if searched.log else tune.uniform)(searched.low, searched.high)


def _trial_of(plan: SearchPlan, train_fold: FoldTraining) -> Callable[[Values], None]:
    def trial(values: Values) -> None:
        import ray
        from ray import tune

        # A process of its own: within that of a trial Ray Train does not train.
        train = ray.remote(**_needs(plan, "num_cpus", "num_gpus"))(_train)
        scores: list[float] = []
        for fold in range(plan.folds):
            found: FoldScore = ray.get(train.remote(train_fold, dict(values), fold))
            if found.score is None:
                return
            scores.append(found.score)
            tune.report({SCORE: sum(scores) / len(scores), SCORES: scores})

    return trial


def _train(train_fold: FoldTraining, values: Values, fold: int) -> FoldScore:
    return train_fold(values, fold)


def _needs(plan: SearchPlan, cores: str, gpus: str) -> dict[str, int]:
    """Return what a fold needs, under the names that Ray has for it."""
    return {cores: plan.cores, **({gpus: plan.gpus} if plan.gpus else {})}


def _callback(open_listener: Callable[[], TrialListener], seconds: float, clock: Callable[[], float]) -> Any:
    from ray.tune import Callback

    class Trials(Callback):  # type: ignore[misc]
        """Tell the listener of each report, and end the search when its time is over.

        Ray Tune pickles it; listener and time begin anew where a search is continued.
        """

        def setup(self, **_: Any) -> None:
            self.end, self.listener = clock() + seconds, open_listener()

        def __getstate__(self) -> dict[str, object]:
            return {}

        def on_step_begin(self, **_: Any) -> None:
            if clock() > self.end:
                raise _OutOfTime

        def on_trial_result(self, *, trial: Any, result: Mapping[str, Any], **_: Any) -> None:
            self.listener.scored(trial.config, result[SCORES])

        def on_trial_complete(self, *, trial: Any, **_: Any) -> None:
            self.listener.ended(trial.config)

    return Trials()


def _reason(error: BaseException) -> str:
    """Return the last line of an error; Ray wraps what a worker raised into text."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__
