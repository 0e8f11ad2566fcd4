"""The settings of every verb: one text is docstring, tooltip, ``--help`` and JSON schema."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import field_validator, model_validator

from napari_unet_nuclei.core.settings_base import Former, Settings, choice, number

Planes: TypeAlias = Literal["auto", "volume", "joined", "each", "maximum", "mean"]

PROJECTIONS = ("maximum", "mean")
"""Values of the setting ``planes`` that make one plane of a stack."""

KIND_WORDS = {"automatic": "auto", "bright": "fluorescence", "dark": "brightfield"}
"""Plain words for the values of the setting ``kind``, as commands, files and Python code may give them."""

KIND_OF_INVERT = {"auto": "auto", "yes": "brightfield", "no": "fluorescence"}
"""Values of the setting ``kind`` for those of ``invert``, its predecessor in earlier versions."""


class SegmentSettings(Settings):
    """How an image is segmented. The defaults suit most images; thresholds come with the model."""

    former: ClassVar[Mapping[str, Former]] = {
        "invert": Former(values=tuple(KIND_OF_INVERT)),
        "projection": Former(values=("none", *PROJECTIONS)),
        "seed": Former(
            remedy="'seed' is gone: nuclei that touch are now split by how deep the notch between them is. Leave it "
            "out for the depth that was fitted with the model, or set 'split' (0 to 1; lower splits more)."
        ),
        "certainty": Former(
            remedy="'certainty' is gone: nuclei now have a score, the probability that they are right. Leave it out "
            "for the threshold that was fitted with the model, or set 'score' (0 to 1; higher drops more)."
        ),
    }

    @classmethod
    def in_present_words(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Translate ``invert`` and plain words into a kind, ``projection`` into planes, an empty channel into none."""
        others = {name: value for name, value in values.items() if name not in ("invert", "projection")}
        if "projection" in values:
            meant = "each" if values["projection"] == "none" else values["projection"]
            if others.setdefault("planes", meant) not in ("auto", meant):
                raise ValueError(f"'projection' means planes {meant}, which contradicts planes {others['planes']}")
            others["planes"] = meant
        if isinstance(others.get("kind"), str):
            others["kind"] = KIND_WORDS.get(others["kind"], others["kind"])
        if others.get("channel") == "":
            others["channel_auto"] = True
        if "invert" not in values:
            return others
        kind = KIND_OF_INVERT.get(values["invert"])
        if kind is None:
            raise ValueError("'invert' is yes, no or auto; it has been replaced by 'kind'")
        said = others.get("kind", "auto")
        if "auto" not in (kind, said) and said != kind:
            raise ValueError(f"'invert' {values['invert']} means kind {kind}, which contradicts kind {said}")
        return {**others, "kind": kind if said == "auto" else said}

    @classmethod
    def of_file(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Complete settings from a file: before there was a choice of planes, each was segmented by itself."""
        return dict(values) if {"planes", "projection"} & values.keys() else {**values, "planes": "each"}

    @field_validator("channel", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any) -> Any:
        """Accept channel numbers as integers, as earlier versions wrote them and Python code gives them."""
        return str(value) if isinstance(value, Integral) and not isinstance(value, bool) else value

    channel_auto: bool = choice(
        True,
        "Use the channel that carries the nuclei: the only one, the one whose name says so (DAPI, Hoechst, nuclei, …), "
        "or in colour images the signal that shows them best.",
    )
    channel: str = choice("", "Channel with the nuclei, by name or by number from 0.")
    kind: Literal["auto", "fluorescence", "brightfield"] = choice(
        "auto",
        "Kind of image: bright nuclei on dark (fluorescence), or dark nuclei on bright (brightfield: H&E, IHC, any "
        "other stain, or unstained). Automatic recognises it from the image.",
        title="Kind of image",
        values={
            "auto": "automatic",
            "fluorescence": "bright nuclei on dark (fluorescence)",
            "brightfield": "dark nuclei on bright (H&E, IHC, bright field)",
        },
    )
    diameter_auto: bool = choice(True, "Estimate the typical nucleus diameter from the image.")
    diameter: float = number(
        22.0,
        "Typical nucleus diameter. Images are rescaled so that nuclei have the size that the model was trained on.",
        "px",
        ge=0.01,
        le=5000,
        step=0.5,
        title="Size of a nucleus",
    )
    diameter_unit: Literal["px", "µm"] = choice(
        "px", "Unit of the diameter: image pixels, or µm, which needs the pixel size."
    )
    planes: Planes = choice(
        "auto",
        "Stacks: find nuclei in three dimensions (volume, automatic from two planes on), join those that lie on top of "
        "each other (joined), segment each plane by itself (each), or the maximum or mean of all planes along z.",
        title="Planes of a stack",
        values={
            "auto": "automatic",
            "volume": "as 3-D nuclei",
            "joined": "joined plane by plane",
            "each": "each by itself",
            "maximum": "maximum along z",
            "mean": "mean along z",
        },
    )
    z_spacing_auto: bool = choice(
        True, "Take the distance of the planes from the file; where it is missing, estimate it from round nuclei."
    )
    z_spacing: float = number(1.0, "Distance between the planes of a stack.", "px", ge=0.001, le=100_000, step=0.1)
    z_spacing_unit: Literal["px", "µm"] = choice(
        "µm", "Unit of the distance between planes: µm, which needs the pixel size, or pixels of a plane."
    )
    foreground_auto: bool = choice(True, "Use the threshold fitted with the model.")
    foreground: float = number(
        0.5,
        "Probability above which a pixel belongs to a nucleus. Lower finds dimmer nuclei and widens outlines.",
        ge=0.01,
        le=0.99,
        step=0.01,
        title="Edge",
    )
    split_auto: bool = choice(True, "Use the depth fitted with the model.")
    split: float = number(
        0.4,
        "Split touching nuclei if the notch between them is deeper than this. Lower splits more, higher splits less.",
        ge=0.01,
        le=0.99,
        step=0.01,
        title="Split touching",
    )
    min_size_auto: bool = choice(True, "Use the minimum size fitted with the model, scaled to the image.")
    min_size: int = number(
        20,
        "Drop nuclei with a smaller area; of volumes, those smaller than a ball of this cross-section.",
        "px²",
        ge=0,
        le=1_000_000,
        step=1,
        title="Smallest",
    )
    score_auto: bool = choice(True, "Use the minimum score fitted with the model.")
    score: float = number(
        0.5,
        "Drop doubtful nuclei: those whose probability of being right is below this. Lower keeps more, higher drops "
        "more.",
        ge=0,
        le=0.99,
        step=0.01,
        title="Drop doubtful",
    )
    flips: bool = choice(
        False,
        "Average the network over four mirrored copies: slightly more accurate, four times slower.",
        title="Average four mirror images",
    )
    device: str = choice("auto", "Where the network runs: auto, cpu, cuda, cuda:N, xpu, xpu:N or mps.")
    tile: int = number(
        1536, "Largest side of a tile given to the network; smaller needs less memory.", "px", ge=64, le=8192, step=64
    )


class TrackSettings(Settings):
    """How nuclei are followed from frame to frame."""

    largest_step_auto: bool = choice(True, "Measure how far nuclei move from frame to frame, and allow for it.")
    largest_step: float = number(
        1.0,
        "Farthest that a nucleus moves from one frame to the next.",
        ge=0.01,
        le=1000,
        step=0.1,
    )
    largest_step_unit: Literal["diameters", "µm"] = choice(
        "diameters", "Unit of the largest step: nucleus diameters, or µm, which needs the pixel size."
    )
    bridge: int = number(
        2, "Follow a nucleus on that is not found in up to this many frames in a row.", ge=0, le=20, step=1
    )
    divisions: bool = choice(True, "Find divisions: one nucleus becomes two, which are tracks of their own.")
    shortest_track: int = number(
        1,
        "Leave out tracks of fewer frames, unless they come from a division or end in one; 1 keeps all.",
        ge=1,
        le=10_000,
        step=1,
    )
    correct_drift: bool = choice(
        False, "Take off the movement of the whole field, as when the stage drifts or the dish was put back."
    )


class CellSettings(Settings):
    """Which surroundings of nuclei are measured: their cells, grown from them, and rings around them."""

    cell: float = number(
        0.0,
        "Measure cells, too: each nucleus grown by this distance, without overlap. 0 for no cells.",
        ge=0,
        le=10_000,
        step=0.5,
        title="Grow cells by",
    )
    ring: float = number(
        0.0,
        "Measure a ring of this width around each nucleus. 0 for no ring.",
        ge=0,
        le=10_000,
        step=0.5,
        title="Ring width",
    )
    gap: float = number(
        0.0,
        "Distance between a nucleus and its ring, which blur and the nuclear rim fill.",
        ge=0,
        le=10_000,
        step=0.5,
        title="Gap to the ring",
    )
    distance_unit: Literal["µm", "px"] = choice(
        "µm", "Unit of cell, ring and gap: µm, which needs the pixel size, or image pixels.", title="Unit"
    )

    @model_validator(mode="after")
    def _gap_of_a_ring(self) -> CellSettings:
        """Refuse a gap that would have no effect."""
        if self.gap and not self.ring:
            raise ValueError("a gap needs a ring: give the ring a width, or leave the gap out")
        return self

    @property
    def wanted(self) -> bool:
        """True if there is anything to draw around nuclei."""
        return self.cell > 0 or self.ring > 0


class BatchSettings(CellSettings, TrackSettings):
    """Which images a run over many files takes, and what it writes for them."""

    recursive: bool = choice(True, "Include subfolders.")
    series: str = choice(
        "",
        "Which image to take from files that hold several: its number from 0, its name, or all. "
        "By default all where they are alike, as positions are, and otherwise the first.",
    )
    channels: str = choice(
        "automatic",
        "How files that hold one channel, plane or time point each make up images: a pattern of their names such as "
        "{well}_s{field}_w{channel}.tif, the name of a kind of microscope, automatic where the names are those of a "
        "known one, or none to take every file by itself.",
    )
    labels: Literal["tif", "ome.tif", "ome.zarr"] = choice(
        "tif",
        "File format of the labels. OME-Zarr images and images larger than memory always get OME-Zarr labels.",
        values={"tif": "TIFF", "ome.tif": "OME-TIFF", "ome.zarr": "OME-Zarr"},
    )
    table: bool = choice(True, "Write a table per image, with a row per nucleus (CSV).", title="Table")
    joint_table: bool = choice(
        True, "Write one table of the nuclei of all images (nuclei.csv).", title="One table of all"
    )
    gate: str = choice(
        "",
        "Which nuclei count as positive, by columns of the table: GFP_mean > 500, or several limits with 'and' between "
        "them. Empty for no gate.",
        title="Positive if",
    )
    classes: str = choice(
        "",
        "File of classes of nuclei, as the dock Measure saves them: tells the class of each nucleus by the columns of "
        "the table. Empty for no classes.",
        title="Classes",
    )
    follow: bool = choice(
        False,
        "Follow the nuclei of time series: write the labels with one id per nucleus over time, and a table of tracks.",
        title="Follow over time",
    )
    parquet: bool = choice(False, "Also write the tables as Parquet; needs the package pyarrow.", title="Parquet table")
    h5ad: bool = choice(
        False,
        "Also write the table of the nuclei of all images as AnnData (nuclei.h5ad), for scanpy, squidpy and scimap; "
        "needs the package anndata.",
        title="AnnData",
    )
    rois: bool = choice(False, "Write outlines as ImageJ ROIs, one zip file per image.", title="ImageJ ROIs")
    geojson: bool = choice(False, "Write outlines as GeoJSON for QuPath, one file per image.", title="QuPath GeoJSON")
    overlay: bool = choice(False, "Write a picture of each image with its outlines (PNG).", title="Picture")
    overwrite: bool = choice(False, "Redo images that are already done with the same model and settings.")

    @field_validator("series", mode="before")
    @classmethod
    def _number_or_name(cls, value: Any) -> Any:
        """Take numbers as they are usually written in Python."""
        return str(value) if isinstance(value, Integral) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _anndata_is_of_all(self) -> BatchSettings:
        """Refuse AnnData where there is no table to make it of."""
        if self.h5ad and not self.joint_table:
            raise ValueError("AnnData is made of the table of all nuclei: set 'joint_table' as well")
        return self

    @model_validator(mode="after")
    def _tracks_are_followed(self) -> BatchSettings:
        """Refuse settings of tracks that would have no effect."""
        if not self.follow and self.tracking != TrackSettings():
            raise ValueError("these settings are for nuclei that are followed over time: set 'follow' as well")
        return self

    @property
    def tracking(self) -> TrackSettings:
        """How nuclei are followed, where they are."""
        return TrackSettings(**{name: getattr(self, name) for name in TrackSettings.model_fields})


class TrainSettings(Settings):
    """How a network is trained. Whichever of steps, epochs and time runs out first ends the training."""

    steps_auto: bool = choice(True, "Train until the time limit, whatever the number of steps.")
    steps: int = number(10_000, "Optimiser steps.", "steps", ge=1, le=10_000_000)
    epochs_auto: bool = choice(True, "Train until the time limit, whatever the number of epochs.")
    epochs: int = number(30, "Epochs, each of which ends with a validation.", "epochs", ge=1, le=1_000_000)
    time: float = number(3600.0, "Time limit, at which the learning rate reaches zero.", "s", ge=1, le=2_592_000)
    epoch_steps: int = number(400, "Steps between validations.", "steps", ge=1, le=100_000)
    patience: int = number(30, "Stop after this many validations without improvement.", "epochs", ge=1, le=10_000)
    batch: int = number(8, "Crops per step.", ge=1, le=1024)
    crop: int = number(256, "Side of a training crop.", "px", ge=32, le=2048, step=32)
    learning_rate: float = number(0.002, "Maximum learning rate.", ge=1e-6, le=1.0, step=0.0001)
    weight_decay: float = number(0.0001, "Strength of the pull of the weights towards zero.", ge=0, le=1, step=0.0001)
    augmentation: float = number(1.0, "Strength of the augmentation; 0 only flips and rotates.", ge=0, le=1, step=0.1)
    microscope: float = number(
        1.0,
        "Strength of what another microscope changes (warp, brightness, blur, noise), as a share of the augmentation; "
        "stains keep all of it.",
        ge=0,
        le=1,
        step=0.05,
    )
    layers: Literal["all", "decoder", "heads"] = choice(
        "all", "Layers that are trained; the others keep the weights of the model that training starts from."
    )
    seed: int = number(0, "Random seed. The same seed and thread count reproduce a run.", ge=0, le=2**31 - 1)
    device: str = choice("auto", "Device to train on: auto, cpu, cuda, cuda:N, xpu, xpu:N or mps.")

    @property
    def step_limit(self) -> float:
        """Optimiser steps after which the training ends; infinite where only time ends it."""
        by_steps = math.inf if self.steps_auto else self.steps
        by_epochs = math.inf if self.epochs_auto else self.epochs * self.epoch_steps
        return min(by_steps, by_epochs)


class FinetuneSettings(Settings):
    """How a model is taught corrections. Whichever of steps, epochs and time runs out first ends the training."""

    time: float = number(
        180.0, "Time limit, at which the learning rate reaches zero.", "s", ge=1, le=86_400, step=30, in_minutes=True
    )
    strength: float = number(
        0.8,
        "How far the model may move from the old one, as the maximum share of new weights. Low keeps more of the old "
        "model, high follows the corrections more.",
        ge=0.1,
        le=1.0,
        step=0.1,
    )
    steps_auto: bool = choice(True, "Train until the time limit, whatever the number of steps.")
    steps: int = number(600, "Optimiser steps.", "steps", ge=1, le=1_000_000, step=50)
    epochs_auto: bool = choice(True, "Train until the time limit, whatever the number of epochs.")
    epochs: int = number(10, "Epochs, each of which ends with a validation.", "epochs", ge=1, le=100_000)
    epoch_steps: int = number(50, "Steps between validations.", "steps", ge=1, le=100_000)
    learning_rate: float = number(0.001, "Maximum learning rate.", ge=1e-6, le=1.0, step=0.0001)
    layers: Literal["all", "decoder", "heads"] = choice(
        "all", "Layers that are trained; the others keep the weights of the old model."
    )
    augmentation: float = number(0.7, "Strength of the augmentation; 0 only flips and rotates.", ge=0, le=1, step=0.1)
    rehearsal: bool = choice(
        True, "Mix crops from the bundled model's training data among the corrections, against forgetting."
    )
    seed: int = number(0, "Random seed. The same seed and thread count reproduce a run.", ge=0, le=2**31 - 1)
    device: str = choice("auto", "Device to train on: auto, cpu, cuda, cuda:N, xpu, xpu:N or mps.")
