"""A page with the card of a model: purpose, accuracy, known limits, and origin."""

from __future__ import annotations

from html import escape
from typing import Any

from qtpy.QtGui import QTextOption
from qtpy.QtWidgets import QTextBrowser, QWidget

from napari_unet_nuclei.core.model.card import ModelCard, Thresholds
from napari_unet_nuclei.core.model.onnx_design import OnnxDesign
from napari_unet_nuclei.core.model.registry import ModelEntry

ORIGINS = {True: "Bundled with the program.", False: "Your own model."}
NARROWEST = 290
"""Pixels; a narrower page would break the rows of a card into syllables."""

NOT_STATED = "not stated"
RESCALED = "images are rescaled so that nuclei have this diameter"
NOT_RESCALED = "images are taken to show this, and rescaled where you give another diameter"
TASKS = {"instances": "individual nuclei", "semantic": "the class of every pixel"}

Rows = list[tuple[str, str]]


class CardView(QTextBrowser):
    """A model's card as a page whose text can be selected and copied."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenLinks(False)  # a card may come from anywhere
        self.setAcceptDrops(False)  # the dock imports dropped files
        self.setMinimumWidth(NARROWEST)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)

    def show_entry(self, entry: ModelEntry | None) -> None:
        """Show the card of a model, scrolled to its top; an empty page for None."""
        self.setHtml(card_page(entry) if entry else "")


def card_page(entry: ModelEntry) -> str:
    """Return a card as HTML; all its text is escaped."""
    card = entry.card
    return "".join(
        (
            f"<h3 style='margin-bottom: 2px'>{escape(card.name)}</h3>",
            _paragraph(ORIGINS[entry.bundled]),
            _paragraph(card.description),
            _table(_purpose(card)),
            _title("Known limits"),
            _paragraph(card.limits or NOT_STATED),
            _title("Measured"),
            _measured(card) or _paragraph(NOT_STATED),
            _title("Training data"),
            _table(_training(card)),
            _title("Made by"),
            _paragraph(card.training.command or NOT_STATED),
            _paragraph(card.training.commit and f"at commit {card.training.commit}"),
            _title("Thresholds fitted with it"),
            _table(_thresholds(card)),
            _title("Network"),
            _table(_network(card)),
            _title("Hash of the weights (SHA-256)"),
            _paragraph(card.weights_hash),
            _title("File"),
            _paragraph(str(entry.path)),
        )
    )


def _purpose(card: ModelCard) -> Rows:
    """Return the rows that users look for first."""
    classes = ", ".join(f"{number} {name}" for number, name in enumerate(card.classes))
    nuclei = f"{card.diameter:g} px: {RESCALED if card.tells_size else NOT_RESCALED}"
    rows = [
        ("Finds", TASKS[card.task]),
        ("Classes", classes) if classes else ("Diameter", nuclei),
        ("Images", "read as they are" if isinstance(card.architecture, OnnxDesign) else card.image_kind),
        ("Taught", _taught(card)),
        ("Channels", str(card.architecture.in_channels)),
        ("Licence", card.licence or NOT_STATED),
        ("Parent", card.parent or "none: trained from scratch"),
    ]
    return [(name, text) for name, text in rows if text]


def _taught(card: ModelCard) -> str:
    """Return what fine-tuning added; empty without it."""
    parts = []
    for kind in card.kinds:
        sizes = card.for_kind(kind).taught
        leaning = f" of {min(sizes):g} to {max(sizes):g} px, to which the automatic size leans" if sizes else ""
        if leaning or kind != card.image_kind:
            parts.append(f"nuclei in {kind} images{leaning}")
    return "; ".join(parts)


def _measured(card: ModelCard) -> str:
    """Return tables of the figures, grouped by their prefix, as in "validation, tissue: AP@0.5"."""
    groups: dict[str, Rows] = {}
    for name, value in card.measured.items():
        part, _, figure = name.rpartition(": ")
        groups.setdefault(part, []).append((figure, value))
    return "".join(_paragraph(part) + _table(rows, name="{}", value="<b>{}</b>") for part, rows in groups.items())


def _training(card: ModelCard) -> Rows:
    """Return the rows on the training data."""
    record = card.training
    stated = {
        "Split": record.split,
        "Images": f"{record.images:,}" if record.images else "",
        "Nuclei": f"{record.nuclei:,}" if record.nuclei else "",
        "Steps": f"{record.steps:,}" if record.steps else "",
        "Time": f"{record.seconds / 60:,.0f} min" if record.seconds else "",
        "Seed": str(record.seed) if record.steps else "",
    }
    data = [("Data", str(source)) for source in record.datasets] or [("Data", NOT_STATED)]
    return [*data, *((name, text) for name, text in stated.items() if text)]


def _network(card: ModelCard) -> Rows:
    """Return the rows on the architecture, named as in the card."""
    if isinstance(card.architecture, OnnxDesign):
        return list(card.architecture.described.items())
    parts: dict[str, Any] = {**card.architecture.model_dump(mode="json"), "percentiles": card.percentiles}
    return [(name.replace("_", " "), _text(value)) for name, value in parts.items()]


def _thresholds(card: ModelCard) -> Rows:
    """Return the thresholds fitted for each kind of image."""
    return [
        row
        for kind in card.kinds
        for row in _thresholds_of(card.for_kind(kind).thresholds, "" if kind == card.image_kind else f", {kind}")
    ]


def _thresholds_of(fitted: Thresholds, kind: str) -> Rows:
    return [
        (f"Foreground{kind}", f"{fitted.foreground:g}"),
        (f"Split touching{kind}", f"{fitted.split:g}"),
        (f"Drop doubtful{kind}", f"score below {fitted.score:g}"),
        (f"Smallest nucleus{kind}", f"{fitted.min_size:g} px² at the model's scale"),
    ]


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _title(text: str) -> str:
    return f"<h4 style='margin-top: 14px; margin-bottom: 2px'>{text}</h4>"


def _paragraph(text: str) -> str:
    return f"<p style='margin-top: 2px; margin-bottom: 6px'>{escape(text)}</p>" if text else ""


def _table(rows: Rows, name: str = "<b>{}</b>", value: str = "{}") -> str:
    cells = "".join(
        f"<tr><td>{name.format(escape(first))}&nbsp;&nbsp;</td><td>{value.format(escape(second))}</td></tr>"
        for first, second in rows
    )
    return f"<table cellspacing='0' cellpadding='1' style='margin-top: 4px'>{cells}</table>"
