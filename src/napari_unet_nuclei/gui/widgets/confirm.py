"""Ask for confirmation before something that cannot be undone."""

from __future__ import annotations

from qtpy.QtWidgets import QMessageBox, QWidget


def is_sure(
    parent: QWidget | None,
    title: str,
    text: str,
    more: str,
    button: str,
    *,
    warning: bool = False,
    likely: bool = False,
) -> bool:
    """Return True if the user confirms; *Cancel* is the default unless confirming is likely right.

    Parameters
    ----------
    parent : QWidget or None
    title, text, more : str
        Window title, question, and consequences.
    button : str
        Label of the confirming button: a verb.
    warning : bool
        Advise against it.
    likely : bool
        Confirming is the default.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning if warning else QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    box.setText(text)
    box.setInformativeText(more)
    role = QMessageBox.ButtonRole.AcceptRole if warning or likely else QMessageBox.ButtonRole.DestructiveRole
    yes = box.addButton(button, role)
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(yes if likely else cancel)
    box.exec()
    box.deleteLater()
    return box.clickedButton() is yes
