# SPDX-License-Identifier: Apache-2.0
"""How the main function of a node begins and ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import rclpy
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError

__all__ = ['own_words', 'run_node', 'start_rclpy', 'told_in_a_line', 'until_shutdown']

_Node = TypeVar('_Node', bound=Node)


@contextmanager
def until_shutdown() -> Iterator[None]:
    """Make nodes and spin inside: Ctrl-C and SIGTERM leave the block quietly.

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

    Returns the exit status of `told_in_a_line`: 2 also for a parameter of another type than the declared one.
    """
    with told_in_a_line(name) as status:
        start_rclpy(args)
        node: _Node | None = None
        try:
            with until_shutdown():
                node = make()
                spin(node)
        finally:
            try:
                if node is not None:
                    finish(node)
            finally:
                if node is not None:
                    node.destroy_node()
                rclpy.try_shutdown()
    return status()


@contextmanager
def told_in_a_line(name: str) -> Iterator[Callable[[], int]]:
    """What a person can mend ends the block with a line on stderr after ``name``; gives the exit status: 0, or 2."""
    status = 0
    try:
        yield lambda: status
    except (DiffPoseTalkError, ParameterException, NameValidationException) as error:
        print(f'{name}: {" ".join(str(error).split())}', file=sys.stderr)
        status = 2


def start_rclpy(args: Sequence[str] | None, **options: Any) -> None:
    """`rclpy.init`. Raises ConfigError for arguments after --ros-args that ROS does not understand."""
    with _understood():
        rclpy.init(args=args, **options)


def own_words(args: Sequence[str] | None) -> list[str]:
    """The arguments that are not ROS's, without the name of the program. Raises ConfigError as `start_rclpy`."""
    with _understood():
        return list(remove_ros_args(list(sys.argv if args is None else args))[1:])


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError) as error:
        reason = str(error).split(', at /')[0]  # of a file of rcl
        raise ConfigError(f'{reason}; write --ros-args -p NAME:=VALUE') from error
