"""The documentation of a package: the card of its model, as text."""

from __future__ import annotations

from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import ModelCard

INPUTS = {
    "nuclei": "the nuclear signal, bright on dark: a fluorescence channel as it is; of stained tissue the density of "
    "haematoxylin (colour deconvolution); of grey transmitted light the optical density",
    "density": "the same as the first in fluorescence and in grey pictures; of stained tissue the mean optical density "
    "of red, green and blue",
}

MAPS = {
    "foreground": "probability that the pixel lies in a nucleus",
    "border": "probability that two nuclei lie within 2 px",
    "distance": "distance to the outline of the nucleus, over its largest value in that nucleus",
    "size": "log2 of the diameter of the nucleus over {diameter:g} px",
}


DECODED = (
    "napari-unet-nuclei makes nuclei of these maps: a threshold on the foreground, then basins of distance minus "
    "border, "
    "joined unless the notch between them is deep. It reads this package back, weights and thresholds unchanged."
)


def readme(card: ModelCard, architecture: Architecture) -> str:
    """Return the card as Markdown."""
    low, high = card.percentiles
    return "\n".join(
        (
            f"# {card.name}",
            "",
            card.description or "A model of napari-unet-nuclei.",
            "",
            "## Use",
            "",
            _purpose(card),
            "",
            *_list("Input channels", _inputs(card, architecture)),
            "",
            f"Percentiles {low:g} and {high:g} of every channel become 0 and 1 (in the package: scale_range).",
            "",
            *_list("Maps", _maps(card, architecture)),
            "",
            DECODED,
            "",
            "## Known limits",
            "",
            card.limits or "Not stated.",
            "",
            "## Validation",
            "",
            *(_list("Measured", [f"{name}: {value}" for name, value in card.measured.items()]) or ["Not stated."]),
            "",
            "To validate the model on images of your own: `napari-unet-nuclei evaluate PREDICTIONS LABELS`.",
            "",
            "## Training data",
            "",
            *(_list("", [str(source) for source in card.training.datasets]) or ["Not stated."]),
            "",
            "## Origin",
            "",
            *_list("", _origin(card)),
            "",
        )
    )


def _purpose(card: ModelCard) -> str:
    if card.classes:
        return f"Tells the class of every pixel: {', '.join(card.classes)}."
    return (
        f"For {' and '.join(card.kinds)} images, scaled so that nuclei have a diameter of about {card.diameter:g} px."
    )


def _inputs(card: ModelCard, architecture: Architecture) -> list[str]:
    names = card.network_inputs.names
    if not names:
        return [f"the image's own channels, {architecture.in_channels} of them"]
    return [f"{name}: {INPUTS[name]}" for name in names]


def _maps(card: ModelCard, architecture: Architecture) -> list[str]:
    if card.classes:
        return [f"{name}: probability of this class" for name in card.classes]
    return [f"{head}: {MAPS[head].format(diameter=card.diameter)}" for head in architecture.heads]


def _origin(card: ModelCard) -> list[str]:
    stated = {
        "Licence": card.licence,
        "Fine-tuned from": card.parent,
        "Made by": card.training.command,
        "Hash of the weights (SHA-256 over names, shapes and bytes)": card.weights_hash,
    }
    return [f"{name}: {text}" for name, text in stated.items() if text]


def _list(title: str, rows: list[str]) -> list[str]:
    if not rows:
        return []
    return [*([f"{title}:", ""] if title else []), *(f"- {row}" for row in rows)]
