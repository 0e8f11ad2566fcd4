"""The dock *Fine-tune*: corrected layers in, a better model out, and the proof before it is kept."""

# Annotations are not deferred here: napari finds out by them that it has to give its viewer.

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QTabWidget, QVBoxLayout

from napari_unet_nuclei.core.corrections.store import corrections_folder
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.finetune.request import CorrectionsRequest
from napari_unet_nuclei.core.finetune.undecided import discard, keep, list_undecided, undecided_folder
from napari_unet_nuclei.core.model.registry import ModelEntry, default_registry
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.gui.finetune.corrections import CorrectionsPanel
from napari_unet_nuclei.gui.finetune.course import TrainingCourse
from napari_unet_nuclei.gui.finetune.form import FinetuneForm
from napari_unet_nuclei.gui.finetune.job import FinetuneAnswer, finetune_job, rank_job, save_job
from napari_unet_nuclei.gui.finetune.remembered import FinetuneChoices, recall, remember
from napari_unet_nuclei.gui.finetune.result import ResultPanel
from napari_unet_nuclei.gui.finetune.rows import provenance
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.widgets.loss_plot import PlotColours
from napari_unet_nuclei.gui.widgets.scroll_column import ScrollColumn
from napari_unet_nuclei.gui.widgets.titled import titled

if TYPE_CHECKING:
    import napari

    from napari_unet_nuclei.core.finetune.bases import RankedBase
    from napari_unet_nuclei.core.finetune.from_layers import FinetuneOutcome

LEARN, COURSE, RESULT = range(3)
"""Tabs, from the left."""


class FinetuneDock(Dock):
    """Teaches a model the corrections of open layers, shows whether it got better, and keeps it or not.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    tab_title = "Fine-tune"

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._folder = corrections_folder()
        self._unsaved: FinetuneOutcome | None = None
        self.corrections = CorrectionsPanel(napari_viewer, self._folder)
        self.form = FinetuneForm()
        self.course = TrainingCourse()
        self.result = ResultPanel()
        self.tabs = QTabWidget()
        self.job_panel = JobPanel("Fine-tune", "Keep the corrections, and teach them to a new model.", can_finish=True)
        self._lay_out()
        self._connect()
        self.form.setValue(recall())
        self._follow_theme()
        self._show_undecided()
        self._refresh()

    def _lay_out(self) -> None:
        learn = ScrollColumn(titled("Corrected nuclei", self.corrections), titled("Model", self.form))
        self.tabs.addTab(learn, "Learn from")
        self.tabs.addTab(ScrollColumn(self.course), "Training")
        self.tabs.addTab(ScrollColumn(self.result), "Result")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.tabs, stretch=1)
        layout.addWidget(self.job_panel)

    def _connect(self) -> None:
        self.corrections.changed.connect(self._refresh)
        self.corrections.failed.connect(self.job_panel.show_error)
        self.form.changed.connect(self._refresh)
        self.form.best_button.clicked.connect(self.find_best_base)
        self.job_panel.run_clicked.connect(self.run)
        self.job_panel.reported.connect(self.course.take)
        self.job_panel.running_changed.connect(self._show_running)
        self.result.keep_clicked.connect(self._keep)
        self.result.discard_clicked.connect(self._discard)
        self._viewer.events.theme.connect(self._follow_theme)

    def find_best_base(self) -> None:
        """Score the installed models on the ticked nuclei, and start from the best one."""
        try:
            lesson = self._lesson(self.form.choices())
        except NucleiError as error:
            self.job_panel.show_error(error)
            return
        self.job_panel.run_job(rank_job(lesson), self._take_ranking, title="Comparing models")

    def _take_ranking(self, ranked: tuple["RankedBase", ...]) -> None:
        best = ranked[0]
        self.form.show_best(best.name, best.sentence)
        others = " ".join(one.sentence for one in ranked[1:])
        self.job_panel.show_status(f"Best of your models on these: {best.sentence} {others}".rstrip())

    def run(self) -> None:
        """Copy what is ticked, and fine-tune on it; where the last new model could not be written, write that."""
        if self._unsaved is not None:
            self.job_panel.run_job(save_job(self._unsaved, self._folder), self._take, title="Saving the new model")
            return
        try:
            choices = self.form.choices()
            lesson = self._lesson(choices)
        except NucleiError as error:
            self.job_panel.show_error(error)
            return
        remember(choices)
        self.course.begin()
        self.tabs.setCurrentIndex(COURSE)
        self.job_panel.run_job(finetune_job(lesson), self._take_answer, title=f"Fine-tuning {choices.base}")

    def _lesson(self, choices: FinetuneChoices) -> CorrectionsRequest:
        """Copy what is ticked.

        Raises
        ------
        NucleiError
            If something of it cannot be used.
        """
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

    def _take_answer(self, answer: FinetuneAnswer) -> None:
        self.form.device_picker.show_devices(answer.devices)
        self.form.device_picker.show_used(answer.taught.done.device)
        self._take(answer.taught)

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

    def _keep(self) -> None:
        """Put the new model among the user's."""
        undecided = self.result.undecided
        if undecided is None:
            return

        def job(progress: Progress) -> ModelEntry:
            return keep(undecided, default_registry())

        self.job_panel.run_job(job, self._show_kept, title=f"Keeping {undecided.result.name}")

    def _show_kept(self, entry: ModelEntry) -> None:
        self.form.propose_name()
        self._show_undecided()
        self.job_panel.show_status(f"Kept: '{entry.name}' is in every list of models now.")

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
        """Come to rest: what was kept is listed, and what a late cancel left behind is shown."""
        if not running:
            self._show_undecided()
            self.corrections.refresh()
        self._refresh()

    def _refresh(self) -> None:
        """Enable what can be done now, and say of the rest why not."""
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
            problem = corrections.outlook.problem  # of a moment ago at worst: a run looks at everything itself
        self.job_panel.set_problem(problem)
        self.form.best_button.setEnabled(not problem and not self.job_panel.is_running)

    def _maker(self) -> str:
        """Return the model that made the uppermost labels which one of ours made."""
        layers = (layer for layer in reversed(self._viewer.layers) if isinstance(layer, Labels))
        return next((name for layer in layers if (name := str(provenance(layer).get("model", "")))), "")

    def _follow_theme(self, _event: Any = None) -> None:
        theme = get_theme(self._viewer.theme)
        self.course.plot.set_colours(PlotColours(theme.background.as_hex("long"), theme.text.as_hex("long")))
