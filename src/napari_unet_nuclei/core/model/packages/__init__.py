"""BioImage.IO packages: models of other programs in, models of this one out."""
