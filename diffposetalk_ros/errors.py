# SPDX-License-Identifier: Apache-2.0
"""Errors a user can act on: one line that names the offending value and the way out."""


class DiffPoseTalkError(Exception):
    """Base of all errors that are the input's fault; the command line prints them without traceback."""


class AudioError(DiffPoseTalkError):
    """Audio that cannot be read or used (format, rate, NaN, empty)."""


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
