"""The dock *Segment nuclei*: choose an image and a model, run, and adjust thresholds with immediate effect."""

# No `from __future__ import annotations`: napari reads the annotation of the viewer parameter.

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QMainWindow, QVBoxLayout

from napari_unet_nuclei.core.errors import ImageShapeError, NucleiError
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.planes import stack_axis
from napari_unet_nuclei.core.segment.remedy import Remedy
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.segment.form import SegmentChoices, SegmentForm, not_automatic
from napari_unet_nuclei.gui.segment.job import NOTHING_CARRIED, Carried, EarlyEngine, SegmentAnswer, segment_job
from napari_unet_nuclei.gui.segment.picture import ClickedNucleus, DisplayControl
from napari_unet_nuclei.gui.segment.result import Actions, ResultFoot, ResultPanel
from napari_unet_nuclei.gui.segment.session import Run, SegmentSession
from napari_unet_nuclei.gui.segment.start import StartStrip
from napari_unet_nuclei.gui.segment.stored_labels import StoredAnswer, stored_job
from napari_unet_nuclei.gui.segment.view_first import view_first
from napari_unet_nuclei.gui.settings.remembered import recall, remember
from napari_unet_nuclei.gui.viewer.display import DISPLAY_KEY
from napari_unet_nuclei.gui.viewer.dock import MODELS, SEGMENT, Dock, open_dock
from napari_unet_nuclei.gui.viewer.source_file import SourceFile
from napari_unet_nuclei.gui.viewer.view import current_plane, shows_planes, visible_region
from napari_unet_nuclei.gui.widgets.ancestor import ancestor
from napari_unet_nuclei.gui.widgets.banner import ActionLine
from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall
from napari_unet_nuclei.gui.widgets.forms import fill, titled
from napari_unet_nuclei.gui.widgets.scroll_column import ScrollColumn

if TYPE_CHECKING:
    import napari

CANCEL_TOOLTIP = "Stop, and discard what this run has done so far."
CANCEL_STORED_TOOLTIP = "Stop. What is done is kept beside the labels, and running again continues from there."
CANCELLED_STORED = "Stopped. What is done is kept: Find nuclei continues from there."
PUT_BACK = "The kind of image chosen earlier does not fit this image, so it was reset to automatic."
BACK = "Back to automatic"
NEITHER_WAY = "0 nuclei with either kind of image. Lower 'Drop doubtful' and 'Edge', or choose another channel."
EXCHANGED = "⚠ The image '{}' has changed since: these are nuclei of the pixels before."
DONE_BEFORE = "The same run was done earlier: its labels are shown."


