"""What a feature flag's definition is made of: the values that every other module of Flagpost passes around.

Names follow Split's Admin API where it has one (`trafficAllocation` is `traffic_allocation` here). All values are
immutable: a change is a changed copy.
"""

from dataclasses import dataclass
from enum import StrEnum


class JiraEnvironmentType(StrEnum):
    """The environment types Jira knows (Atlassian: `details[].environment.type`)."""

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
    """One value a flag can take, with whom it is given to individually.

    `configurations` is free text handed to applications as it is, usually JSON; None where there is none.
    """

    name: str
    description: str = ""
    configurations: str | None = None
    keys: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """A share of traffic, in whole percent, that is given one treatment."""

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
    """One test of a targeting rule: of the key itself, or of `attribute` where it is set.

    Which of the value fields is filled depends on `type`; `flagpost.flags.matchers` says which. Every other is None.
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
    """A targeting rule: where all `matchers` match, traffic is shared out by `buckets`."""

    matchers: tuple[Matcher, ...]
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A flag's set-up in one environment.

    `traffic_allocation` (limit exposure) is in whole percent. `default_treatment` is served when the flag is killed
    and to traffic left out by limit exposure. `default_rule` is for everyone that no rule matched. Each of the
    `prerequisites` must be met before anything else is looked at, individual targets too. `impressions_disabled` asks
    SDKs not to report whom they gave which treatment.
    """

    treatments: tuple[Treatment, ...]
    default_treatment: str
    default_rule: tuple[Bucket, ...]
    rules: tuple[Rule, ...] = ()
    traffic_allocation: int = 100
    baseline_treatment: str | None = None
    prerequisites: tuple[Depends, ...] = ()
    impressions_disabled: bool = False
