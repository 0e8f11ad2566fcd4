"""What can go wrong, in the user's words: every message says what happened and what to do next."""


class NucleiError(Exception):
    """Base of every expected failure; docks show it in their status line, the command line prints it and exits 1."""


class ImageShapeError(NucleiError):
    """An image, or a pair of image and labels, has a shape or axes that the verb cannot use."""


class ImageFileError(NucleiError):
    """A file cannot be read as an image."""


class OutputFileError(NucleiError):
    """A file cannot be written: the disk is full, the folder is not yours, the name is taken by a folder."""


class ModelFileError(NucleiError):
    """A model file is missing, damaged, too large or of a kind that is not accepted."""


class UnknownModelError(NucleiError):
    """No model of that name is installed and no file of that name exists."""


class DeviceError(NucleiError):
    """The requested device does not exist on this computer."""


class DeviceMemoryError(NucleiError):
    """The image does not fit into memory even with the smallest tile on the CPU."""


class SettingsError(NucleiError):
    """A setting, or a settings file, has a value that the verb cannot use."""


class DatasetError(NucleiError):
    """A training set has a problem; the message names the file."""


class NoSamplesError(DatasetError):
    """Nothing is left to train on or to judge with."""


class EditError(NucleiError):
    """A correction of nuclei cannot be made: the nucleus is not there, the line cuts nothing, nothing would change."""


class TrainingDivergedError(NucleiError):
    """The loss became infinite or not a number before there was a good model to keep."""


class WorseModelError(NucleiError):
    """A fine-tuned model is worse than the one it came from, so it was not kept."""


class ClusterError(NucleiError):
    """Work on other processes or computers cannot be done: Dask is missing, or its scheduler or workers are."""
