# SPDX-License-Identifier: Apache-2.0
"""Option -p of the commands that start the node."""

from __future__ import annotations

import argparse

__all__ = ['add_node_parameters']


def add_node_parameters(parser: argparse.ArgumentParser) -> None:
    """-p NAME:=VALUE, as often as wanted; the words are left in ``parameters``, for `read_assignment`."""
    parser.add_argument(
        '-p',
        dest='parameters',
        metavar='NAME:=VALUE',
        action='append',
        default=[],
        help='parameter of the node, as in stream.hop:=4 or sampler.steps:=8; may be repeated',
    )
