# SPDX-License-Identifier: Apache-2.0
"""A node with its own context, executor and lifetime, beside other nodes of the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from diffposetalk_ros.ros.support.entry_point import start_rclpy

__all__ = ['private_node']


@contextmanager
def private_node(name: str) -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """Node ``name`` and the executor that spins it. Both end with the block; the rest of rclpy is not affected.

    Raises ConfigError as `start_rclpy`.
    """
    with ExitStack() as stack:
        context = rclpy.Context()
        start_rclpy(None, context=context)
        stack.callback(rclpy.try_shutdown, context=context)
        node = rclpy.create_node(name, context=context)
        stack.callback(node.destroy_node)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        stack.callback(executor.shutdown)
        yield node, executor
