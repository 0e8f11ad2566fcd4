"""Lets ``python -m napari_unet_nuclei`` do the same as ``napari-unet-nuclei``."""

from napari_unet_nuclei.cli import main

if __name__ == "__main__":
    main()
