"""Base of everything on a model card."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base of the parts of a card: frozen, and closed to unknown names."""

    # Infinities and NaN as text: JSON has no numbers for them, and null would be read back as missing.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
