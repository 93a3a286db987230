# SPDX-License-Identifier: Apache-2.0
"""Runs several avatars in one process: `diffposetalk` nodes in the namespaces avatar_0, avatar_1 ..., one model.

Each avatar is a separate lifecycle node with its own topics, services, parameters, style, seed and clock.
The avatars share the networks: windows that wait at the same time are denoised in one batch.

    avatars_node --avatars 3 --autostart
    ros2 param set /avatar_1/diffposetalk style.name lively
"""

from __future__ import annotations

import argparse
import gc
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.parameter import Parameter

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.backend import Backend
from diffposetalk_ros.model.loader import load_backend, set_backend_factory
from diffposetalk_ros.ros.nodes.avatar_node import DiffPoseTalkNode
from diffposetalk_ros.ros.support.clock_watch import ClockWatch
from diffposetalk_ros.ros.support.entry_point import (
    create_node,
    non_ros_args,
    report_errors,
    start_rclpy,
    undisturbed,
    until_shutdown,
)
from diffposetalk_ros.ros.support.logging import library_log
from diffposetalk_ros.ros.support.quiet_executor import QuietExecutor
from diffposetalk_ros.streaming.shared_backend import SharedBackend

__all__ = ['BackendPool', 'make_avatars', 'main']


class BackendPool:
    """Opens each model once; every further call shares it. ``limit``: avatars per model.

    Raises what `load_backend` raises, and ModelError beyond the limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self.shared: dict[tuple[Path, str, str], SharedBackend] = {}

    def __call__(self, folder: Path, backend: str, device: str) -> Backend:
        """A member of the model's shared backend."""
        key = (folder.resolve(), backend, device)
        with self._lock:
            if key not in self.shared:
                self.shared[key] = SharedBackend(load_backend(folder, backend, device), self._limit)
            shared = self.shared[key]
        if shared.members >= shared.limit:
            gc.collect()  # an avatar that was cleaned up leaves when it is collected
        return shared.join()

    def close(self) -> None:
        """End the inference threads."""
        for shared in self.shared.values():
            shared.close()
        self.shared.clear()


def make_avatars(count: int, prefix: str = 'avatar_', **kwargs: Any) -> list[DiffPoseTalkNode]:
    """Nodes in namespaces ``prefix``0 ... If no seed is set, each gets its number as seed, so
    that avatars with the same audio do not move alike.

    A namespace for the whole process (``__ns``, as launch files set it) comes before theirs."""
    around = _namespace_of_process(kwargs.get('context'))
    nodes = []
    for number in range(count):
        space = f'{prefix}{number}'
        if around is not None:
            space = f'{around}/{space.lstrip("/")}'
            kwargs['cli_args'] = ['--ros-args', '-r', f'__ns:={space}']
        node = DiffPoseTalkNode(namespace=space, **kwargs)
        if number and node.get_parameter('sampler.seed').value == 0:
            node.set_parameters([Parameter('sampler.seed', value=number)])
        nodes.append(node)
    return nodes


def _namespace_of_process(context: Any) -> str | None:
    """Namespace that the command line gives to every node, if any. It would put all avatars in one place."""
    unset = 'namespace_not_set'
    probe = rclpy.create_node(
        'diffposetalk', namespace=unset, context=context, start_parameter_services=False, enable_rosout=False
    )
    space: str = probe.get_namespace().rstrip('/')
    probe.destroy_node()
    return None if space == f'/{unset}' else space


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of avatars_node."""
    with report_errors('avatars_node') as status:
        _run(args)
    return status()


def _run(args: Sequence[str] | None) -> None:
    options = _options(non_ros_args(args))
    # The publishing threads must not wait 5 ms for the networks to release the interpreter lock.
    sys.setswitchinterval(0.0005)
    start_rclpy(args)
    pool = BackendPool(options.limit)
    set_backend_factory(pool)
    nodes: list[DiffPoseTalkNode] = []
    executor = QuietExecutor()
    try:
        with until_shutdown():
            nodes += create_node(lambda: make_avatars(options.avatars, options.prefix))
            for node in nodes:
                executor.add_node(node)
            ClockWatch(nodes[0])
            with library_log(nodes[0].get_logger()):
                if options.autostart:
                    for node in nodes:
                        node.autostart()
                executor.spin()
    finally:
        with undisturbed():
            for node in nodes:
                node.close()
            executor.shutdown()
            for node in nodes:
                node.destroy_node()
            pool.close()
            set_backend_factory()
            rclpy.try_shutdown()


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='avatars_node',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--avatars', type=int, default=2, help='how many (default: 2)')
    parser.add_argument('--prefix', default='avatar_', help='namespace without the number')
    parser.add_argument('--limit', type=int, default=16, help='avatars that may share a model (default: 16)')
    parser.add_argument('--autostart', action='store_true', help='configure and activate at once')
    options = parser.parse_args(words)
    if not 1 <= options.avatars <= options.limit:
        raise ConfigError(f'--avatars {options.avatars}; use 1 to --limit ({options.limit})')
    return options


if __name__ == '__main__':
    raise SystemExit(main())
