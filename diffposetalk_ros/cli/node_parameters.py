# SPDX-License-Identifier: Apache-2.0
"""The option -p of the verbs that start a node."""

from __future__ import annotations

import argparse

__all__ = ['add_node_parameters']


def add_node_parameters(parser: argparse.ArgumentParser) -> None:
    """Add -p NAME:=VALUE, which may be repeated; `read_assignment` reads the words in ``parameters``."""
    parser.add_argument(
        '-p',
        dest='parameters',
        metavar='NAME:=VALUE',
        action='append',
        default=[],
        help='parameter of the node, as in stream.hop:=4 or sampler.steps:=8; may be repeated',
    )
