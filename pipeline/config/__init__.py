"""What was asked for: `params.yaml` and a profile, read into strict and frozen models."""

from pipeline.config.judging import BehaviourConfig, Budget, CompressConfig, EvaluateConfig, GateConfig, Int8Config, Recipe, Recovery
from pipeline.config.params import (
    NEWEST,
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
    "BehaviourConfig",
    "Budget",
    "CleanConfig",
    "CollectConfig",
    "Columns",
    "CompressConfig",
    "EncoderConfig",
    "EvaluateConfig",
    "FileSource",
    "FinetuneConfig",
    "GateConfig",
    "Int8Config",
    "PackageSource",
    "Params",
    "Pinned",
    "Places",
    "PretrainConfig",
    "Profile",
    "Ratings",
    "Recipe",
    "Recovery",
    "Source",
    "SplitConfig",
    "ValidateConfig",
    "find_workspace",
    "load_params",
    "load_profile",
    "set_param",
    "set_params",
]
