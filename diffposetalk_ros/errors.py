# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can fix: one line that names the wrong value and what to do."""

__all__ = [
    'AudioError', 'CheckpointError', 'ConfigError', 'DiffPoseTalkError', 'ModelError', 'MotionError',
    'StyleError', 'VideoError', 'reason_of',
]  # fmt: skip


class DiffPoseTalkError(Exception):
    """Base of all errors caused by the input; the command line prints them without traceback."""


class AudioError(DiffPoseTalkError):
    """Audio that cannot be read or used (format, rate, NaN, empty)."""


class VideoError(DiffPoseTalkError):
    """A video or camera that cannot be read, or in which no face can be tracked."""


class MotionError(DiffPoseTalkError):
    """A motion file or array that cannot be used (space, columns, length)."""


class ModelError(DiffPoseTalkError):
    """A model folder that is missing, incomplete, corrupt or of another layout."""


class CheckpointError(ModelError):
    """An official checkpoint that is hostile, truncated or does not fit the network."""


class StyleError(DiffPoseTalkError):
    """A style that does not exist or belongs to another model."""


class ConfigError(DiffPoseTalkError):
    """A configuration value outside its range or of the wrong type."""


def reason_of(error: BaseException) -> str:
    """Text of a library's exception for use in brackets in our messages: one line of at most 160 characters.

    NumPy treats every unknown file as a pickle and advises to trust it; that advice is removed.
    """
    if 'allow_pickle' in str(error):
        return 'not written by NumPy, or more than plain arrays'
    return ' '.join(str(error).split())[:160] or type(error).__name__
