"""Numbering plans: which digits are a telephone number, from the metadata of phonenumbers (libphonenumber).

The parser of phonenumbers takes a millisecond a region; a plan asks the same patterns directly.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata

# Regions of telephone numbers without a country code; numbers with one are found everywhere.
REGIONS = (
    "US", "CA", "GB", "IE", "DE", "AT", "CH", "FR", "BE", "NL", "LU", "ES", "PT", "IT", "GR", "PL", "CZ",
    "SK", "HU", "RO", "BG", "HR", "SE", "NO", "DK", "FI", "TR", "RU", "UA", "IN", "PK", "BD", "CN", "TW",
    "JP", "KR", "HK", "SG", "MY", "ID", "PH", "TH", "VN", "AU", "NZ", "ZA", "NG", "KE", "EG", "MA", "IL",
    "AE", "SA", "BR", "AR", "MX", "CO", "CL", "PE",
)  # fmt: skip
# What is commonly written without separators and is no other number, as far as its first digits tell.
UNSEPARATED = {
    region: re.compile(form)
    for region, form in {
        "US": r"[2-9]\d{9}|1\d{10}",
        "CA": r"[2-9]\d{9}|1\d{10}",
        "IN": r"[6-9]\d{9}",
        "CN": r"1[3-9]\d{9}",
        "RU": r"8\d{10}",
        "IT": r"3[2-9]\d{8}",
        "BR": r"[1-9]{2}9\d{8}",
    }.items()
}
TYPES = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip",
    "pager", "uan", "voicemail",
)  # fmt: skip
MAX_COUNTRY_CODE = 3  # digits
FORMAT_GROUP = re.compile(r"\(([^()]*)\)")
FORMAT_DIGIT = re.compile(r"(?:\\d|\[[^\]]*\]|\d)(\{[\d,]+\})?")


@dataclass(frozen=True)
class Plan:
    """Hold the numbering plan of one region, or of one country code that belongs to none."""

    metadata: "PhoneMetadata"

    @classmethod
    def of(cls, code: int, region: str) -> "Plan":
        """Return the plan of a region with this country code; "001" stands for none."""
        from phonenumbers import PhoneMetadata

        metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        assert metadata is not None, f"no numbering plan of {region}, +{code}"
        return cls(metadata)

    def readings(self, digits: str) -> Iterator[tuple[str, str]]:
        """Yield trunk prefix and significant number of each way to read these digits as a valid number."""
        for prefix, number in self._divided(digits):
            if self._valid.fullmatch(number):
                yield prefix, number

    def is_possible(self, digits: str, *, leniently: bool) -> bool:
        """Return whether the digits after a country code can be a number; leniently, by their count alone."""
        return any(
            self._general.fullmatch(number) or (leniently and len(number) in self._lengths)
            for _, number in self._divided(digits)
        )

    def groupings(self) -> Iterator[tuple[int, ...]]:
        """Yield the lengths of the groups in which the region writes numbers that need no trunk prefix."""
        prefix = self.metadata.national_prefix
        for form in self.metadata.number_format:
            rule = form.national_prefix_formatting_rule
            if prefix and rule and prefix in rule and not form.national_prefix_optional_when_formatting:
                continue
            yield from product(*map(_widths, FORMAT_GROUP.findall(form.pattern or "")))

    @property
    def form(self) -> str:
        """Return the regular expression of all valid numbers, with or without trunk prefix."""
        return f"(?:{self.metadata.national_prefix_for_parsing or ''})?(?:{self._valid.pattern})"

    def _divided(self, digits: str) -> Iterator[tuple[str, str]]:
        yield "", digits
        match = self._trunk.match(digits) if self._trunk else None
        if not match:
            return
        rule = self.metadata.national_prefix_transform_rule
        if rule and match.lastindex and match[match.lastindex]:
            # Where a mobile number is dialed otherwise at home: "011 15 …" is "9 11 …" in Argentina.
            yield match[0], match.expand(rule) + digits[match.end() :]
        elif match.end():
            yield match[0], digits[match.end() :]

    @cached_property
    def _valid(self) -> "re.Pattern[str]":
        numbers = (getattr(self.metadata, kind) for kind in TYPES)
        patterns = dict.fromkeys(one.national_number_pattern for one in numbers if one is not None)
        return re.compile("|".join(f"(?:{pattern})" for pattern in patterns if pattern))

    @cached_property
    def _general(self) -> "re.Pattern[str]":
        general = self.metadata.general_desc
        return re.compile((general and general.national_number_pattern) or "")

    @property
    def _lengths(self) -> tuple[int, ...]:
        general = self.metadata.general_desc
        return general.possible_length if general else ()

    @cached_property
    def _trunk(self) -> "re.Pattern[str] | None":
        prefix = self.metadata.national_prefix_for_parsing
        return re.compile(prefix) if prefix else None


def is_national(digits: str) -> bool:
    """Return whether the digits are a valid number of any of REGIONS, with or without trunk prefix."""
    common, special = _national()
    return bool(common.fullmatch(digits)) or any(True for plan in special for _ in plan.readings(digits))


def is_unseparated(digits: str) -> bool:
    """Return whether the digits are a valid number that people write without separators or other evidence."""
    plans = _plans()
    return any(
        True
        for region, form in UNSEPARATED.items()
        if form.fullmatch(digits)
        for _ in plans[region].readings(digits)
    )


def plans_grouping(lengths: tuple[int, ...]) -> tuple[Plan, ...]:
    """Return the plans of REGIONS that write significant numbers in groups of these lengths."""
    return _groupings().get(lengths, ())


def is_international(digits: str, *, leniently: bool = False) -> bool:
    """Return whether a country code and a number behind it, trunk prefix or not, fill these digits."""
    plan, rest = country_plan(digits)
    return plan is not None and plan.is_possible(rest, leniently=leniently)


def country_plan(digits: str) -> tuple[Plan | None, str]:
    """Return the plan of the country code that begins these digits, None without one, and the rest."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    # No country code begins another, so the first that is found is the right one.
    for length in range(1, MAX_COUNTRY_CODE + 1):
        code = digits[:length]
        if code[:1] != "0" and code.isdecimal() and int(code) in COUNTRY_CODE_TO_REGION_CODE:
            return _country(int(code)), digits[length:]
    return None, digits


