"""What every request body of the REST API has in common."""

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request body: what is not known is refused, so that a misspelt field is not silently left out."""

    model_config = ConfigDict(extra="forbid")
