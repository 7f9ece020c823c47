"""Every setting; each is also an environment variable ``FLAGPOST_…``, listed in `docs/reference/settings.md`."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from flagpost.errors import SetupError


class Settings(BaseSettings):
    """What an operator can set. Times are in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="FLAGPOST_", extra="forbid", frozen=True)

    database_url: str = Field("sqlite:///flagpost.db", description="Where the data is: SQLite or PostgreSQL.")
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="The port to listen on; 0 takes any free one.")
    base_url: str = Field("", description="The address people and Jira reach Flagpost at; by default http://host:port.")
    trusted_proxies: str = Field(
        "", description="Addresses of reverse proxies whose X-Forwarded-* headers are believed, separated by commas."
    )
    secret_keys: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        description="Keys that encrypt secrets at rest (Fernet), the newest first, separated by commas. "
        "By default one is made and kept in a file beside the SQLite database.",
    )
    bootstrap_admin_key: SecretStr | None = Field(
        None, description="An admin API key to create at the first start, for unattended set-up."
    )
    session_days: int = Field(
        14, ge=1, le=365, description="After how many days without a visit a person signs in again."
    )
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_format: str = Field("text", pattern="^(text|json)$", description="text or json.")

    metrics_token: SecretStr | None = Field(
        None, min_length=16, description="The bearer token that /metrics takes; without it only this machine reads it."
    )
    worker_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="The port on which a worker answers /healthz, /readyz and /metrics; by default it listens nowhere.",
    )
    traces: bool = Field(
        False, description="Record OpenTelemetry traces and send them where OTEL_EXPORTER_OTLP_ENDPOINT says."
    )
    stop_seconds: int = Field(
        30, ge=2, le=3600, description="Within how long a process that is told to stop has ended, whatever is in hand."
    )

    atlassian_api_url: str = Field(
        "https://api.atlassian.com", description="Where Atlassian's API is; tokens and flags are sent nowhere else."
    )
    forge_jwks_url: str = Field(
        "https://forge.cdn.prod.atlassian-dev.net/.well-known/jwks.json",
        description="The key set that signs Forge invocation tokens.",
    )
    forge_app_id: str = Field("", description="The id of your Forge app: ari:cloud:ecosystem::app/…")
    allow_insecure_jira: bool = Field(
        False, description="Accept plain http for Jira, on loopback addresses only: for the sandbox."
    )
    jira_timeout: float = Field(20.0, gt=0, le=120, description="How long one request to Jira may take.")
    issue_refresh_seconds: int = Field(
        21_600,
        ge=60,
        description="After how long a connected issue is looked up again where no event told of a change.",
    )
    issue_refresh_budget: int = Field(
        3_000, ge=100, le=20_000, description="How many issues of one site are looked up again in an hour at most."
    )
    drift_check_hour: int = Field(
        3,
        ge=-1,
        le=23,
        description="At which hour (UTC) flags are read back from Jira every night, and compared; -1: only when asked.",
    )
    drift_check_budget: int = Field(
        5_000,
        ge=1,
        le=50_000,
        description="How many flags one such check reads at most; the next one goes on from there.",
    )
    push_log_days: int = Field(
        30, ge=1, le=3650, description="For how many days the log of what Jira was told of each flag is kept."
    )
    push_log_rows: int = Field(
        1_000_000, ge=1000, description="How many rows that log has at most; the oldest go first."
    )
    push_sums_days: int = Field(
        365, ge=1, le=3650, description="For how many days the hourly sums of deliveries are kept."
    )
    sweep_seconds: float = Field(
        2.0, gt=0, le=60, description="How often to look for flags that Jira has yet to hear of."
    )

    traffic_days: int = Field(
        90, ge=1, le=3650, description="For how many days it is kept how often each treatment was served, by the hour."
    )
    removal_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="After how many days without traffic, or with one treatment alone, a flag is marked as stale.",
    )

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("base_url", "atlassian_api_url")
    @classmethod
    def _no_slash_at_the_end(cls, value: str) -> str:
        return value.rstrip("/")

    @property
    def public_url(self) -> str:
        """The address people and Jira reach Flagpost at, without a slash at the end."""
        return self.base_url or f"http://{self.host}:{self.port}"

    @property
    def sqlite_file(self) -> Path | None:
        """The database file, where the data is in SQLite."""
        return Path(self.database_url.removeprefix("sqlite:///")) if self.database_url.startswith("sqlite") else None


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment; `overrides` that are not None win. SetupError names each bad one."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        lines = [f"FLAGPOST_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SetupError("Some settings are wrong.\n" + "\n".join(lines)) from None


@lru_cache(maxsize=1)
def documented() -> dict[str, str]:
    """Every setting's variable name and what it is for, as `docs/reference/settings.md` must list them."""
    return {f"FLAGPOST_{name.upper()}": str(field.description) for name, field in Settings.model_fields.items()}
