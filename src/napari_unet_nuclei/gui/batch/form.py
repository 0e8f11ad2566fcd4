"""The choices before a batch run: images, model and size, and what is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_unet_nuclei.core.errors import NucleiError, SettingsError
from napari_unet_nuclei.core.image.io.formats import IMAGE_SUFFIXES
from napari_unet_nuclei.core.image.io.path_list import LIST_SUFFIXES
from napari_unet_nuclei.core.image.io.series import ALL
from napari_unet_nuclei.core.image.layouts.grouping import AUTOMATIC, NONE
from napari_unet_nuclei.core.image.layouts.presets import PRESETS
from napari_unet_nuclei.core.image.words import axes_in_words, possible_axes
from napari_unet_nuclei.core.labels.classify.class_file import read_classes
from napari_unet_nuclei.core.labels.measure.gate import Gate
from napari_unet_nuclei.core.settings import BatchSettings, CellSettings, SegmentSettings, TrackSettings
from napari_unet_nuclei.core.settings_base import titles_of
from napari_unet_nuclei.gui.batch.choices import SINGLE, STACKS, BatchChoices
from napari_unet_nuclei.gui.models.picker import DevicePicker, ModelPicker
from napari_unet_nuclei.gui.settings.settings_form import SettingsForm, field_tooltip
from napari_unet_nuclei.gui.widgets.choice_box import choice_box, fill, keep_narrow
from napari_unet_nuclei.gui.widgets.forms import Folded, Rows, titled
from napari_unet_nuclei.gui.widgets.path_edit import PathEdit
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

SIZE = ("kind", "channel", "diameter")
MEASURED = ("cell", "ring", "gap", "distance_unit", "gate")
"""Settings of what is measured besides the nuclei."""

ADVANCED = ("foreground", "split", "min_size", "score", "flips", "tile")
"""Settings below *More settings*."""

SWITCHES = ("table", "joint_table", "rois", "geojson", "overlay", "parquet", "h5ad", "follow")
"""Optional outputs, two per row."""

SINGLE_READING = 2
"""Entries where the axes can be meant in one way alone: the files', and the same in words."""

AXES_OF_FILES = "as the files say"
"""Choice of the axes that the files state."""

AUTOMATIC_SERIES = "automatic"
"""Choice among the images of a file: all positions, or the first of unlike images."""

RESULTS = "nuclei"
"""Name of the proposed folder for results, beside the images."""

KNOWN = {AUTOMATIC: "automatic, by their names", NONE: "every file by itself"}
"""Choices that need no pattern, in words."""

HOW_TO_TYPE = (
    "Or type what a name looks like, with {channel}, {well}, {row}, {column}, {field}, {plane}, {time}, {plate} and "
    "{name} in it, and * for anything: {well}_s{field}_w{channel}*.tif"
)


