from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_unet_nuclei.gui.widgets.wrapped_label import WIDEST, Sentence

NAME = "0a7d30b252359a10fd298b638b90cb9ada3acced4e0c0e5a3692013f432ee4e9"


@pytest.fixture
def label(qtbot) -> Sentence:
    label = Sentence()
    qtbot.addWidget(label)
    return label


def shown(label: Sentence) -> str:
    """What a person sees."""
    return super(Sentence, label).text()


def test_a_long_name_is_cut_in_its_middle_and_told_in_full_on_hovering(label) -> None:
    said = f"Choose the image that '{NAME}' belongs to."
    label.setText(said)
    assert shown(label).startswith("Choose the image that '0a7d30")
    assert shown(label).endswith("2ee4e9' belongs to.")
    assert "…" in shown(label)
    assert label.minimumSizeHint().width() <= WIDEST
    assert (label.text(), label.toolTip()) == (said, said)
    label.setText("Done.")
    assert (shown(label), label.toolTip()) == ("Done.", "")


def test_it_follows_the_font(label) -> None:
    label.setText(f"{NAME}.tif")
    font = label.font()
    font.setPointSizeF(2 * font.pointSizeF())
    label.setFont(font)
    assert label.minimumSizeHint().width() <= WIDEST
    assert label.text() == f"{NAME}.tif"


@pytest.mark.parametrize("said", ["Results are in /data/plate 1/nuclei.", "a-b/" * 60, "one two\n" * 30, ""])
def test_what_can_be_wrapped_is_left_as_it_is(label, said) -> None:
    label.setText(said)
    assert (shown(label), label.toolTip()) == (said, "")


@pytest.mark.parametrize("divider", ["/", "-", "\\", "_", "/-"])
def test_dates_and_numbers_are_not_wrapped_and_cut_therefore(label, divider) -> None:
    label.setText(f"Saved to {divider.join(['2026'] * 40)}.")
    assert label.minimumSizeHint().width() <= WIDEST


def test_every_part_of_a_path_is_cut_by_itself(label) -> None:
    label.setText(f"Saved to /a{NAME}/b{NAME}.tif.")
    assert shown(label).count("…") == 2
    assert shown(label).endswith(".tif.")
    assert label.minimumSizeHint().width() <= WIDEST


def test_names_that_look_like_html_are_shown_as_they_are(label, qtbot) -> None:
    label.setText("<b>plate</b>.tif cannot be read.")
    assert label.textFormat() == Qt.TextFormat.PlainText


def test_a_sentence_can_be_selected_where_that_is_wanted(qtbot) -> None:
    label = Sentence(selectable=True)
    qtbot.addWidget(label)
    label.setText("Done.")
    label.show()
    label.setFocus()
    qtbot.keyClick(label, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(label, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text() == "Done."
