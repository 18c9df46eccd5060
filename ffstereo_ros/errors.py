"""The exceptions of the package: one small tree, so that callers can catch all of it or one branch.

A message is one line: what was wrong with its value and unit, what is allowed, what to do.
"""


class FFStereoError(Exception):
    """Anything this package refuses to do."""


class CalibrationError(FFStereoError):
    """The two cameras do not describe a rectified stereo pair with a usable baseline."""


class ImageError(FFStereoError):
    """An image cannot be used: its size, encoding, byte order or amount of data is wrong."""


class ParameterError(FFStereoError):
    """A setting is outside what is allowed."""


class WeightsError(FFStereoError):
    """A weights file is missing, damaged, unsafe, or not made for this network."""


class BackendError(FFStereoError):
    """A backend cannot run here, or failed while running."""


class OutOfMemoryError(BackendError):
    """The GPU has less free memory than a frame takes."""


class PairTooLargeError(BackendError):
    """A pair is larger than every engine; a backend without a size of its own could match it."""


class EngineError(BackendError):
    """A TensorRT engine is there and cannot be trusted or used; whoever takes another backend instead says so."""


class MissingDependencyError(BackendError):
    """An optional package is not installed; the message names it and the alternative."""


class CacheError(FFStereoError):
    """There is no place where files of the package's own can be kept."""


class InputFileError(FFStereoError):
    """A file or folder given by the user is missing or cannot be read."""
