"""What was asked for: `params.yaml` and a profile, read into strict and frozen models."""

from pipeline.config.judging import BehaviourConfig, Budget, CompressConfig, EvaluateConfig, GateConfig, Int8Config, Recipe, Recovery
from pipeline.config.operating import DriftConfig, EventsConfig, JournalConfig, QualityConfig, ScheduleConfig, ServeConfig, WatchConfig
from pipeline.config.params import (
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
from pipeline.config.places import Places, Profile, find_workspace
from pipeline.config.reading import load_params, load_profile, set_param, set_params
from pipeline.config.sources import Columns, FileSource, PackageSource, Pinned, Ratings, Source

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
    "load_params",
    "load_profile",
    "set_param",
    "set_params",
]
