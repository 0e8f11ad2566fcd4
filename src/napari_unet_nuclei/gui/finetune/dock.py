"""The dock *Fine-tune*: corrected layers in, a better model out, and proof of it before it is kept."""

# Annotations are not deferred here: napari reads them to find out that it has to pass its viewer.

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtWidgets import QHBoxLayout, QLabel, QTabWidget, QVBoxLayout, QWidget

from napari_unet_nuclei.core.corrections.store import corrections_folder
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.finetune.request import CorrectionsRequest
from napari_unet_nuclei.core.finetune.undecided import Undecided, discard, keep, list_undecided, undecided_folder
from napari_unet_nuclei.core.model.registry import ModelEntry, default_registry
from napari_unet_nuclei.core.progress import EpochDone, Event, Preview, Progress
from napari_unet_nuclei.gui.finetune.corrections import CorrectionsPanel
from napari_unet_nuclei.gui.finetune.form import FinetuneChoices, FinetuneForm
from napari_unet_nuclei.gui.finetune.result import ResultPanel
from napari_unet_nuclei.gui.finetune.rows import provenance
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.jobs.worker import report_start
from napari_unet_nuclei.gui.settings.remembered import recall, remember
from napari_unet_nuclei.gui.viewer.dock import SEGMENT, Dock, open_dock
from napari_unet_nuclei.gui.viewer.plot_look import on_new_look, plot_look
from napari_unet_nuclei.gui.widgets.forms import fill, titled
from napari_unet_nuclei.gui.widgets.loss_plot import LossPlot
from napari_unet_nuclei.gui.widgets.picture import PictureView
from napari_unet_nuclei.gui.widgets.scroll_column import ScrollColumn
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    import napari

    from napari_unet_nuclei.core.finetune.bases import RankedBase
    from napari_unet_nuclei.core.finetune.from_layers import FinetuneOutcome

LEARN, TRAINING, RESULT = range(3)
"""Tabs, from the left."""

WAITING = "The curves start with the first epoch. Cancel discards everything, Finish keeps the best model so far."


