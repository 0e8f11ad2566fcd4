"""A question before something is done that cannot be taken back."""

from __future__ import annotations

from qtpy.QtWidgets import QMessageBox, QWidget


def is_sure(parent: QWidget | None, title: str, text: str, more: str, button: str, *, warning: bool = False) -> bool:
    """Ask, and tell whether the user pressed the button that does it; *Cancel* is the other one, and the default.

    Parameters
    ----------
    parent : QWidget or None
        The question belongs to its window.
    title, text, more : str
        Of the window; the question; what follows from it.
    button : str
        What it does, in a word.
    warning : bool
        Whether it is advised against.
    """
    question = QMessageBox(parent)
    question.setIcon(QMessageBox.Icon.Warning if warning else QMessageBox.Icon.Question)
    question.setWindowTitle(title)
    question.setText(text)
    question.setInformativeText(more)
    role = QMessageBox.ButtonRole.AcceptRole if warning else QMessageBox.ButtonRole.DestructiveRole
    yes = question.addButton(button, role)
    question.setDefaultButton(question.addButton(QMessageBox.StandardButton.Cancel))
    question.exec()
    question.deleteLater()
    return question.clickedButton() is yes
