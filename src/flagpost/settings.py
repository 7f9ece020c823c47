"""Every setting. Each is an environment variable ``FLAGPOST_…``, listed in `docs/reference/settings.md`."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from flagpost.errors import SetupError


class Settings(BaseSettings):
    """The settings of an operator. Times are in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="FLAGPOST_", extra="forbid", frozen=True)

    database_url: str = Field("sqlite:///flagpost.db", description="The database: SQLite or PostgreSQL.")
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="The port to listen on; 0 takes any free one.")
    base_url: str = Field(
        "", description="The address at which browsers and Jira reach Flagpost; default http://host:port."
    )
    trusted_proxies: str = Field(
        "", description="Addresses of the reverse proxies whose X-Forwarded-* headers are trusted, separated by commas."
    )
    secret_keys: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        description="Keys that encrypt secrets at rest (Fernet), the newest first, separated by commas. "
        "By default, Flagpost creates a key and stores it in a file beside the SQLite database.",
    )
    bootstrap_admin_key: SecretStr | None = Field(
        None, description="An admin API key to create at the first start, for unattended set-up."
    )
    session_days: int = Field(14, ge=1, le=365, description="A session ends after this many days without a request.")
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_format: str = Field("text", pattern="^(text|json)$", description="text or json.")

    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="The bearer token for /metrics; without it, only requests from this machine are answered.",
    )
    worker_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="The port on which a worker answers /healthz, /readyz and /metrics; by default it does not listen.",
    )
    traces: bool = Field(False, description="Record OpenTelemetry traces and send them to OTEL_EXPORTER_OTLP_ENDPOINT.")
    stop_seconds: int = Field(
        30, ge=2, le=3600, description="A process ends within this time after SIGTERM, even if work is unfinished."
    )

    atlassian_api_url: str = Field(
        "https://api.atlassian.com",
        description="The address of Atlassian's API; tokens and flags are sent to no other address.",
    )
    forge_jwks_url: str = Field(
        "https://forge.cdn.prod.atlassian-dev.net/.well-known/jwks.json",
        description="The public keys that verify Forge invocation tokens.",
    )
    forge_app_id: str = Field("", description="The id of your Forge app: ari:cloud:ecosystem::app/…")
    allow_insecure_jira: bool = Field(
        False, description="Accept plain http for Jira, on loopback addresses only: for the sandbox."
    )
    jira_timeout: float = Field(20.0, gt=0, le=120, description="The limit for the duration of one request to Jira.")
    issue_refresh_seconds: int = Field(
        21_600,
        ge=60,
        description="A connected issue is looked up again after this time if Jira reported no change of it.",
    )
    issue_refresh_budget: int = Field(
        3_000, ge=100, le=20_000, description="The limit of issues of one site that are looked up again in an hour."
    )
    reconciliation_hour: int = Field(
        3,
        ge=-1,
        le=23,
        description="The hour (UTC) at which the flags in Jira are compared with those here daily; -1: only on demand.",
    )
    reconciliation_budget: int = Field(
        5_000,
        ge=1,
        le=50_000,
        description="The limit of flags that one comparison reads; the next one continues from there.",
    )
    delivery_log_days: int = Field(30, ge=1, le=3650, description="The delivery log is kept for this many days.")
    delivery_log_rows: int = Field(
        1_000_000,
        ge=1000,
        description="The limit of rows in the delivery log of an account; the oldest are deleted first.",
    )
    delivery_totals_days: int = Field(
        365, ge=1, le=3650, description="The hourly totals of deliveries are kept for this many days."
    )
    sweep_seconds: float = Field(
        2.0, gt=0, le=60, description="The interval at which the sweep and the periodic tasks look for work."
    )

    traffic_days: int = Field(
        90, ge=1, le=3650, description="The hourly counts of served treatments are kept for this many days."
    )
    stale_flag_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="A flag counts as stale after this many days without traffic, or with one treatment alone.",
    )

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("base_url", "atlassian_api_url")
    @classmethod
    def _strip_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @property
    def public_url(self) -> str:
        """The address at which browsers and Jira reach Flagpost, without a trailing slash."""
        return self.base_url or f"http://{self.host}:{self.port}"

    @property
    def sqlite_file(self) -> Path | None:
        """The database file on SQLite; None on PostgreSQL."""
        return Path(self.database_url.removeprefix("sqlite:///")) if self.database_url.startswith("sqlite") else None


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment. `overrides` that are not None win. SetupError names each invalid one."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        lines = [f"FLAGPOST_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SetupError("Some settings are wrong.\n" + "\n".join(lines)) from None


@lru_cache(maxsize=1)
def documented() -> dict[str, str]:
    """The description of every setting, by the name of its variable, as `docs/reference/settings.md` must list them."""
    return {f"FLAGPOST_{name.upper()}": str(field.description) for name, field in Settings.model_fields.items()}
