"""Segment cell nuclei with a pretrained U-Net: in napari, on the command line, and from Python."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_unet_nuclei.core.blocks.segment import BlockwiseResult
    from napari_unet_nuclei.core.blocks.slide import segment_slide
    from napari_unet_nuclei.core.classes.coding import ClassCoding, ClassCounts
    from napari_unet_nuclei.core.errors import (
        ClusterError,
        DatasetError,
        DeviceError,
        DeviceMemoryError,
        ImageFileError,
        ImageShapeError,
        ModelFileError,
        NoSamplesError,
        NucleiError,
        OutputFileError,
        SettingsError,
        TrainingDivergedError,
        UnknownModelError,
        WorseModelError,
    )
    from napari_unet_nuclei.core.evaluate import ClassEvaluation, Evaluation, evaluate, evaluate_classes
    from napari_unet_nuclei.core.executors.cluster import dask_cluster
    from napari_unet_nuclei.core.executors.executors import Serial, Threads
    from napari_unet_nuclei.core.executors.malloc import keep_freed_memory
    from napari_unet_nuclei.core.finetune.finetune_model import Finetuned
    from napari_unet_nuclei.core.finetune.folders import finetune
    from napari_unet_nuclei.core.folder.record import FileRecord
    from napari_unet_nuclei.core.folder.segment import segment_folder
    from napari_unet_nuclei.core.folder.summary import BatchReport
    from napari_unet_nuclei.core.image.io.image_file import ImageFile
    from napari_unet_nuclei.core.image.io.label_file import LabelFile, read_labels
    from napari_unet_nuclei.core.image.io.read import read_image
    from napari_unet_nuclei.core.image.io.write import write_labels, write_overlay
    from napari_unet_nuclei.core.image.pixel_size import PixelSize
    from napari_unet_nuclei.core.labels.classify.class_file import read_classes, write_classes
    from napari_unet_nuclei.core.labels.classify.nucleus_classes import NucleusClasses
    from napari_unet_nuclei.core.labels.export.annotated import to_anndata
    from napari_unet_nuclei.core.labels.export.meshes import write_meshes
    from napari_unet_nuclei.core.labels.measure.gate import Gate
    from napari_unet_nuclei.core.labels.measure.measure import measure
    from napari_unet_nuclei.core.labels.metrics.comparison import LabelComparison, Scores, compare_labels
    from napari_unet_nuclei.core.model.architecture import Architecture
    from napari_unet_nuclei.core.model.author_notes import AuthorNotes
    from napari_unet_nuclei.core.model.card import ModelCard, read_card
    from napari_unet_nuclei.core.model.file import Model
    from napari_unet_nuclei.core.model.packages.notes import PackageNotes
    from napari_unet_nuclei.core.model.registry import ModelEntry, ModelRegistry, default_registry, load_model
    from napari_unet_nuclei.core.progress import (
        Advanced,
        Cancelled,
        EpochDone,
        Notice,
        Preview,
        Progress,
        Share,
        Silent,
    )
    from napari_unet_nuclei.core.samples.packed_tissue import packed_tissue
    from napari_unet_nuclei.core.samples.synthetic import (
        SampleImage,
        fluorescent_nuclei,
        immunohistochemistry,
        stained_tissue,
        time_series,
        two_channels,
        z_stack,
    )
    from napari_unet_nuclei.core.samples.synthetic_classes import cell_classes, write_class_set
    from napari_unet_nuclei.core.samples.synthetic_movie import dividing_nuclei
    from napari_unet_nuclei.core.segment.result import SegmentResult
    from napari_unet_nuclei.core.segment.run import segment
    from napari_unet_nuclei.core.settings import (
        BatchSettings,
        CellSettings,
        FinetuneSettings,
        SegmentSettings,
        TrackSettings,
        TrainSettings,
    )
    from napari_unet_nuclei.core.settings_base import read_settings
    from napari_unet_nuclei.core.tracking.export.ctc import write_ctc
    from napari_unet_nuclei.core.tracking.export.geff import write_geff
    from napari_unet_nuclei.core.tracking.track import TrackResult, track
    from napari_unet_nuclei.core.train.division import DataSet
    from napari_unet_nuclei.core.train.train_model import train

__version__: str
__all__ = [
    "Advanced",
    "Architecture",
    "AuthorNotes",
    "BatchReport",
    "BatchSettings",
    "BlockwiseResult",
    "Cancelled",
    "CellSettings",
    "ClassCoding",
    "ClassCounts",
    "ClassEvaluation",
    "ClusterError",
    "DataSet",
    "DatasetError",
    "DeviceError",
    "DeviceMemoryError",
    "EpochDone",
    "Evaluation",
    "FileRecord",
    "FinetuneSettings",
    "Finetuned",
    "Gate",
    "ImageFile",
    "ImageFileError",
    "ImageShapeError",
    "LabelComparison",
    "LabelFile",
    "Model",
    "ModelCard",
    "ModelEntry",
    "ModelFileError",
    "ModelRegistry",
    "NoSamplesError",
    "Notice",
    "NucleiError",
    "NucleusClasses",
    "OutputFileError",
    "PackageNotes",
    "PixelSize",
    "Preview",
    "Progress",
    "SampleImage",
    "Scores",
    "SegmentResult",
    "SegmentSettings",
    "Serial",
    "SettingsError",
    "Share",
    "Silent",
    "Threads",
    "TrackResult",
    "TrackSettings",
    "TrainSettings",
    "TrainingDivergedError",
    "UnknownModelError",
    "WorseModelError",
    "__version__",
    "cell_classes",
    "compare_labels",
    "dask_cluster",
    "default_registry",
    "dividing_nuclei",
    "evaluate",
    "evaluate_classes",
    "finetune",
    "fluorescent_nuclei",
    "immunohistochemistry",
    "keep_freed_memory",
    "load_model",
    "measure",
    "packed_tissue",
    "read_card",
    "read_classes",
    "read_image",
    "read_labels",
    "read_settings",
    "segment",
    "segment_folder",
    "segment_slide",
    "stained_tissue",
    "time_series",
    "to_anndata",
    "track",
    "train",
    "two_channels",
    "write_class_set",
    "write_classes",
    "write_ctc",
    "write_geff",
    "write_labels",
    "write_meshes",
    "write_overlay",
    "z_stack",
]

_HOMES = {
    "AuthorNotes": "core.model.author_notes",
    "Advanced": "core.progress",
    "Architecture": "core.model.architecture",
    "BatchReport": "core.folder.summary",
    "BatchSettings": "core.settings",
    "BlockwiseResult": "core.blocks.segment",
    "Cancelled": "core.progress",
    "CellSettings": "core.settings",
    "ClassCoding": "core.classes.coding",
    "ClassCounts": "core.classes.coding",
    "ClassEvaluation": "core.evaluate",
    "ClusterError": "core.errors",
    "LabelComparison": "core.labels.metrics.comparison",
    "DataSet": "core.train.division",
    "DatasetError": "core.errors",
    "DeviceError": "core.errors",
    "DeviceMemoryError": "core.errors",
    "EpochDone": "core.progress",
    "Evaluation": "core.evaluate",
    "FileRecord": "core.folder.record",
    "FinetuneSettings": "core.settings",
    "Finetuned": "core.finetune.finetune_model",
    "Gate": "core.labels.measure.gate",
    "ImageFile": "core.image.io.image_file",
    "LabelFile": "core.image.io.label_file",
    "ImageFileError": "core.errors",
    "ImageShapeError": "core.errors",
    "Model": "core.model.file",
    "ModelCard": "core.model.card",
    "ModelEntry": "core.model.registry",
    "ModelFileError": "core.errors",
    "ModelRegistry": "core.model.registry",
    "NoSamplesError": "core.errors",
    "Notice": "core.progress",
    "NucleiError": "core.errors",
    "NucleusClasses": "core.labels.classify.nucleus_classes",
    "OutputFileError": "core.errors",
    "PackageNotes": "core.model.packages.notes",
    "PixelSize": "core.image.pixel_size",
    "Preview": "core.progress",
    "Progress": "core.progress",
    "SampleImage": "core.samples.synthetic",
    "Scores": "core.labels.metrics.comparison",
    "SegmentResult": "core.segment.result",
    "SegmentSettings": "core.settings",
    "Serial": "core.executors.executors",
    "SettingsError": "core.errors",
    "Share": "core.progress",
    "Silent": "core.progress",
    "Threads": "core.executors.executors",
    "TrackResult": "core.tracking.track",
    "TrackSettings": "core.settings",
    "TrainSettings": "core.settings",
    "TrainingDivergedError": "core.errors",
    "UnknownModelError": "core.errors",
    "WorseModelError": "core.errors",
    "cell_classes": "core.samples.synthetic_classes",
    "compare_labels": "core.labels.metrics.comparison",
    "dask_cluster": "core.executors.cluster",
    "default_registry": "core.model.registry",
    "dividing_nuclei": "core.samples.synthetic_movie",
    "evaluate": "core.evaluate",
    "evaluate_classes": "core.evaluate",
    "finetune": "core.finetune.folders",
    "fluorescent_nuclei": "core.samples.synthetic",
    "immunohistochemistry": "core.samples.synthetic",
    "keep_freed_memory": "core.executors.malloc",
    "load_model": "core.model.registry",
    "measure": "core.labels.measure.measure",
    "packed_tissue": "core.samples.packed_tissue",
    "read_card": "core.model.card",
    "read_classes": "core.labels.classify.class_file",
    "read_image": "core.image.io.read",
    "read_labels": "core.image.io.label_file",
    "read_settings": "core.settings_base",
    "segment": "core.segment.run",
    "segment_folder": "core.folder.segment",
    "segment_slide": "core.blocks.slide",
    "stained_tissue": "core.samples.synthetic",
    "time_series": "core.samples.synthetic",
    "to_anndata": "core.labels.export.annotated",
    "track": "core.tracking.track",
    "train": "core.train.train_model",
    "two_channels": "core.samples.synthetic",
    "write_class_set": "core.samples.synthetic_classes",
    "write_classes": "core.labels.classify.class_file",
    "write_ctc": "core.tracking.export.ctc",
    "write_geff": "core.tracking.export.geff",
    "write_labels": "core.image.io.write",
    "write_meshes": "core.labels.export.meshes",
    "write_overlay": "core.image.io.write",
    "z_stack": "core.samples.synthetic",
}
"""Module of every public name. The names are the interface; modules may move."""


def __getattr__(name: str) -> object:
    """Import a public name on first use, so that importing the package loads neither PyTorch nor napari."""
    if name == "__version__":
        from importlib.metadata import version  # slow to import, and rarely needed

        return version("napari-unet-nuclei")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names too, for completion in shells and notebooks."""
    return sorted({*globals(), *__all__})
