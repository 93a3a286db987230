# SPDX-License-Identifier: Apache-2.0
"""How the main function of a node begins and ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from diffposetalk_ros.errors import DiffPoseTalkError

__all__ = ['run_node', 'until_shutdown']

_Node = TypeVar('_Node', bound=Node)


@contextmanager
def until_shutdown() -> Iterator[None]:
    """Spin inside: Ctrl-C and SIGTERM leave the block quietly.

    rclpy's signal handler takes the context away at once, also from a callback that is about to publish:
    what that raises is the end too, and no error.
    """
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception as error:
        if rclpy.ok() or isinstance(error, DiffPoseTalkError):
            raise


def run_node(
    name: str,
    make: Callable[[], _Node],
    args: Sequence[str] | None = None,
    spin: Callable[[_Node], None] = rclpy.spin,
    finish: Callable[[_Node], None] = lambda node: None,
) -> int:
    """Make a node, spin it until Ctrl-C, SIGTERM or the end of ``spin``, then ``finish`` and destroy it.

    Returns the exit status: 0, or 2 where one of them raises a DiffPoseTalkError, whose text goes to
    stderr after ``name``.
    """
    rclpy.init(args=args)
    node: _Node | None = None
    try:
        node = make()
        try:
            with until_shutdown():
                spin(node)
        finally:
            finish(node)
    except DiffPoseTalkError as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 2
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
