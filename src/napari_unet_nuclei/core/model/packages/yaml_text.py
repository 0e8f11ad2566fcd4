"""Read the YAML text of a package: plain values only, and no references, which can grow beyond all bounds."""

from __future__ import annotations

from typing import Any

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.extra import extra_module

MOST_PARTS = 10_000
DEEPEST = 40
PURPOSE = "A BioImage.IO package"


def read_yaml(text: bytes, where: str) -> dict[str, Any]:
    """Return the mapping that a text holds; raise ModelFileError if it is none, refers to itself, or is too large."""
    ruyaml = extra_module("ruyaml", PURPOSE)
    yaml = ruyaml.YAML(typ="safe", pure=True)
    try:
        decoded = text.decode("utf-8")
        depth = 0
        for number, event in enumerate(yaml.parse(decoded)):
            if isinstance(event, ruyaml.events.AliasEvent):
                raise ModelFileError(
                    f"The description in {where} refers to parts of itself (*{event.anchor}), which may unfold to any "
                    "size. Write them out."
                )
            depth += isinstance(event, ruyaml.events.CollectionStartEvent)
            depth -= isinstance(event, ruyaml.events.CollectionEndEvent)
            if number > MOST_PARTS or depth > DEEPEST:
                raise ModelFileError(f"The description in {where} is too long, or nested too deeply, for a model.")
        content = yaml.load(decoded)
    except (ruyaml.error.YAMLError, ValueError, RecursionError, TypeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no YAML"
        raise ModelFileError(f"The description in {where} cannot be read ({first}). Get the package again.") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"The description in {where} describes nothing. Get the package again.")
    return content
