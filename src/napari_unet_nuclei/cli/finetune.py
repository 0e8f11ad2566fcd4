"""The subcommand ``finetune``: a model that learnt from corrected labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_unet_nuclei.cli.options import Quiet, settings_options
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.settings import FinetuneSettings

FINISH = "Finishing: training ends with this epoch, and the best weights so far are kept."


@settings_options(FinetuneSettings)
def finetune_command(
    base: Annotated[
        str,
        typer.Option(
            "--base",
            metavar="NAME_OR_FILE",
            help="The model to start from, or best: the installed model that finds most of the corrected nuclei.",
        ),
    ],
    images: Annotated[Path, typer.Option("--images", metavar="DIR", help="Folder with the images.")],
    labels: Annotated[
        Path, typer.Option("--labels", metavar="DIR", help="Folder with corrected labels of the same names.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL.safetensors", help="The model to be.")],
    settings: FinetuneSettings,
    reviewed: Annotated[
        Path | None,
        typer.Option(
            "--reviewed",
            metavar="DIR",
            help="Folder with a region for each image, a mask image or GeoJSON: what lies outside is ignored. "
            "Everything was reviewed if not given.",
        ),
    ] = None,
    channel: Annotated[
        str,
        typer.Option(
            "--channel",
            metavar="NAME_OR_NUMBER",
            help="Channel with the nuclei: its name, or its number from 0.",
            show_default="automatic",
        ),
    ] = "",
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            metavar="DATASET",
            help="Labelled images that both models are scored on, and that neither teach nor choose: a folder with "
            "images/ and labels/, or an index.",
        ),
    ] = None,
    kind: Annotated[
        Literal["auto", "fluorescence", "brightfield"],
        typer.Option(
            "--kind",
            help="Kind of all images: bright nuclei on dark (fluorescence) or dark nuclei on bright (brightfield). "
            "Automatic goes by each image's labels.",
        ),
    ] = "auto",
    keep_doubtful: Annotated[
        bool, typer.Option("--keep-doubtful", help="Learn even from images that their labels do not seem to fit.")
    ] = False,
    keep_worse: Annotated[
        bool, typer.Option("--keep-worse", help="Write the model also where it is worse than the old one.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Teach a model corrected labels, and find out whether it got better.

    Images whose labels do not fit them are left out and named. Some of the corrected nuclei are held out to judge old
    and new model; the report beside the new model shows both. A model that is worse is not written. The first Ctrl+C
    finishes with this epoch, the second cancels.
    """
    from napari_unet_nuclei.core.finetune.folders import FinetuneRequest, finetune_folders

    request = FinetuneRequest(
        base, images, labels, out, reviewed, settings, channel, keep_worse, reference, kind, keep_doubtful
    )
    with TerminalProgress(quiet, FINISH) as progress:
        done = finetune_folders(request, progress)
    typer.echo(f"{out}: {done.training.steps} steps in {done.training.seconds:.0f} s; report in {request.report}")
