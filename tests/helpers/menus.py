"""What the menus of napari's window offer."""

from __future__ import annotations

from qtpy.QtWidgets import QMenu


def titles(menu: QMenu) -> dict[str, QMenu | None]:
    return {action.text().replace("&", ""): action.menu() for action in menu.actions() if action.text()}


def open_menu(menu: QMenu, *path: str) -> dict[str, QMenu | None]:
    """Titles in a menu of the window, as they are when a user has opened it."""
    menu.aboutToShow.emit()
    for name in path:
        menu = titles(menu)[name]
        menu.aboutToShow.emit()
    return titles(menu)