class SegmentDock(Dock):
    """Segments an image layer and shows nuclei, or classes of pixels, as a labels layer."""

    tab_title = "Segment"
    page = "segment"

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.start, self.form = StartStrip(napari_viewer), SegmentForm(napari_viewer)
        self._kind_is_for: Image | None = None
        self._sliders_are_for: Image | None = None
        self._remedy: Remedy | None = None
        self._found_none_as = ""
        self.choices_line = ActionLine("Choose kind of image, model and thresholds automatically again.")
        self.remedy_line = ActionLine("Segment the same image again in this way, in a new labels layer.")
        self.job_panel = JobPanel("Find nuclei", "Find the nuclei and show them as a labels layer.")
        self.result_panel, self.foot = ResultPanel(), ResultFoot()
        self.session = SegmentSession(napari_viewer)
        self.result_actions = Actions(napari_viewer, self, self.session, self.result_panel.thresholds, self.job_panel)
        self.clicked = ClickedNucleus(napari_viewer, self, self.session)
        self.display = DisplayControl(napari_viewer, self, self.result_panel.display)
        self.early_engine = EarlyEngine(self)
        self._lay_out()
        self._connect()
        remembered = recall(SegmentChoices)
        self.form.setValue(remembered)
        self.result_panel.thresholds.setValue(remembered.settings)
        self._show_labels()

    def _lay_out(self) -> None:
        self.result_group = titled("Result", self.result_panel)
        self.column = ScrollColumn(self.start, self.form, self.result_group)
        # Below what scrolls, so that it is always seen; what comes and goes stands above what is pressed.
        self.job_panel.put_above_buttons(self.foot)
        layout = fill(QVBoxLayout(self), self.column, self.choices_line, self.remedy_line, self.job_panel)
        layout.setStretch(0, 1)
        layout.setContentsMargins(0, 0, 4, 4)

    def _connect(self) -> None:
        self.form.changed.connect(self._refresh)
        self.form.models_button.clicked.connect(FixedCall(self, open_dock, self._viewer, MODELS).call)
        self.form.kind_form.control("kind").changed.connect(self._note_kind)
        self.choices_line.clicked.connect(self._back_to_automatic)
        self.remedy_line.clicked.connect(self._try_remedy)
        self.job_panel.run_clicked.connect(self.run)
        self.job_panel.running_changed.connect(self._refresh)
        self.job_panel.running_changed.connect(self._end_first)
        result, foot, actions = self.result_panel, self.foot, self.result_actions
        result.thresholds.changed.connect(self._apply_thresholds)
        result.thresholds.changed.connect(self._show_choices)
        result.thresholds.apply_to_all.connect(self._apply_to_all)
        result.command_button.clicked.connect(FixedCall(self, actions.copy_command, self._asked).call)
        result.python_button.clicked.connect(FixedCall(self, actions.copy_python, self._asked).call)
        pressed = (actions.correct, actions.measure, actions.save, actions.do_to_folder, actions.follow_over_time)
        for button, act in zip(foot.buttons, pressed, strict=True):
            button.clicked.connect(act)
        self.clicked.said.connect(foot.show_card)
        self.early_engine.loaded.connect(self.form.device_picker.show_devices)
        self._follow_session()

    def _follow_session(self) -> None:
        self.session.answered.connect(self._show_answer)
        self.session.changed.connect(self._show_labels)
        self.session.came_first.connect(self._show_first)
        self.session.message.connect(self.job_panel.show_status)
        self.session.failed.connect(self.job_panel.show_error)

    def keys_told(self) -> list[tuple[str, str]]:
        """Return the keys of this dock, and what they do."""
        return [(DISPLAY_KEY, "Outlines, Filled, Hidden: the next of the three")]

    def showEvent(self, event: QShowEvent | None) -> None:
        """List the layers and models again."""
        self.reset_choices()
        self.form.model_picker.refresh()
        super().showEvent(event)
        self._keep_session()
        self._refresh()

    def reset_choices(self) -> None:
        """List the layers again; napari calls this when they change."""
        self.form.image_panel.reset_choices()

    def run(self) -> None:
        """Segment the chosen image."""
        try:
            run, request = self._asked()
        except NucleiError as error:
            self.job_panel.show_error(error)
            return
        self.session.run, self._found_none_as = run, ""
        self._sliders_are_for = run.layer
        remember(SegmentChoices(request.settings, request.model, self.form.image_panel.scope))
        # A function instead of a bound method: the labels are shown even if the dock was closed meanwhile.
        session = self.session
        carried = Carried(self._kind_is_for is not run.layer, run.choice.channel)
        self._start(run, request, lambda answer: session.take(answer), carried)

    def _note_kind(self) -> None:
        """Remember for which image the user set the kind; for that image it is final."""
        self._kind_is_for = self.form.image_panel.layer

    def _back_to_automatic(self) -> None:
        """Reset kind of image, model and thresholds to automatic."""
        self.form.set_kind("auto")
        self.form.model_picker.setValue(AUTOMATIC)
        self.result_panel.thresholds.setValue(SegmentSettings())
        self.result_panel.thresholds.changed.emit()
        self._refresh()

    def _try_remedy(self) -> None:
        """Segment the last image again with the suggested settings."""
        live, run, remedy = self.session.live, self.session.run, self._remedy
        if self.session.exchanged:
            self.run()
            return
        if live is None or run is None or remedy is None:
            return
        settings = self.result_panel.thresholds.changed_settings(live.request.settings).changed(**remedy.settings)
        if run.order is not None:
            run = replace(run, order=replace(run.order, overwrite=True))
        self.session.run, self._kind_is_for = run, run.layer
        self._found_none_as = "" if live.result.count else live.result.kind
        self.form.set_kind(settings.kind)
        self.form.stack_form.setValue(settings)
        session = self.session
        self._start(run, replace(live.request, settings=settings), lambda answer: session.take(answer))

    def segment_with(self, model: str) -> None:
        """Segment the chosen image with a model that was just made."""
        self._keep_session()
        self.reset_choices()  # the dock may not have been shown so far
        self.form.model_picker.refresh()
        self.form.model_picker.setValue(model)
        self.run()

    def segment_active_layer(self) -> None:
        """Segment the image layer that is selected in the layer list."""
        # A menu asks before the dock is shown: in another session than the one kept, the result would pass it by.
        self._keep_session()
        active = self._viewer.layers.selection.active
        self.reset_choices()
        if not isinstance(active, Image):
            self.job_panel.show_error(ImageShapeError("Select an image layer in the list first."))
            return
        self.form.image_panel.choose(active)
        self.run()

    def _asked(self) -> tuple[Run, SegmentRequest]:
        """Return the run and the request that the controls describe."""
        panel = self.form.image_panel
        choice = panel.choice()
        settings = self.result_panel.thresholds.changed_settings(self.form.settings())
        file = panel.file if panel.is_whole_file(choice.image) else SourceFile(choice.image.file)
        assert panel.layer is not None, "there is a choice"
        return Run(panel.layer, choice, file, self.form.order(choice)), self.form.request(choice, settings)

    def _start(
        self,
        run: Run,
        request: SegmentRequest,
        on_result: Callable[[Any], None],
        carried: Carried = NOTHING_CARRIED,
    ) -> None:
        self._show_remedy(None)
        image, title = run.choice.image, f"Segmenting {run.choice.image.name}"
        self.job_panel.cancel_button.setToolTip(CANCEL_TOOLTIP if run.order is None else CANCEL_STORED_TOOLTIP)
        if run.order is None:
            first = None
            if self.session.live is None and request.region is None and not self.form.model_picker.tells_classes:
                first = view_first(self._viewer, run.layer, image)
            whole = segment_job(image, request, self.display.stage(), carried, first, self.session.came_first.emit)
            self.job_panel.run_job(whole, on_result, title=title)
            return
        job = stored_job(image, request, run.order, run.file, carried)
        self.job_panel.run_job(job, on_result, title=title, cancelled=CANCELLED_STORED)

    def _show_first(self, answer: SegmentAnswer) -> None:
        """Show what was segmented before the whole, and let the sliders act on it."""
        self.result_panel.thresholds.show_cost(takes_run=False)
        self.result_panel.thresholds.show_result(answer.result.model_thresholds, answer.result.diameter)
        self.display.show_new()
        self.column.show_part(self.result_group)

    def _end_first(self, is_running: bool) -> None:
        if not is_running:
            self.session.end_first()

    def _apply_thresholds(self) -> None:
        """Apply the sliders to the labels, with the maps in memory or those of the current view."""
        live = self.session.live or self.session.preview
        self.session.moved = self.result_panel.thresholds.changed_settings(SegmentSettings())
        if live is None or live.classes:
            return
        if live.has_maps:
            self.session.apply(self.result_panel.thresholds.thresholds())
            return
        try:
            self._apply_to_view()
        except NucleiError as error:
            self.job_panel.show_error(error)

    def _apply_to_view(self) -> None:
        """Apply the sliders to the visible part of an image whose maps were too large to keep."""
        plane, region = self._view()
        if not self.session.needs_preview(plane, region):
            self.session.apply(self.result_panel.thresholds.thresholds())
        elif not self.job_panel.is_running and self.session.run is not None and self.session.live is not None:
            settings = self.result_panel.thresholds.changed_settings(self.session.live.request.settings)
            request = self.session.preview_request(plane, region, settings)
            self._start(replace(self.session.run, order=None), request, self.session.take_preview)

    def _view(self) -> tuple[tuple[int | None, ...], Region]:
        """Return the visible plane and rectangle; raise if there is none or it is too large for the sliders.

        Nuclei of volumes are decided by all planes of the rectangle.
        """
        run, dims = self.session.run, self._viewer.dims
        if run is None or run.layer not in self._viewer.layers or not shows_planes(dims, run.choice.image):
            raise ImageShapeError("The sliders act on the visible part of the image: show the segmented image in 2-D.")
        region = visible_region(run.layer, run.choice.image)
        plane: tuple[int | None, ...] = current_plane(dims, run.layer, run.choice.image)
        depth, live = 1, self.session.live
        if live is not None and live.result.planes == "volume":
            source = run.choice.image.source
            axis = stack_axis(source)
            assert axis is not None, "a volume has a depth"
            plane, depth = (*plane[:axis], None, *plane[axis + 1 :]), source.leading_shape[axis]
        if (region[1] - region[0]) * (region[3] - region[2]) * depth > CACHED_PIXELS:
            what = "megapixels" if depth == 1 else "million voxels"
            raise ImageShapeError(f"The sliders can act on at most 64 {what} of this large image: zoom in.")
        return plane, region

    def _apply_to_all(self) -> None:
        """Segment the whole large image again with the thresholds of the sliders."""
        live, run = self.session.live, self.session.run
        if live is None or run is None:
            return
        settings = self.result_panel.thresholds.changed_settings(live.request.settings)
        if run.order is not None:
            run = replace(run, order=replace(run.order, overwrite=True))
        session = self.session
        self._start(run, replace(live.request, settings=settings), lambda answer: session.take_again(answer))

    def _show_answer(self, answer: SegmentAnswer | StoredAnswer) -> None:
        """Show the outcome of a run."""
        result, thresholds = answer.result, self.result_panel.thresholds
        self.form.model_picker.show_used(result.model)
        self.form.device_picker.show_devices(answer.devices)
        self.form.device_picker.show_used(result.device)
        done_before = isinstance(answer, StoredAnswer) and answer.result.done_before
        done = DONE_BEFORE if done_before else f"Done in {result.seconds:.1f} s on {result.device}."
        if answer.kind_put_back:
            self.form.set_kind("auto")
        self.job_panel.show_status(f"{done} {PUT_BACK}" if answer.kind_put_back else done)
        self.job_panel.drop_notices({remedy.text for remedy in result.remedies})
        self._show_labels()
        self.display.show_new()
        self.column.show_part(self.result_group)
        live, shown = self.session.live, self.session.shown
        thresholds.show_cost(takes_run=live is not None and not live.has_maps and not live.classes)
        if shown is not None and shown.classes:
            thresholds.show_none()
            return
        thresholds.show_result(result.model_thresholds, result.diameter)
        if thresholds.thresholds() != result.thresholds:  # a slider was moved during the run
            self.session.apply(thresholds.thresholds())

    def _show_labels(self) -> None:
        """Show the number of nuclei, and what is doubtful about it."""
        self.clicked.forget()
        shown, exchanged = self.session.shown, self.session.exchanged
        self.foot.show_result(shown)
        if shown is None or shown.classes:
            self.display.follow(None, 0.0)
        else:
            self.display.follow(shown.layer, shown.result.diameter)
        self.result_group.setVisible(shown is not None)
        self.result_panel.thresholds.setEnabled(not exchanged)
        if shown is None:
            self._show_remedy(None)
        else:
            self.result_panel.show_result(shown)
            doubts = [one for one in shown.result.remedies if not one.none_found or not shown.result.count]
            if not shown.result.count and self._found_none_as not in ("", shown.result.kind):
                doubts = [Remedy(NEITHER_WAY, "")]  # the other kind was just tried
            self._show_remedy(next(iter(doubts), None))
        if exchanged:
            self.remedy_line.say(EXCHANGED.format(exchanged), "Segment it again")
        self._refresh()

    def _show_remedy(self, remedy: Remedy | None) -> None:
        """Show what is doubtful about the result, and offer a remedy."""
        self._remedy = remedy
        self.remedy_line.say(f"⚠ {remedy.problem}" if remedy else "", remedy.action if remedy else "")

    def _show_choices(self) -> None:
        """Show which choices are not automatic, so that none is carried over unnoticed."""
        try:
            settings = self.result_panel.thresholds.changed_settings(self.form.settings())
        except NucleiError:
            return
        self.choices_line.say(not_automatic(settings, self.form.model_picker.value()), BACK)

    def _refresh(self) -> None:
        """Enable what can be done now, and explain what cannot."""
        self.start.setVisible(self.form.image_panel.layer is None)
        self._start_from_model()
        if self.isVisible() and self.form.image_panel.layer is not None:
            self.early_engine.load_soon()
        self.job_panel.set_problem(self.form.problem())
        self.foot.set_busy(self.job_panel.is_running)
        self._show_choices()
        for line in (self.choices_line, self.remedy_line):
            line.button.setEnabled(not self.job_panel.is_running)
        panel, run = self.form.image_panel, self.session.run
        layer = panel.layer
        if self.session.live is not None and run is not None:
            readable, file = bool(run.file.axes), run.file.path
        else:
            file = str(layer.source.path or "") if layer is not None else ""
            readable = not self.form.problem() and panel.is_whole_file(panel.image())
        problem = "This image was not read from a file." if not file else ""
        if file and not readable:
            problem = "The layer is not the whole image of a file that the command line can read."
        self.result_panel.set_call_problem(problem)

    def _start_from_model(self) -> None:
        """Start from the model's thresholds when another image is chosen than the sliders were moved for."""
        layer, thresholds = self.form.image_panel.layer, self.result_panel.thresholds
        if layer is None or layer == self._sliders_are_for:
            return
        if self._sliders_are_for is not None:
            thresholds.setValue(SegmentSettings())
        self._sliders_are_for = layer

    def _keep_session(self) -> None:
        """Keep the result with the window, and take over the one of a dock that was closed."""
        window = ancestor(self, QMainWindow)
        if window is None:
            return
        kept = window.findChild(SegmentSession)
        if kept is None:
            self.session.setParent(window)
        elif kept is not self.session and self.session.live is None:
            self.session = kept
            self.result_actions.follow(kept)
            self.clicked.follow(kept)
            self._follow_session()
            self._show_kept()

    def _show_kept(self) -> None:
        """Show the result of a dock that was closed, with its sliders where they were."""
        live, run = self.session.live, self.session.run
        if live is None or run is None:
            return
        thresholds = self.result_panel.thresholds
        self._kind_is_for = self._sliders_are_for = run.layer
        if run.layer in self._viewer.layers:
            self.form.image_panel.choose(run.layer)
        thresholds.setValue(self.session.moved)
        if not live.classes:
            thresholds.show_result(live.result.model_thresholds, live.result.diameter)
        thresholds.show_cost(takes_run=not live.has_maps and not live.classes)
        self._show_labels()


def segment_with_last_settings(viewer: "napari.viewer.Viewer") -> None:
    """Open the dock and segment the selected image layer with the remembered settings."""
    open_dock(viewer, SEGMENT).segment_active_layer()
