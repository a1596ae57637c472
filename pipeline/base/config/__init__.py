"""What was asked for: `params.yaml` and a profile, read into strict and frozen models."""

from pipeline.base.config.evaluate import BehaviourConfig, Budget, CompressConfig, EvaluateConfig, GateConfig, Int8Config, Recipe, Recovery
from pipeline.base.config.operations import (
    DriftConfig,
    EventsConfig,
    JournalConfig,
    QualityConfig,
    ScheduleConfig,
    ServeConfig,
    WatchConfig,
)
from pipeline.base.config.params import (
    NEWEST,
    OPERATING,
    CleanConfig,
    CollectConfig,
    EncoderConfig,
    FinetuneConfig,
    Params,
    PretrainConfig,
    SplitConfig,
    ValidateConfig,
)
from pipeline.base.config.sources import Columns, FileSource, PackageSource, Pinned, Ratings, Source
from pipeline.base.config.workspace import Places, Profile, find_workspace

__all__ = [
    "NEWEST",
    "OPERATING",
    "BehaviourConfig",
    "Budget",
    "CleanConfig",
    "CollectConfig",
    "Columns",
    "CompressConfig",
    "DriftConfig",
    "EncoderConfig",
    "EvaluateConfig",
    "EventsConfig",
    "FileSource",
    "FinetuneConfig",
    "GateConfig",
    "Int8Config",
    "JournalConfig",
    "PackageSource",
    "Params",
    "Pinned",
    "Places",
    "PretrainConfig",
    "Profile",
    "QualityConfig",
    "Ratings",
    "Recipe",
    "Recovery",
    "ScheduleConfig",
    "ServeConfig",
    "Source",
    "SplitConfig",
    "ValidateConfig",
    "WatchConfig",
    "find_workspace",
]
