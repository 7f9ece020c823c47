"""The base of every request body of the REST API."""

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request body. An unknown field is refused, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid")
