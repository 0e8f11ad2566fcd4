"""Keys of the dock: letters that napari leaves free in labels layers, and undo, which must not reach napari as well."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A method of `Tools` with its button and its key in Qt's notation, which is empty for none."""

    key: str
    text: str
    tooltip: str
    verb: str


NEXT = Command("N", "Next", "Go to the most doubtful nucleus that is left; this one comes back later.", "next")
REVIEW = (
    Command("A", "Accept", "The nucleus in the frame is right. Go on to the next one.", "accept"),
    Command("D", "Delete", "Delete the nucleus. Go on to the next one.", "delete"),
    Command("S", "Split in two", "Split the nucleus at the most plausible place.", "split"),
    Command(
        "J", "Join neighbour", "Merge the nucleus with the neighbour that shares the longest border with it.", "join"
    ),
    Command(
        "G",
        "Click to add",
        "Click where a nucleus was missed: it grows from what the network saw, or else from the image.\n"
        "The key adds the one under the mouse at once.",
        "add",
    ),
    Command("", "Accept the rest", "Everything that is left is right, and no nucleus is missing.", "accept_rest"),
)
MISSED = (
    Command("A", "Add it", "A nucleus was missed here: add it, and frame it to be looked at.", "accept"),
    Command("D", "Nothing here", "No nucleus was missed here. Go on to the next one.", "delete"),
)
"""What can be answered where a nucleus may have been missed: the same keys as elsewhere, yes and no."""
TOOLS = (
    Command("K", "Cut", "Draw a line to cut the nuclei that it crosses.", "cut"),
    Command("T", "Split by clicks", "Click once in each part of a nucleus, then press T again.", "seeds"),
    Command("U", "Merge two", "Click two nuclei to merge them.", "unite"),
    Command("Q", "Outline", "Draw around a missing nucleus; it gets the background inside the outline.", "outline"),
)
MORE_TOOLS = (
    Command("H", "Fill holes", "Fill the holes of the nucleus.", "fill"),
    Command("R", "Smooth", "Smooth the outline of the nucleus; its area stays the same.", "smooth"),
    Command("W", "Redo a box", "Draw a box to segment again, with the thresholds below.", "box"),
    Command("", "Clear edge", "Delete all nuclei that touch the edge of the image.", "clear_border"),
)
VOLUME_TOOLS = (
    Command(
        "C",
        "Cut here",
        "From this plane on, the nucleus becomes another one: two lie on top of each other.",
        "cut_here",
    ),
    Command(
        "",
        "Fill between planes",
        "Paint the nucleus with the same number in some planes: those between them are filled.",
        "fill_planes",
    ),
)
"""For nuclei that extend through planes."""
TRACK_TOOLS = (
    Command("L", "Link", "This nucleus and one of another frame are the same: click the other one.", "link"),
    Command("V", "Division", "One is a daughter of the other: click the other one in its frame.", "divide"),
    Command("Shift+K", "Cut track", "From this frame on it is another nucleus: begin a new track.", "cut_track"),
    Command("Shift+J", "Join tracks", "One track goes on as the other: click that one in its frame.", "join_tracks"),
)
"""For nuclei that were followed over time, without which L and V are napari's; *Follow over time* has the same keys."""
NEXT_CLASS = Command("Y", "Next doubtful class", "Go to the nucleus whose class is most doubtful.", "next")
"""Where classes of nuclei were told."""
UNDO = Command("Ctrl+Z", "Undo", "Undo the last edit, brush stroke or decision, without limit.", "undo")
REDO = Command("Ctrl+Shift+Z", "Redo", "Redo what was undone.", "redo")

COMMANDS = (NEXT, *REVIEW, *TOOLS, *MORE_TOOLS, *VOLUME_TOOLS, UNDO, REDO)