@lru_cache(maxsize=300)
def _country(code: int) -> Plan:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return Plan.of(code, COUNTRY_CODE_TO_REGION_CODE[code][0])


@lru_cache(maxsize=1)
def _groupings() -> dict[tuple[int, ...], tuple[Plan, ...]]:
    plans: dict[tuple[int, ...], tuple[Plan, ...]] = {}
    for plan in _plans().values():
        for lengths in set(plan.groupings()):
            plans[lengths] = (*plans.get(lengths, ()), plan)
    return plans


def _widths(group: str) -> range:
    """Return the possible lengths of a group of a format, such as `[2-9]\\d{2,3}`."""
    fewest = most = 0
    for repeat in FORMAT_DIGIT.findall(group):
        low, _, high = repeat.strip("{}").partition(",")
        fewest, most = fewest + int(low or 1), most + int(high or low or 1)
    return range(fewest, most + 1)


@lru_cache(maxsize=1)
def _national() -> tuple["re.Pattern[str]", tuple[Plan, ...]]:
    """Return one expression for nearly all plans, ten times as fast as one by one, and the others."""
    plans = _plans().values()
    special = tuple(plan for plan in plans if plan.metadata.national_prefix_transform_rule)
    return re.compile("|".join(plan.form for plan in plans if plan not in special)), special


@lru_cache(maxsize=1)
def _plans() -> dict[str, Plan]:
    from phonenumbers import country_code_for_region

    return {region: Plan.of(country_code_for_region(region), region) for region in REGIONS}
