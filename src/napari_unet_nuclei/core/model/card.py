"""Model cards: everything needed to run, judge and credit a model, readable without PyTorch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationError, model_validator

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.classes.coding import MOST_CLASSES
from napari_unet_nuclei.core.errors import ModelFileError, SettingsError
from napari_unet_nuclei.core.files.regular import open_regular
from napari_unet_nuclei.core.image.kind import InputName, NetworkInputs
from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.image.sample import Scaling
from napari_unet_nuclei.core.labels.decode import SPLIT
from napari_unet_nuclei.core.labels.score import Scoring
from napari_unet_nuclei.core.model.architecture import CLASS_HEADS, DECODED_HEADS, Architecture
from napari_unet_nuclei.core.model.onnx_design import OnnxDesign
from napari_unet_nuclei.core.model.part import Part
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.settings_base import first_problem

ACCEPTED = "Accepted are .safetensors files that napari-unet-nuclei wrote."
LARGEST_FILE = 2**30
LARGEST_HEADER = 2**24
"""Bytes; larger files and headers are rejected unread."""

LONGEST_NAME = 80

_NAME = rf"^[A-Za-z0-9][A-Za-z0-9 ._-]{{0,{LONGEST_NAME - 1}}}$"

NOT_TRAINABLE = (
    "'{name}' comes from elsewhere as an ONNX graph, which runs but cannot be trained or fine-tuned. Start from a "
    "model of this program, such as 'nuclei'."
)

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

INSTANCE_INPUTS: tuple[InputName, ...] = ("nuclei", "density")
"""Default inputs of networks for nuclei."""
TaskName = Literal["instances", "semantic"]
"""What a model predicts: nuclei one by one, or the class of every pixel."""


def check_model_name(name: str) -> None:
    """Raise SettingsError if a text cannot be the name of a model, before anything is computed for it."""
    if not re.fullmatch(_NAME, name):
        raise SettingsError(
            f"'{name}' cannot be a model's name: it starts with a letter (A to Z) or a digit, followed by letters, "
            f"digits, blanks, '.', '_' and '-', {LONGEST_NAME} characters at most."
        )


class Thresholds(Part):
    """Decoding thresholds fitted with the model."""

    foreground: float = Field(0.5, ge=0.01, le=0.99, description="Probability above which a pixel is foreground.")
    split: float = Field(
        SPLIT, ge=0.01, le=0.99, description="Notch depth, in distance minus border, that separates nuclei."
    )
    min_size: float = Field(16.0, ge=0, le=1_000_000, description="Smallest area in px² at the model's own scale.")
    score: float = Field(0.0, ge=0, le=0.99, description="Least score of a nucleus.")

    @model_validator(mode="before")
    @classmethod
    def _of_seeds(cls, values: object) -> object:
        """Read thresholds of cards from before notches and scores."""
        if not isinstance(values, dict):
            return values
        read = {name: value for name, value in values.items() if name != "seed"}  # nothing corresponds to it
        if "certainty" in read:
            read.setdefault("score", read.pop("certainty"))  # the score of cards without coefficients
        return read


Diameters = Annotated[tuple[Annotated[float, Field(gt=0, le=10_000)], ...], Field(max_length=256)]


class Fitted(Part):
    """Values fitted to images of one kind."""

    thresholds: Thresholds = Thresholds()
    score: Scoring | None = Field(None, description="Coefficients of the score of a nucleus.")
    taught: Diameters = Field((), description="Expected nucleus diameters in image pixels.")


class Credit(Part):
    """Name, licence and authors of a data set."""

    name: str = Field(description="Name of the data set, for instance of its folder.")
    licence: str = ""
    credit: str = Field("", description="Title, authors and place of publication.")


class DataSource(Credit):
    """A data set that weights were trained on."""

    images: int = Field(0, description="Training images; 0 if all were used for validation only.")
    nuclei: int = 0
    through: str = Field("", description="Model in whose training they were used; empty for this model.")

    @property
    def title(self) -> str:
        """Credit and name."""
        if not self.credit or self.credit == self.name:
            return self.name
        return f"{self.credit} ({self.name})" if self.name else self.credit

    @property
    def extent(self) -> str:
        """Numbers of images and nuclei, and the model they were used for."""
        parts = (
            quantity(self.images, "image") if self.images else "",
            quantity(self.nuclei, "nucleus", "nuclei") if self.nuclei else "",
            f"through {self.through}" if self.through else "",
        )
        return ", ".join(part for part in parts if part)

    def __str__(self) -> str:
        """Title, licence and extent in one line."""
        return "; ".join(part for part in (self.title, self.licence or "licence not stated", self.extent) if part)


class TrainingRecord(Part):
    """Origin of the weights."""

    datasets: tuple[DataSource, ...] = Field(
        (), description="Data sets of this training, then those of the models it started from."
    )
    split: str = ""
    images: int = 0
    nuclei: int = 0
    seed: int = 0
    steps: int = 0
    seconds: float = 0.0
    commit: str = ""
    command: str = ""
    data_hash: str = Field("", description="SHA-256 of images, labels, reviewed regions; fine-tuning only.")
    settings: dict[str, str | bool | int | float] = Field(
        default_factory=dict, description="Settings; fine-tuning only."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_single_dataset(cls, values: Any) -> Any:
        """Read records of earlier versions, which named a single data set with its licence."""
        if not isinstance(values, Mapping) or not {"dataset", "data_licence"} & values.keys():
            return values
        record = {name: value for name, value in values.items() if name not in ("dataset", "data_licence")}
        name, licence = values.get("dataset", ""), values.get("data_licence", "")
        if name or licence:
            source = {"name": name, "licence": licence}
            source |= {count: values[count] for count in ("images", "nuclei") if count in values}
            record["datasets"] = (source, *record.get("datasets", ()))
        return record


def _kind_of_earlier_versions(kind: object) -> object:
    """Return the present name of a kind of image: bright field was called stained."""
    return "brightfield" if kind == "stained" else kind


def _network_kind(value: object) -> str:
    """Tell a network from elsewhere by the key that only it has."""
    return "onnx" if isinstance(value, OnnxDesign) or (isinstance(value, dict) and "runtime" in value) else "unet"


Network = Annotated[
    Annotated[Architecture, Tag("unet")] | Annotated[OnnxDesign, Tag("onnx")], Discriminator(_network_kind)
]
"""A U-Net of this program, or a network from elsewhere."""

CardKind = Annotated[ImageKind, BeforeValidator(_kind_of_earlier_versions)]


class ModelCard(Part):
    """The card in the header of a model file."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=_NAME, description="Name in the pickers.")
    description: str = ""
    task: TaskName = Field("instances", description="Nuclei one by one, or the class of every pixel.")
    classes: tuple[Annotated[str, Field(min_length=1, max_length=80)], ...] = Field(
        (), max_length=MOST_CLASSES, description="Names of the classes by their ids from 0; empty for nuclei."
    )
    image_kind: CardKind = Field("fluorescence", description="Images the model is for.")
    architecture: Network = Architecture()
    inputs: tuple[InputName, ...] = Field(
        (),
        max_length=64,
        description="What each input channel shows; empty for the nuclear signal where there is one input, else for "
        "the image's own channels.",
    )
    diameter: float = Field(22.0, gt=0, le=1000, description="Nucleus diameter in pixels that the model expects.")
    taught: Diameters = Field((), description="Nucleus diameters in image pixels to expect, once fine-tuned.")
    percentiles: tuple[float, float] = Field(
        (1.0, 99.8), description="Percentiles of the intensity that become 0 and 1."
    )
    thresholds: Thresholds = Thresholds()
    score: Scoring | None = Field(
        None, description="Coefficients of a nucleus's score; without them it is the mean foreground."
    )
    other_kinds: dict[CardKind, Fitted] = Field(
        default_factory=dict, description="Values for the kinds of images added by fine-tuning."
    )
    training: TrainingRecord = TrainingRecord()
    metrics: dict[str, float] = Field(
        default_factory=dict, description="Measured scores; their names include the data."
    )
    limits: str = Field("", description="Where the model is known to fail.")
    licence: str = ""
    parent: str = Field("", description="Name and hash of the model that this one was fine-tuned from.")
    weights_hash: str = Field("", description="SHA-256 over names, shapes and bytes of all tensors.")

    @property
    def purpose(self) -> str:
        """Purpose of the model in a few words."""
        if self.classes:
            return f"tells {len(self.classes)} classes"
        if isinstance(self.architecture, OnnxDesign):
            return "from elsewhere, reads images as they are"
        return f"for {' and '.join(self.kinds)} images"

    @property
    def tells_size(self) -> bool:
        """True if the network predicts the size of nuclei."""
        return "size" in self.architecture.heads

    @property
    def scaling(self) -> Scaling:
        """How the network wants intensities."""
        return self.architecture.preprocessing if isinstance(self.architecture, OnnxDesign) else self.percentiles

    @property
    def reads_as_it_is(self) -> bool:
        """True if images are read as they are, bright backgrounds and dark ones, unless the user says otherwise."""
        return self.task == "semantic" or isinstance(self.architecture, OnnxDesign)

    @property
    def is_trainable(self) -> bool:
        """True for networks of this program, which training and fine-tuning can start from."""
        return isinstance(self.architecture, Architecture)

    @property
    def trainable(self) -> Architecture:
        """The network of this program; raise ModelFileError for a network from elsewhere."""
        if not isinstance(self.architecture, Architecture):
            raise ModelFileError(NOT_TRAINABLE.format(name=self.name))
        return self.architecture

    @property
    def network_inputs(self) -> NetworkInputs:
        """Inputs of the network."""
        channels = self.architecture.in_channels
        if self.task == "instances" and channels == 1:
            return NetworkInputs(("nuclei",))
        return NetworkInputs(self.inputs, channels)

    @property
    def kinds(self) -> tuple[ImageKind, ...]:
        """Kinds of images the model is for: the original one, then those added by fine-tuning."""
        return (self.image_kind, *self.other_kinds)

    @property
    def sources(self) -> tuple[DataSource, ...]:
        """Data sets of this model, as listed on the card of a model that starts from it."""
        return tuple(
            source.model_copy(update={"through": source.through or self.name}) for source in self.training.datasets
        )

    @property
    def measured(self) -> dict[str, str]:
        """Metrics as text, those before and after fine-tuning side by side."""
        texts: dict[str, str] = {}
        for name, value in self.metrics.items():
            what, _, when = name.rpartition(" ")
            if when == "before" and f"{what} after" in self.metrics:
                texts[what] = f"{_spell(value)} → {_spell(self.metrics[f'{what} after'])}"
            elif when != "after" or f"{what} before" not in self.metrics:
                texts[name] = _spell(value)
        return texts

    def for_kind(self, kind: ImageKind) -> ModelCard:
        """Return the card with the thresholds, score and expected sizes for one kind of image."""
        fitted = self.other_kinds.get(kind)
        return self.model_copy(update=dict(fitted)) if fitted else self

    def fitted(self, kind: ImageKind, **values: object) -> ModelCard:
        """Return a card with new values of `Fitted` for one kind of image."""
        if kind == self.image_kind:
            return self.model_copy(update=values)
        known = self.other_kinds.get(kind, Fitted(thresholds=self.thresholds, score=self.score))
        return self.model_copy(update={"other_kinds": {**self.other_kinds, kind: known.model_copy(update=values)}})

    @model_validator(mode="after")
    def _heads_fit_task(self) -> ModelCard:
        architecture = self.architecture
        if self.task == "semantic" and architecture.heads != CLASS_HEADS:
            raise ValueError("a model for classes has the head 'classes' and no other")
        missing = [head for head in DECODED_HEADS if head not in architecture.heads]
        if self.task == "instances" and missing:
            raise ValueError(f"a model for nuclei needs the heads {', '.join(missing)}")
        if len(self.classes) != architecture.classes or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"the network has {architecture.classes} classes: as many different names are needed")
        if self.inputs and (self.task == "semantic" or len(self.inputs) != architecture.in_channels):
            raise ValueError(f"the network for {self.task} has {architecture.in_channels} inputs, not {self.inputs}")
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError("the percentiles must rise, from 0 at least to 100 at most")
        return self


