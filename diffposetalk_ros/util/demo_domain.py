# SPDX-License-Identifier: Apache-2.0
"""The DDS domain of a running demo, and how other programs of the same user find it."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from diffposetalk_ros.util.private_file import write_private

__all__ = ['choose_domain', 'free_domain', 'recorded_demo', 'running_demos', 'use_private_domain']

_VARIABLES = ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE')
_PRIVATE = range(100, 201)
"""Domains that robots seldom use."""
_FIRST_PORT, _PORTS_PER_DOMAIN = 7400, 250
_OFFSETS = (0, *range(10, 26, 2))
"""How RTPS numbers the UDP ports of a domain: the first for all its programs, then one for each of them (of which
the first eight are looked at). With LOCALHOST the programs do not use the first."""


def use_private_domain() -> int:
    """Set a DDS domain in this process that is local to this machine and separate from robots and demos."""
    taken = {int(demo['ROS_DOMAIN_ID']) for demo in running_demos()}
    domain = free_domain(number for number in _PRIVATE if number not in taken)
    os.environ['ROS_DOMAIN_ID'] = str(domain)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    return domain


def free_domain(numbers: Iterable[int]) -> int:
    """One of these domains, at random, in which no program of this machine is, also none of another user.

    If there is none, any of them.
    """
    shuffled = list(numbers)
    random.SystemRandom().shuffle(shuffled)
    return next((number for number in shuffled if not _in_use(number)), shuffled[0])


def _in_use(domain: int) -> bool:
    for offset in _OFFSETS:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('', _FIRST_PORT + _PORTS_PER_DOMAIN * domain + offset))
            except OSError:
                return True
    return False


def choose_domain() -> dict[str, str]:
    """Environment variables for the domain of a demo: a private one, unless ROS_DOMAIN_ID is set."""
    if not os.environ.get('ROS_DOMAIN_ID'):
        use_private_domain()
    return {name: os.environ[name] for name in _VARIABLES if os.environ.get(name)}


@contextmanager
def recorded_demo(variables: dict[str, str]) -> Iterator[None]:
    """Register this demo for `running_demos` of other processes while the block runs. Raises ConfigError."""
    path = _folder() / f'{os.getpid()}.env'
    write_private(path, ''.join(f'{name}={value}\n' for name, value in variables.items()))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running_demos() -> list[dict[str, str]]:
    """Environment variables of each running demo of this user, the newest first."""
    found: list[tuple[float, dict[str, str]]] = []
    for path in _folder().glob('*.env'):
        try:
            status = path.stat()
            if status.st_uid != os.getuid() or not _alive(int(path.stem)):
                continue
            pairs = dict(line.split('=', 1) for line in path.read_text().splitlines())
            int(pairs['ROS_DOMAIN_ID'])
        except (OSError, ValueError, KeyError):  # ended meanwhile, or not written by a demo
            continue
        found.append((status.st_mtime, {name: pairs[name] for name in _VARIABLES if name in pairs}))
    return [pairs for _, pairs in sorted(found, key=lambda pair: -pair[0])]


def _folder() -> Path:
    runtime = os.environ.get('XDG_RUNTIME_DIR')
    return Path(runtime) / 'diffposetalk' if runtime else Path.home() / '.cache' / 'diffposetalk' / 'demos'


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
