import signal

import pytest

from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.progress import Advanced, Cancelled, EpochDone, Notice


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_cancels_at_the_next_report():
    with TerminalProgress() as progress:
        progress.report(Advanced(0.1, "tile 1 of 10"))
        press_ctrl_c()
        with pytest.raises(Cancelled):
            progress.report(Advanced(0.2, "tile 2 of 10"))


def test_a_second_ctrl_c_interrupts_at_once():
    with TerminalProgress():
        press_ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            press_ctrl_c()


def test_a_job_that_can_finish_is_first_asked_to(capsys):
    with TerminalProgress(finish="Finishing.") as progress:
        press_ctrl_c()
        assert progress.finish_requested
        progress.report(Advanced(0.5, "step 5"))
        press_ctrl_c()
        with pytest.raises(Cancelled):
            progress.report(Advanced(0.6, "step 6"))
    assert "Finishing. Ctrl+C again cancels." in capsys.readouterr().err


def test_afterwards_ctrl_c_is_as_before():
    before = signal.getsignal(signal.SIGINT)
    with TerminalProgress():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_messages_go_to_stderr(capsys):
    with TerminalProgress() as progress:
        progress.report(Notice("Bright background."))
        progress.report(EpochDone(3, 0.5, 0.25, {"AP@0.5": 0.875}))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Bright background." in shown.err
    assert "epoch 3" in shown.err
    assert "AP@0.5 0.875" in shown.err


def test_quiet_says_nothing(capsys):
    with TerminalProgress(quiet=True) as progress:
        progress.report(Advanced(0.5, "half"))
        progress.report(Notice("Bright background."))
    assert capsys.readouterr() == ("", "")


def test_a_warning_is_said_also_where_all_else_is_quiet(capsys):
    with TerminalProgress(quiet=True) as progress:
        progress.report(Notice("The new model is worse.", warning=True))
    assert capsys.readouterr() == ("", "The new model is worse.\n")