class BatchForm(QWidget):
    """The controls of `BatchChoices`."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make_images()
        self.model_picker = ModelPicker()
        self.device_picker = DevicePicker()
        self.size_form = SettingsForm(SegmentSettings, SIZE)
        self.advanced_form = SettingsForm(SegmentSettings, ADVANCED)
        self.measured_form = SettingsForm(BatchSettings, MEASURED)
        self.classes = PathEdit("none: or a file that Measure has saved", _help("classes"))
        self.classes.add_button("File…", "Choose a file of classes of nuclei.", self._ask_classes)
        self.tracks_form = SettingsForm(TrackSettings)
        self.scheduler = _line(
            "none: this computer",
            "Address of a running Dask scheduler, e.g. tcp://host:8786, whose workers segment the images.\n"
            "Anyone who can reach a scheduler can run programs on its workers: see the documentation.",
        )
        self.workers = _number(256, "Processes on this computer that share the work; needs the extra 'distributed'.")
        self.workers.setSpecialValueText("none")
        self.out = PathEdit("a folder for the results", "Folder that labels, tables and the report are written to.")
        self.out.add_button("Folder…", "Choose a folder for the results.", self._ask_out)
        self.labels = choice_box(_help("labels"), titles_of(BatchSettings, "labels"))
        self.switches = {name: self._switch(name, _title(name)) for name in SWITCHES}
        self.overwrite = self._switch("overwrite", "Redo images that are done")
        self.into_image = QCheckBox("Labels into the OME-Zarr images")
        self.into_image.setToolTip(
            "Write labels into the images and plates themselves, as the label image 'nuclei' of each.\n"
            "Possible in NGFF 0.5; labels of others under that name are not replaced."
        )
        self._proposed = ""
        self._lay_out()
        self._connect()
        self._show_plane()
        self.show_axes("", ())
        self.show_series(())

    def _make_images(self) -> None:
        """Create the controls for the images and how to read them."""
        self.images = PathEdit(
            "a folder, files, a list, or a pattern: day*/*.tif",
            "Images to segment: a folder, files, a pattern, or a text file with one of these per line.\n"
            "They can also be dropped here.\n"
            f"Formats: {', '.join(sorted(IMAGE_SUFFIXES))} and OME-Zarr folders.",
        )
        self.images.add_button("Folder…", "Choose a folder of images.", self._ask_folder)
        self.images.add_button("Files…", "Choose image files.", self._ask_files)
        self.recursive = self._switch("recursive", "Include subfolders")
        self.stacks = choice_box(
            f"{field_tooltip(SegmentSettings, 'planes')}\n"
            "Or one plane; for stacks with several axes choose along which.",
            {one: one for one in STACKS},
        )
        self.plane = _number(99_999, "Index of the plane or time point in every stack, from 0.")
        self.channels = ChannelsBox()
        self.series = choice_box(_help("series"), {"": AUTOMATIC_SERIES})
        self.axes = choice_box(
            "What the axes of the images are, if their files say it wrongly: planes, time or channels.",
            {"": AXES_OF_FILES},
        )
        self.facts_label = Sentence()

    def _switch(self, name: str, title: str) -> QCheckBox:
        box = QCheckBox(title)
        box.setToolTip(_help(name))
        box.setChecked(bool(BatchSettings.model_fields[name].default))
        box.toggled.connect(self.changed)
        return box

    def _lay_out(self) -> None:
        stacks = QHBoxLayout()
        stacks.addWidget(self.stacks, stretch=1)
        stacks.addWidget(self.plane)
        others = Rows(("Scheduler", self.scheduler), ("Workers", self.workers))
        advanced = Folded(
            "More settings", "Thresholds, and settings that rarely need a change.", self.advanced_form, others
        )
        switches = QGridLayout()
        for number, box in enumerate(self.switches.values()):
            switches.addWidget(box, number // 2, number % 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        images = Rows(
            ("", self.images),
            ("", self.recursive),
            ("Channel files", self.channels),
            ("Stacks", stacks),
            ("Axes", self.axes),
            ("Series", self.series),
        )
        self._images_box = images
        layout.addWidget(titled("Images", images, self.facts_label))
        model = Rows(("Model", self.model_picker), ("Device", self.device_picker))
        self.measured_box = Folded(
            "Cells, rings, gate and classes",
            "What is measured around the nuclei, which of them count as positive, and what classes they have.",
            self.measured_form,
            Rows((_title("classes"), self.classes)),
        )
        layout.addWidget(titled("Nuclei", model, self.size_form, advanced, self.measured_box))
        self.tracks_box = Folded(
            "How nuclei are followed", "The defaults suit most movies; see the dock Follow over time.", self.tracks_form
        )
        self._results_box = Rows(
            ("Folder", self.out),
            ("Labels", self.labels),
            ("", self.into_image),
            ("", switches),
        )
        layout.addWidget(titled("Results", self._results_box, self.tracks_box, self.overwrite))
        self._show_tracks()
        self.show_zarr(there=False)

    def _connect(self) -> None:
        self.images.changed.connect(self._propose_out)
        self.stacks.currentIndexChanged.connect(self._show_plane)
        self.switches["follow"].toggled.connect(self._show_tracks)
        for signal in (
            self.images.changed,
            self.stacks.currentIndexChanged,
            self.plane.valueChanged,
            self.channels.editTextChanged,
            self.series.currentIndexChanged,
            self.axes.currentIndexChanged,
            self.scheduler.textChanged,
            self.workers.valueChanged,
            self.model_picker.valueChanged,
            self.device_picker.valueChanged,
            self.size_form.valueChanged,
            self.advanced_form.valueChanged,
            self.measured_form.valueChanged,
            self.classes.changed,
            self.tracks_form.valueChanged,
            self.into_image.toggled,
            self.out.changed,
            self.labels.currentIndexChanged,
        ):
            signal.connect(self.changed)

    def problem(self) -> str:
        """Return why nothing can be run; empty if it can."""
        if not self.images.value():
            return "Choose a folder of images, or files."
        if not self.out.value():
            return "Choose a folder for the results."
        if not self.model_picker.has_models:
            return "No model is installed: install the package again, or import a model file."
        try:
            self.choices()
        except NucleiError as error:
            return str(error)
        return ""

    def choices(self) -> BatchChoices:
        """Return the choices.

        Raises
        ------
        SettingsError
            If a value is invalid.
        """
        settings: SegmentSettings = self.advanced_form.value().changed(
            **self.size_form.shown(), device=self.device_picker.value()
        )
        if self.scheduler.text().strip() and self.workers.value():
            raise SettingsError("Give the address of a scheduler, or a number of workers, not both.")
        switches = {name: box.isChecked() for name, box in self.switches.items()}
        tracks = self.tracks_form.shown() if switches["follow"] else TrackSettings().model_dump()
        batch: BatchSettings = self.measured_form.value().changed(
            recursive=self.recursive.isChecked(),
            series=self.series.currentData(),
            classes=self.classes.value(),
            channels=self.channels.value(),
            labels=self.labels.currentData(),
            overwrite=self.overwrite.isChecked(),
            **switches,
            **tracks,
        )
        # Whose messages say what is wrong with them.
        if batch.gate:
            Gate.of(batch.gate)
        if batch.classes:
            read_classes(batch.classes)
        return BatchChoices(
            images=self.images.value(),
            out=self.out.value(),
            model=self.model_picker.value(),
            stacks=self.stacks.currentData(),
            plane=self.plane.value(),
            axes=self.axes.currentData(),
            scheduler=self.scheduler.text().strip(),
            workers=self.workers.value(),
            into_image=self.into_image.isChecked(),
            settings=settings,
            batch=batch,
        )

    def setValue(self, choices: BatchChoices) -> None:
        """Show remembered choices."""
        self.images.setValue(choices.images)
        self.out.setValue(choices.out)
        self.model_picker.setValue(choices.model)
        self.device_picker.setValue(choices.settings.device)
        self.stacks.setCurrentIndex(max(self.stacks.findData(choices.stacks), 0))
        self.plane.setValue(choices.plane)
        self._offer_series((), choices.batch.series)
        self._offer_axes("", (), choices.axes)
        self.scheduler.setText(choices.scheduler)
        self.workers.setValue(choices.workers)
        self.size_form.setValue(choices.settings)
        self.advanced_form.setValue(choices.settings)
        self.measured_form.setValue(choices.batch)
        self.classes.setValue(choices.batch.classes)
        self.tracks_form.setValue(choices.batch.tracking)
        self.into_image.setChecked(choices.into_image)
        self.channels.setValue(choices.batch.channels)
        self.labels.setCurrentIndex(max(self.labels.findData(choices.batch.labels), 0))
        for name, box in {**self.switches, "recursive": self.recursive, "overwrite": self.overwrite}.items():
            box.setChecked(bool(getattr(choices.batch, name)))

    def take_settings(self, settings: SegmentSettings, model: str) -> None:
        """Show model and settings of an image that was segmented."""
        self.model_picker.setValue(model)
        self.device_picker.setValue(settings.device)
        for form in (self.size_form, self.advanced_form):
            form.setValue(settings)

    def take_measured(self, around: CellSettings, gate: str, classes: Path | None = None) -> None:
        """Show what is measured around nuclei, and what is told of them, as an image was measured; unfold it."""
        shown: BatchSettings = self.measured_form.value().changed(**around.model_dump(), gate=gate)
        self.measured_form.setValue(shown)
        self.classes.setValue("" if classes is None else str(classes))
        self.measured_box.expand(animate=False)

    def show_series(self, listed: Sequence[str]) -> None:
        """Offer a choice among the images of a file, which are listed in words."""
        self._offer_series(listed, self.series.currentData())
        self._images_box.set_visible(self.series, len(listed) > 1 or bool(self.series.currentData()))

    def show_axes(self, axes: str, shape: Sequence[int]) -> None:
        """Offer what the axes of the images may be, other than their files say."""
        self._offer_axes(axes, shape, self.axes.currentData())
        self._images_box.set_visible(self.axes, self.axes.count() > SINGLE_READING or bool(self.axes.currentData()))

    def _offer_axes(self, axes: str, shape: Sequence[int], chosen: str) -> None:
        offered = {"": AXES_OF_FILES, **{one: axes_in_words(one, shape) for one in possible_axes(axes, shape) if one}}
        offered.setdefault(chosen, chosen)
        fill(self.axes, offered, chosen)

    def _offer_series(self, listed: Sequence[str], chosen: str) -> None:
        """List images to choose among; what is chosen stays so."""
        offered = {"": AUTOMATIC_SERIES, ALL: "all", **{str(number): text for number, text in enumerate(listed)}}
        offered.setdefault(chosen, chosen)
        fill(self.series, offered, chosen)

    def show_zarr(self, *, there: bool) -> None:
        """Offer to write labels into images where some are OME-Zarr; what is chosen can always be taken back."""
        self._results_box.set_visible(self.into_image, there or self.into_image.isChecked())

    def _show_tracks(self) -> None:
        self.tracks_box.setVisible(self.switches["follow"].isChecked())

    def _show_plane(self) -> None:
        self.plane.setVisible(self.stacks.currentData() in SINGLE)

    def _propose_out(self) -> None:
        """Propose a folder beside the images until the user enters another one."""
        first = self.images.value().split(";")[0].strip()
        if not first or self.out.value() != self._proposed:
            return
        path = Path(first).expanduser()
        self._proposed = str((path if path.is_dir() else path.parent) / RESULTS)
        self.out.setValue(self._proposed)

    def _ask_folder(self) -> list[str]:
        return [QFileDialog.getExistingDirectory(self, "Folder of images", self._start())]

    def _ask_files(self) -> list[str]:
        kinds = f"Images ({' '.join(f'*{suffix}' for suffix in sorted(IMAGE_SUFFIXES))})"
        kinds += f";;Lists of paths ({' '.join(f'*{suffix}' for suffix in LIST_SUFFIXES)});;All files (*)"
        chosen, _ = QFileDialog.getOpenFileNames(self, "Images", self._start(), kinds)
        return list(chosen)

    def _ask_classes(self) -> list[str]:
        chosen, _ = QFileDialog.getOpenFileName(self, "Classes of nuclei", self.classes.value(), "Classes (*.json)")
        return [chosen]

    def _ask_out(self) -> list[str]:
        return [QFileDialog.getExistingDirectory(self, "Folder for the results", self.out.value() or self._start())]

    def _start(self) -> str:
        """Return the folder that dialogs open in."""
        return self.images.value().split(";")[0].strip()


def _number(largest: int, tooltip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(0, largest)
    box.setToolTip(tooltip)
    return box


def _line(placeholder: str, tooltip: str) -> QLineEdit:
    edit = QLineEdit()
    edit.setPlaceholderText(placeholder)
    edit.setToolTip(tooltip)
    return edit


def _title(name: str) -> str:
    return str(BatchSettings.model_fields[name].title)


def _help(name: str) -> str:
    return str(BatchSettings.model_fields[name].description)


class ChannelsBox(QComboBox):
    """A box for `BatchSettings.channels`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        keep_narrow(self)
        fill(self, {**KNOWN, **{name: pattern.title for name, pattern in PRESETS.items()}})
        self._show_start()
        self.currentIndexChanged.connect(self._show_start)
        self.setToolTip(f"{BatchSettings.model_fields['channels'].description}\n{HOW_TO_TYPE}")

    def _show_start(self) -> None:
        """Show the beginning of a text that is wider than the box."""
        line = self.lineEdit()
        assert line is not None, "the box is editable"
        line.setCursorPosition(0)

    def value(self) -> str:
        """Return the choice, or the pattern that was typed."""
        text = self.currentText().strip()
        place = self.findText(text)
        return str(self.itemData(place)) if place >= 0 else text or AUTOMATIC

    def setValue(self, value: str) -> None:
        """Show a choice or a pattern."""
        place = self.findData(value)
        if place >= 0:
            self.setCurrentIndex(place)
        else:
            self.setEditText(value)
