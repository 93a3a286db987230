# SPDX-License-Identifier: Apache-2.0
"""Time from a burst of synthesised speech to its first frame and sound, and from an interrupt to rest.

The node with the shipped model runs in a separate process. It receives bursts of the bundled clip over DDS, in
messages of 20 ms, without stamps and with stamps that advance with the sound. The first time is from the
publication of the first message to the arrival of the first speaking frame, and of the first sound on audio_out.
The second is from an interrupt to the arrival of the first frame that is idle or at rest.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_srvs.srv import Trigger

from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.avatar.parameters import Value
from diffposetalk_ros.benchmark.table import Table
from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.msg import FaceMotion
from diffposetalk_ros.ros.messages.audio import audio_to_message, message_class, stamped_kind
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient, call
from diffposetalk_ros.ros.support.private_node import private_node
from diffposetalk_ros.util.child_processes import ChildProcesses
from diffposetalk_ros.util.demo_domain import use_private_domain
from diffposetalk_ros.util.resources import demo_clip

__all__ = ['start_table']

_RATE, _CHUNK = 16000, 320
_SPOKEN = 3
"""Seconds of speech in a burst."""
_PATIENCE = 60.0
_QUIET = (FaceMotion.REST, FaceMotion.IDLE)
_DEEP = QoSProfile(depth=1000)


def start_table(times: int, parameters: dict[str, Value], show: Callable[[int], None]) -> Table:
    """``times`` bursts without stamps and as many with, to a node with ``parameters``; ``show(n)`` after the n-th.

    Raises ModelError when the node does not start or answer.
    """
    use_private_domain()
    kind = stamped_kind()
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        stack.enter_context(ChildProcesses(log)).start('avatar_node', {'audio.message': kind} | parameters)
        rows = _measure(times, kind, *stack.enter_context(private_node('start_bench')), show)
    return Table(
        'From a burst of speech to the face',
        f'{times} bursts of {_SPOKEN} s in messages of {1000 * _CHUNK // _RATE} ms each way; ms from the first '
        'message published, or the interrupt asked for, to the arrival in another process.',
        ('moment', 'p50 [ms]', 'p95 [ms]', 'largest [ms]'),
        tuple(
            (name, *(float(round(1e3 * value, 1)) for value in np.percentile(seconds, [50, 95, 100])))
            for name, seconds in rows.items()
        ),
    )


def _measure(
    times: int, kind: str, node: Node, executor: SingleThreadedExecutor, show: Callable[[int], None]
) -> dict[str, list[float]]:
    seen: list[tuple[float, int]] = []
    heard: list[float] = []
    node.create_subscription(
        FaceMotion, 'face_motion', lambda m: seen.append((time.monotonic(), m.state)), _DEEP
    )
    node.create_subscription(
        message_class(kind), 'audio_out', lambda m: heard.append(time.monotonic()), _DEEP
    )
    audio = node.create_publisher(message_class(kind), 'audio', _DEEP)
    client = LifecycleClient(node, executor, 'diffposetalk')
    if not (client.configure(_PATIENCE) and client.activate(_PATIENCE)):
        raise ModelError('the node could not start; run diffposetalk demo to see why')
    interrupt = node.create_client(Trigger, 'diffposetalk/interrupt')

    def until(condition: Callable[[], Any]) -> None:
        end = time.monotonic() + _PATIENCE
        while not condition():
            executor.spin_once(timeout_sec=0.05)
            if time.monotonic() > end:
                raise ModelError(f'the node sent nothing for {_PATIENCE:g} s')

    until(lambda: audio.get_subscription_count() and seen)
    speech = read_audio(demo_clip())[: _SPOKEN * _RATE]
    rows: dict[str, list[float]] = {}
    for turn in range(2 * times):
        stamped = turn % 2 == 1
        name = 'with stamps' if stamped else 'without stamps'
        until(lambda: seen and seen[-1][1] in _QUIET)
        seen.clear()
        heard.clear()
        begin, now = time.monotonic(), node.get_clock().now()
        for i in range(0, len(speech) - _CHUNK, _CHUNK):
            stamp = (now + Duration(seconds=i / _RATE)).to_msg() if stamped else Time()
            audio.publish(audio_to_message(speech[i : i + _CHUNK], _RATE, stamp, kind))
        until(lambda: heard and any(state == FaceMotion.SPEAKING for _, state in seen))
        frame = next(at for at, state in seen if state == FaceMotion.SPEAKING)
        rows.setdefault(f'first frame, {name}', []).append(frame - begin)
        rows.setdefault(f'first sound, {name}', []).append(heard[0] - begin)
        while time.monotonic() < begin + 1.0:
            executor.spin_once(timeout_sec=0.05)
        asked = time.monotonic()
        seen.clear()
        call(node, executor, interrupt, Trigger.Request(), 10.0)
        until(lambda: any(state in _QUIET for _, state in seen))
        rest = next(at for at, state in seen if state in _QUIET)
        rows.setdefault('at rest after an interrupt', []).append(rest - asked)
        show(turn + 1)
    return rows