def _spell(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"


def _printable(value: Any) -> Any:
    r"""Replace in all texts of a JSON value what neither screen nor file can show: control characters, half characters.

    Escape sequences would act on the terminal that shows a card.

    Examples
    --------
    >>> _printable({"text": ["\x1b[2J", "8–120 µm\n"]})
    {'text': ['�[2J', '8–120 µm\n']}
    """
    if isinstance(value, str):
        return _UNPRINTABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_printable(one) for one in value]
    if isinstance(value, dict):
        return {_printable(name): _printable(one) for name, one in value.items()}
    return value


@checked
def read_card(path: Path | str) -> ModelCard:
    """Read the card of a model file without reading its weights.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file: 8 bytes with the length of a JSON header, the header, the tensors.

    Raises
    ------
    ModelFileError
        If the file is missing, not a model file, too large, damaged, or has no card that this version understands.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise ModelFileError(
            f"{path.name} is not a model file. {ACCEPTED} Files such as .pt, .pth and .h5 can run code when they "
            "are opened, so they are never loaded."
        )
    try:
        size = path.stat().st_size
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
            # Before anything is read: a damaged length could ask for any amount of memory.
            if size > LARGEST_FILE or length > min(LARGEST_HEADER, size):
                raise ModelFileError(f"{path} is damaged or too large for a model file. {ACCEPTED}")
            header = json.loads(file.read(length))
        text = header["__metadata__"]["card"]
    except OSError as error:
        raise ModelFileError(f"The model file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path} has no model card, so it cannot be used. {ACCEPTED}") from error
    return card_of(text, path)


def card_of(text: str, path: Path) -> ModelCard:
    """Read a card from its JSON text, which ``path`` holds; raise ModelFileError if it is none, or not understood."""
    try:
        return ModelCard.model_validate_json(json.dumps(_printable(json.loads(text))))
    except ValidationError as error:
        raise ModelFileError(
            f"The model card in {path} cannot be used ({first_problem(error)}). It may need a newer version."
        ) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path} has no model card, so it cannot be used. {ACCEPTED}") from error
