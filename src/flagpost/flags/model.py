"""The parts of a feature flag's definition, which all other modules of Flagpost use.

Names follow Split's Admin API where it has one (`trafficAllocation` is `traffic_allocation` here). All values are
immutable: a change makes a copy.
"""

from dataclasses import dataclass
from enum import StrEnum


class JiraEnvironmentType(StrEnum):
    """The environment types of Jira (Atlassian: `details[].environment.type`)."""

    DEVELOPMENT = "development"
    TESTING = "testing"
    STAGING = "staging"
    PRODUCTION = "production"


class FlagStatus(StrEnum):
    """Whether a flag is in use. An archived flag keeps its name reserved, as in Split."""

    ACTIVE = "active"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Treatment:
    """One value that a flag can have, with the keys and segments that get it individually.

    `configurations` is text that applications get unchanged, usually JSON; None where there is none.
    """

    name: str
    description: str = ""
    configurations: str | None = None
    keys: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """A share of traffic, in whole percent, that gets one treatment."""

    treatment: str
    size: int


@dataclass(frozen=True, slots=True)
class Between:
    """An inclusive range of numbers, or of dates in milliseconds since 1970."""

    start: int | float
    end: int | float


@dataclass(frozen=True, slots=True)
class BetweenVersions:
    """An inclusive range of semantic versions."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Depends:
    """Another flag of the same project, and the treatments of it that match."""

    flag: str
    treatments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matcher:
    """One test of a targeting rule: of the key, or of `attribute` where it is set.

    `type` decides which field contains the value, as `flagpost.flags.matchers` lists; the other fields are None.
    """

    type: str
    negate: bool = False
    attribute: str | None = None
    string: str | None = None
    boolean: bool | None = None
    strings: tuple[str, ...] | None = None
    number: int | float | None = None
    date: int | None = None
    between: Between | None = None
    between_versions: BetweenVersions | None = None
    depends: Depends | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A targeting rule: where all `matchers` match, `buckets` divide the traffic."""

    matchers: tuple[Matcher, ...]
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A flag's set-up in one environment.

    `traffic_allocation` (limit exposure) is in whole percent. `default_treatment` is served while the flag is killed,
    and to traffic that limit exposure leaves out. `default_rule` applies where no rule matches. Each of the
    `prerequisites` must be met before anything else is evaluated, individual targets included. `impressions_disabled`
    asks SDKs not to send impressions.
    """

    treatments: tuple[Treatment, ...]
    default_treatment: str
    default_rule: tuple[Bucket, ...]
    rules: tuple[Rule, ...] = ()
    traffic_allocation: int = 100
    baseline_treatment: str | None = None
    prerequisites: tuple[Depends, ...] = ()
    impressions_disabled: bool = False
