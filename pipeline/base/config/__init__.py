"""`params.yaml` and a profile, read into strict and frozen models."""

from pipeline.base.config.compress import (
    CompressConfig,
    CompressionBudget,
    Int8Config,
    RecoveryConfig,
    VariantConfig,
)
from pipeline.base.config.evaluate import BehaviourConfig, EvaluateConfig
from pipeline.base.config.gate import GateConfig
from pipeline.base.config.operations import (
    ChangePointConfig,
    DriftConfig,
    JournalConfig,
    PrevalenceConfig,
    QualityConfig,
    ScheduleConfig,
    ServeConfig,
    WatchConfig,
)
from pipeline.base.config.params import (
    NEWEST,
    OPERATIONAL_SECTIONS,
    CleanConfig,
    CollectConfig,
    EncoderConfig,
    FinetuneConfig,
    Params,
    PretrainConfig,
    SplitConfig,
    ValidateConfig,
)
from pipeline.base.config.section import ChangeLimits, MaxLoss, OptimizerConfig
from pipeline.base.config.sources import (
    AuditSource,
    FeedbackSource,
    FileSource,
    PackageSource,
    PinnedFile,
    RecordedSource,
    ReplaySource,
    Source,
    SqlSource,
    TableSource,
)
from pipeline.base.config.table_section import Columns, RatingRule
from pipeline.base.config.web_sources import FeedSource, HttpSource, HubSource
from pipeline.base.config.workspace import Profile, Workspace, find_workspace

__all__ = [
    "NEWEST",
    "OPERATIONAL_SECTIONS",
    "AuditSource",
    "BehaviourConfig",
    "ChangeLimits",
    "ChangePointConfig",
    "CleanConfig",
    "CollectConfig",
    "Columns",
    "CompressConfig",
    "CompressionBudget",
    "DriftConfig",
    "EncoderConfig",
    "EvaluateConfig",
    "FeedSource",
    "FeedbackSource",
    "FileSource",
    "FinetuneConfig",
    "GateConfig",
    "HttpSource",
    "HubSource",
    "Int8Config",
    "JournalConfig",
    "MaxLoss",
    "OptimizerConfig",
    "PackageSource",
    "Params",
    "PinnedFile",
    "PretrainConfig",
    "PrevalenceConfig",
    "Profile",
    "QualityConfig",
    "RatingRule",
    "RecordedSource",
    "RecoveryConfig",
    "ReplaySource",
    "ScheduleConfig",
    "ServeConfig",
    "Source",
    "SplitConfig",
    "SqlSource",
    "TableSource",
    "ValidateConfig",
    "VariantConfig",
    "WatchConfig",
    "Workspace",
    "find_workspace",
]
