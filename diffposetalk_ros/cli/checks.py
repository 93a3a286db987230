# SPDX-License-Identifier: Apache-2.0
"""Checks of options that several verbs have in common."""

from __future__ import annotations

import argparse

from diffposetalk_ros.errors import ConfigError

__all__ = ['check_at_least', 'check_seed']

_SEEDS = 2**32


def check_seed(options: argparse.Namespace) -> None:
    """Raise ConfigError for a seed that some random generator does not accept."""
    if not 0 <= options.seed < _SEEDS:
        raise ConfigError(f'--seed {options.seed}; use 0 to {_SEEDS - 1}')


def check_at_least(options: argparse.Namespace, least: float, *names: str) -> None:
    """Raise ConfigError for the first of the named options that is given and below ``least``, or NaN."""
    for name in names:
        value = getattr(options, name)
        if value is not None and not value >= least:
            raise ConfigError(f'--{name.replace("_", "-")} {value}; use {least:g} or more')
