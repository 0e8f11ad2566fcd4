import pytest
import typer

from napari_unet_nuclei.cli.errors import exit_codes
from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.progress import Cancelled


@pytest.mark.parametrize(
    ("stop", "code", "message"),
    [
        (ModelFileError("It is\ndamaged."), 1, "Error: It is damaged.\n"),
        (Cancelled(), 130, "Cancelled.\n"),
        (KeyboardInterrupt(), 130, "Cancelled.\n"),
    ],
)
def test_what_ends_a_run_early_is_one_line_and_a_code(stop, code, message, capsys):
    with pytest.raises(typer.Exit) as ended, exit_codes():
        raise stop
    assert ended.value.exit_code == code
    assert capsys.readouterr().err == message


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), exit_codes():
        1 / 0  # noqa: B018  # the division is the bug
