"""Expected failures: every message says, in the user's words, what happened and what to do next."""


class NucleiError(Exception):
    """Base of every expected failure; docks show it in their status line, the command line prints it and exits 1."""


class ImageShapeError(NucleiError):
    """An image, or a pair of image and labels, has unusable axes, shape or values."""


class VolumeTooLargeError(ImageShapeError):
    """A stack takes more memory in three dimensions than it may: block by block it takes less."""


class ImageFileError(NucleiError):
    """A file cannot be read as an image."""


class SeriesError(ImageFileError):
    """A choice among the images of a file fits none of them, or there is nothing to choose."""


class TextFileError(NucleiError):
    """A list or a table cannot be read."""


class OutputFileError(NucleiError):
    """A file cannot be written: the disk is full, permission is missing, a folder has that name."""


class ModelFileError(NucleiError):
    """A model file is missing, damaged, too large or of another format."""


class UnknownModelError(NucleiError):
    """No model of that name is installed and no file of that name exists."""


class DeviceError(NucleiError):
    """The requested device does not exist on this computer."""


class DeviceMemoryError(NucleiError):
    """The image does not fit into memory even with the smallest tile on the CPU."""


class SettingsError(NucleiError):
    """A setting, or a settings file, has an invalid value."""


class DatasetError(NucleiError):
    """A data set has a problem; the message names the file."""


class NoSamplesError(DatasetError):
    """No images are left for training or validation."""


class EditError(NucleiError):
    """An edit of nuclei is not possible: there is no such nucleus, the line cuts none, nothing would change."""


class TrainingDivergedError(NucleiError):
    """The loss became infinite or NaN before there was a good model to keep."""


class WorseModelError(NucleiError):
    """A fine-tuned model is worse than its base model, so it was not kept."""


class ClusterError(NucleiError):
    """A Dask cluster cannot be used: Dask is not installed, or its scheduler or workers do not answer."""