class TrainingView(QWidget):
    """Live curves, and a held-out crop as corrected and as the network finds it, of the current or last training."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = LossPlot()
        self.hint_label = Sentence(WAITING)
        self.truth_view, self.found_view = PictureView("held-out crop, corrected"), PictureView("held-out crop, found")
        self.truth_label, self.found_label = QLabel("corrected"), QLabel()
        pictures = fill(QHBoxLayout())
        for column, pair in enumerate(((self.truth_label, self.truth_view), (self.found_label, self.found_view))):
            pair[1].setToolTip("A part of the image that is held out from training. What was not reviewed is dark.")
            pictures.addLayout(fill(QVBoxLayout(), *pair))
            # Alike, although one of the names above them is longer.
            pictures.setStretch(column, 1)
        fill(QVBoxLayout(self), self.hint_label, self.plot, pictures)
        self.begin()

    def begin(self) -> None:
        """Clear the previous training."""
        self.plot.clear()
        self.hint_label.show()
        for view in (self.truth_view, self.found_view):
            view.clear()
        for label in (self.truth_label, self.found_label):
            label.hide()

    def take(self, event: Event) -> None:
        """Show an event of a running training."""
        if isinstance(event, EpochDone):
            self.hint_label.hide()
            self.plot.add(event)
        elif isinstance(event, Preview):
            self.truth_view.set_picture(event.truth)
            self.found_view.set_picture(event.found)
            self.found_label.setText("old model" if event.epoch == 0 else f"after epoch {event.epoch}")
            for label in (self.truth_label, self.found_label):
                label.show()


class FinetuneDock(Dock):
    """Fine-tune a model on corrections, show whether it got better, and keep or discard it."""

    tab_title = "Fine-tune"
    page = "finetune"

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._folder = corrections_folder()
        self._unsaved: FinetuneOutcome | None = None
        self._segments_again = False
        self._ranked: tuple[str, ...] = ()
        self._ranking = LatestJob()
        self.corrections = CorrectionsPanel(napari_viewer, self._folder)
        self.form = FinetuneForm()
        self.training = TrainingView()
        self.result = ResultPanel()
        self.tabs = QTabWidget()
        self.job_panel = JobPanel("Fine-tune", "Save the corrections, and train a new model on them.", can_finish=True)
        self._lay_out()
        self._connect()
        self.form.setValue(recall(FinetuneChoices))
        self._follow_theme()
        self._show_undecided()
        self._refresh()

    def _lay_out(self) -> None:
        learn = ScrollColumn(titled("Corrected nuclei", self.corrections), titled("Model", self.form))
        self.tabs.addTab(learn, "Learn from")
        self.tabs.addTab(ScrollColumn(self.training), "Training")
        self.tabs.addTab(ScrollColumn(self.result), "Result")
        layout = fill(QVBoxLayout(self), self.tabs, self.job_panel)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setStretch(0, 1)

    def _connect(self) -> None:
        self.corrections.changed.connect(self._refresh)
        self.corrections.failed.connect(self.job_panel.show_error)
        self.form.changed.connect(self._refresh)
        self._ranking.succeeded.connect(self._take_proposal)
        self._ranking.failed.connect(self.job_panel.show_error)
        self.form.best_button.clicked.connect(self.find_best_base)
        self.job_panel.run_clicked.connect(self.run)
        self.job_panel.reported.connect(self.training.take)
        self.job_panel.running_changed.connect(self._show_running)
        self.result.keep_clicked.connect(self._keep)
        self.result.discard_button.clicked.connect(self._discard)
        on_new_look(self._viewer, self._follow_theme)

    def _propose_base(self) -> None:
        """Find the best model on the ticked nuclei in the background, once for each choice of them."""
        chosen = (*self.corrections.ticked(), *self.form.bases)
        if not self.form.awaits_proposal or chosen == self._ranked or not self.isVisible():
            return
        try:
            lesson = self._lesson(self.form.choices())
        except NucleiError:  # the rows say what is wrong
            return
        self._ranked = chosen
        self.form.base_picker.note.setText("Trying your models on these nuclei…")
        self._ranking.submit(partial(rank, lesson))

    def _take_proposal(self, ranked: tuple["RankedBase", ...]) -> None:
        if self.form.awaits_proposal:
            self.form.show_best(ranked[0].name, ranked[0].sentence, wanted=False)

    def find_best_base(self) -> None:
        """Score the installed models on the ticked nuclei, and start from the best one."""
        self._ranking.cancel()
        try:
            lesson = self._lesson(self.form.choices())
        except NucleiError as error:
            self.job_panel.show_error(error)
            return
        self.job_panel.run_job(partial(rank, lesson), self._take_ranking, title="Comparing models")

    def _take_ranking(self, ranked: tuple["RankedBase", ...]) -> None:
        best = ranked[0]
        self.form.show_best(best.name, best.sentence, wanted=True)
        others = " ".join(one.sentence for one in ranked[1:])
        self.job_panel.show_status(f"Best of your models on these: {best.sentence} {others}".rstrip())

    def run(self) -> None:
        """Copy what is ticked and fine-tune on it, or first write the last new model if that failed before."""
        if self._unsaved is not None:
            job = partial(write_again, self._unsaved, self._folder)
            self.job_panel.run_job(job, self._take, title="Saving the new model")
            return
        try:
            choices = self.form.choices()
            lesson = self._lesson(choices)
        except NucleiError as error:
            self.job_panel.show_error(error)
            return
        self._ranking.cancel()
        # Only what a run began with is remembered, not what was tried out on the way.
        remember(self.form.to_remember())
        self.training.begin()
        self.tabs.setCurrentIndex(TRAINING)
        self.job_panel.run_job(partial(finetune, lesson), self._take_answer, title=f"Fine-tuning {choices.base}")

    def _lesson(self, choices: FinetuneChoices) -> CorrectionsRequest:
        """Copy what is ticked; raise `NucleiError` if a part of it cannot be used."""
        return CorrectionsRequest(
            base=choices.base,
            name=self.form.name,
            corrections=self.corrections.copied(),
            kept=self.corrections.kept(),
            settings=choices.settings,
            reference=self.form.reference,
            folder=self._folder,
            kinds=self.corrections.kinds(),
            left_out=self.corrections.left_out(),
        )

    def _take_answer(self, answer: tuple["FinetuneOutcome", tuple[str, ...]]) -> None:
        taught, devices = answer
        self.form.device_picker.show_devices(devices)
        self.form.device_picker.show_used(taught.done.device)
        self._take(taught)

    def _take(self, taught: "FinetuneOutcome") -> None:
        """Show a new model; one that could not be written stays in memory until it can."""
        self._unsaved = taught if taught.undecided is None else None
        self._show_undecided()
        if taught.undecided is None:
            self.job_panel.show_status(f"⚠ {taught.problem} The new model is in memory: press the button to try again.")
            return
        training = taught.done.training
        self.job_panel.show_status(
            f"Done: {training.steps} steps in {training.seconds:.0f} s. Keep the new model, or discard it."
        )
        self.tabs.setCurrentIndex(RESULT)

    def _keep(self, segment_again: bool) -> None:
        undecided = self.result.undecided
        self._segments_again = segment_again
        if undecided is not None:
            job = partial(install, undecided)
            self.job_panel.run_job(job, self._show_kept, title=f"Keeping {undecided.result.name}")

    def _show_kept(self, entry: ModelEntry) -> None:
        self.form.propose_name()
        self._show_undecided()
        self.job_panel.show_status(f"Kept: '{entry.name}' is in every list of models now.")
        if self._segments_again:
            open_dock(self._viewer, SEGMENT).segment_with(entry.name)

    def _discard(self) -> None:
        undecided = self.result.undecided
        if undecided is not None:
            discard(undecided)
            self._show_undecided()
            self.job_panel.show_status(f"Discarded: '{undecided.result.name}' is deleted, the corrections are kept.")

    def _show_undecided(self) -> None:
        waiting = list_undecided(undecided_folder(self._folder))
        self.result.show_undecided(waiting)
        self.tabs.setTabText(RESULT, f"Result ({len(waiting)})" if waiting else "Result")

    def _show_running(self, running: bool) -> None:
        # Also after a cancel that came too late: the model is on disk although no result is announced.
        if not running:
            self._show_undecided()
            self.corrections.refresh()
        self._refresh()

    def _refresh(self) -> None:
        """Enable what can be done now, and show why the rest cannot."""
        form, corrections = self.form, self.corrections
        self.result.set_busy(self.job_panel.is_running)
        self.job_panel.run_button.setText("Fine-tune" if self._unsaved is None else "Save the new model")
        if self._unsaved is not None:
            self.job_panel.set_problem("")
            return
        form.suggest_base(self._maker())
        problem = form.problem()
        if not problem:
            corrections.ask(form.input_form, form.settings().seed, form.reference)
            # Possibly a moment old, but a run checks everything itself.
            problem = corrections.outlook.problem
        self.job_panel.set_problem(problem)
        ready = not problem and not self.job_panel.is_running
        self.form.best_button.setEnabled(ready)
        if ready and not corrections.is_checking:
            self._propose_base()

    def _maker(self) -> str:
        """Return the model of the topmost labels that were segmented by this plugin."""
        layers = (layer for layer in reversed(self._viewer.layers) if isinstance(layer, Labels))
        return next((name for layer in layers if (name := str(provenance(layer).get("model", "")))), "")

    def _follow_theme(self, _event: Any = None) -> None:
        self.training.plot.set_colours(plot_look(self._viewer.theme))


# PyTorch is imported in these jobs only, in their thread: loading it would freeze the window for seconds.


def finetune(lesson: CorrectionsRequest, progress: Progress) -> tuple["FinetuneOutcome", tuple[str, ...]]:
    """Save the corrections and fine-tune on them; return also the devices of this computer, the preferred one first."""
    report_start(progress)
    from napari_unet_nuclei.core.finetune.from_layers import finetune_corrections
    from napari_unet_nuclei.core.model.device import available_devices

    return finetune_corrections(lesson, progress), available_devices()


def rank(lesson: CorrectionsRequest, progress: Progress) -> tuple["RankedBase", ...]:
    """Score the installed models on the corrections."""
    report_start(progress)
    from napari_unet_nuclei.core.finetune.from_layers import rank_bases_for

    return rank_bases_for(lesson, progress)


def write_again(taught: "FinetuneOutcome", folder: Path, progress: Progress) -> "FinetuneOutcome":
    """Try again to write a new model."""
    from napari_unet_nuclei.core.finetune.from_layers import write_outcome

    return write_outcome(taught.done, taught.base, folder, progress)


def install(undecided: Undecided, _progress: Progress) -> ModelEntry:
    """Keep a new model."""
    return keep(undecided, default_registry())
