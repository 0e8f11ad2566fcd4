"""The subcommand ``finetune``: train a model further on corrected labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_unet_nuclei.cli.options import KIND_OPTION, Quiet, TrainingChannel, settings_options
from napari_unet_nuclei.cli.progress import FINISH, TerminalProgress
from napari_unet_nuclei.core.settings import FinetuneSettings


@settings_options(FinetuneSettings)
def finetune_command(
    base: Annotated[
        str,
        typer.Option(
            "--base",
            metavar="NAME_OR_FILE",
            help="Model to start from; best picks the installed model that finds the most corrected nuclei.",
        ),
    ],
    images: Annotated[Path, typer.Option("--images", metavar="DIR", help="Folder with the images.")],
    labels: Annotated[
        Path, typer.Option("--labels", metavar="DIR", help="Folder with corrected labels of the same names.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL.safetensors", help="Model file to write.")],
    settings: FinetuneSettings,
    reviewed: Annotated[
        Path | None,
        typer.Option(
            "--reviewed",
            metavar="DIR",
            help="Folder with a reviewed region per image, as a mask image or GeoJSON; pixels outside are ignored. "
            "Without it, whole images count as reviewed.",
        ),
    ] = None,
    channel: TrainingChannel = "",
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            metavar="DATASET",
            help="Labelled images to score both models on, not used for training: a folder with images/ and labels/, "
            "or a CSV index.",
        ),
    ] = None,
    kind: Annotated[
        Literal["auto", "fluorescence", "brightfield"],
        typer.Option(
            "--kind",
            **KIND_OPTION,
            help="Kind of all images: bright nuclei on dark (fluorescence) or dark nuclei on bright (H&E, IHC, bright "
            "field). By default inferred from each image's labels.",
        ),
    ] = "auto",
    keep_doubtful: Annotated[
        bool, typer.Option("--keep-doubtful", help="Also train on images that do not seem to match their labels.")
    ] = False,
    keep_worse: Annotated[
        bool, typer.Option("--keep-worse", help="Write the model even if it is worse than the old one.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Fine-tune a model on corrected labels, and test whether it improved.

    Images that do not match their labels are skipped and listed. Some corrected nuclei are held out to compare the old
    and the new model; the report beside the new model shows both. A worse model is not written. The first Ctrl+C
    finishes after the current epoch, the second cancels.
    """
    from napari_unet_nuclei.core.finetune.folders import FinetuneRequest, finetune_folders

    request = FinetuneRequest(
        base, images, labels, out, reviewed, settings, channel, keep_worse, reference, kind, keep_doubtful
    )
    with TerminalProgress(quiet, FINISH) as progress:
        done = finetune_folders(request, progress)
    typer.echo(f"{out}: {done.training.steps} steps in {done.training.seconds:.0f} s; report in {request.report}")
