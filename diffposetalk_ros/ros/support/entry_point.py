# SPDX-License-Identifier: Apache-2.0
"""Start and end of the main function of a node."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError
from diffposetalk_ros.ros.support.clock_watch import ClockWatch
from diffposetalk_ros.ros.support.logging import library_log
from diffposetalk_ros.util.output_file import drop_stdout, flush_stdout

__all__ = [
    'ParameterTable',
    'create_node',
    'declared',
    'non_ros_args',
    'print_help',
    'report_errors',
    'run_node',
    'start_rclpy',
    'undisturbed',
    'until_shutdown',
]

ParameterTable = Sequence[tuple[str, Any, str]]
"""Name, default and description, with the unit, of each parameter of a node."""

_Node = TypeVar('_Node', bound=Node)
_Made = TypeVar('_Made')


@contextmanager
def until_shutdown() -> Iterator[None]:
    """Context in which to make and spin nodes. Ctrl-C and SIGTERM leave the block without an error.

    rclpy's signal handler invalidates the context at once, even while a callback is about to publish. The
    exception that this raises also ends the block and is not an error.
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
    about: str | None = None,
    table: ParameterTable = (),
    unmade: str = '',
) -> int:
    """Make a node, spin it until Ctrl-C, SIGTERM or the end of ``spin``, then ``finish`` and destroy it.

    ``unmade`` is raised if the end comes while the node is still being made; without it, this is not an error.
    With --help it prints ``about`` and ``table`` instead. Returns the exit status of `report_errors`: 2 also
    for a parameter of another type than the declared one.
    """
    with report_errors(name) as status:
        if print_help(name, about, table, args):
            return 0
        start_rclpy(args)
        node: _Node | None = None
        try:
            with until_shutdown():
                node = create_node(make)
                ClockWatch(node)
                with library_log(node.get_logger()):
                    spin(node)
            if node is None and unmade:
                raise ConfigError(unmade)
        finally:
            with undisturbed():
                try:
                    if node is not None:
                        finish(node)
                finally:
                    if node is not None:
                        node.destroy_node()
                    rclpy.try_shutdown()
    return status()


def declared(node: Node, table: ParameterTable) -> dict[str, Any]:
    """Declare the parameters of a table, which cannot change while the node runs, and return their values."""
    return {
        name: node.declare_parameter(
            name, default, ParameterDescriptor(description=description, read_only=True)
        ).value
        for name, default, description in table
    }


def print_help(name: str, about: str | None, table: ParameterTable, args: Sequence[str] | None) -> bool:
    """Print help (what the node does, and its parameters) if the arguments ask for it; returns whether they do."""
    if not {'-h', '--help'} & set(non_ros_args(args)):
        return False
    rows = [(parameter, json.dumps(default), description) for parameter, default, description in table]
    wide, wider = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
    print(f'usage: {name} [--ros-args -p NAME:=VALUE -r FROM:=TO --params-file FILE ...]\n')
    print(f'{(about or "").strip()}\n\nparameters, with their defaults:')
    for parameter, default, description in rows:
        print(f'  {parameter:{wide}}  {default:{wider}}  {description}')
    return True


def create_node(make: Callable[[], _Made]) -> _Made:
    """Return the result of ``make``. Raises ConfigError if the middleware cannot create a node (e.g. security)."""
    try:
        return make()
    except rclpy_implementation.RCLError as error:
        if not rclpy.ok():  # Ctrl-C invalidated the context
            raise
        raise ConfigError(f'the node cannot be created: {_reason(error)}') from error


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore a second Ctrl-C while a node ends; otherwise it would leave a traceback and an incomplete shutdown."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def report_errors(name: str) -> Iterator[Callable[[], int]]:
    """End the block with a line on stderr after ``name`` for a user error; returns the exit status: 0, or 2.

    It is 130 after Ctrl-C outside `until_shutdown`, and 141 if stdout was closed, as in the command line.
    """
    status = 0
    try:
        yield lambda: status
        flush_stdout()
    except (DiffPoseTalkError, ParameterException, NameValidationException) as error:
        print(f'{name}: {" ".join(str(error).split())}', file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        status = drop_stdout()


def start_rclpy(args: Sequence[str] | None, **options: Any) -> None:
    """`rclpy.init`. Raises ConfigError for arguments after --ros-args that ROS does not understand, and if it
    cannot write its log."""
    with _understood():
        rclpy.init(args=args, **options)


def non_ros_args(args: Sequence[str] | None) -> list[str]:
    """The non-ROS arguments, without the name of the program. Raises ConfigError as `start_rclpy`."""
    with _understood():
        return list(remove_ros_args(list(sys.argv if args is None else args))[1:])


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError) as error:
        raise ConfigError(_reason(error)) from error


_HINTS = (
    ('log directory', 'set ROS_LOG_DIR to a writable folder'),
    ('security', 'check ROS_SECURITY_KEYSTORE and the enclave, or unset ROS_SECURITY_ENABLE'),
    ('arg', 'write --ros-args -p NAME:=VALUE'),
    ('pars', 'write --ros-args -p NAME:=VALUE'),
)
"""What a person can do about an error of rcl whose text holds the word."""


def _reason(error: BaseException) -> str:
    text = ' '.join(re.sub(r', at \S+:\d+', '', str(error)).split()).rstrip('.')  # places in rcl's files
    advice = next((hint for word, hint in _HINTS if word in text.lower()), '')
    if not advice and isinstance(error, rclpy_implementation.UnknownROSArgsError):
        advice = _HINTS[-1][1]
    return f'{text}; {advice}' if advice else text
