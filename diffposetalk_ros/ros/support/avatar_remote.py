# SPDX-License-Identifier: Apache-2.0
"""Controls a talking node from another program. Every method waits for the answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from diffposetalk_ros.avatar.parameters import Value, read_assignment
from diffposetalk_ros.errors import ConfigError, StyleError
from diffposetalk_ros.msg import FaceMotion, FaceMotionInfo
from diffposetalk_ros.playout.playout import PlayoutState
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient, call
from diffposetalk_ros.ros.support.private_node import private_node
from diffposetalk_ros.srv import ListStyles, SetStyle

__all__ = ['AvatarRemote', 'avatar_remote']

_LEVELS = ('OK', 'WARN', 'ERROR', 'STALE')
_PARTS = 1.5
"""Seconds for which `status` collects diagnostics; the node publishes them once a second."""


class AvatarRemote:
    """The node ``target``. Methods raise ConfigError when it does not answer within ``timeout`` s."""

    def __init__(self, node: Any, executor: Any, target: str, timeout: float) -> None:
        self._node, self._executor, self._target, self._timeout = node, executor, target, timeout

    def styles(self) -> tuple[list[str], str]:
        """Names of the styles, and the one in use."""
        answer = self._ask(ListStyles, 'list_styles', ListStyles.Request())
        return list(answer.names), str(answer.current)

    def set_style(self, name: str, transition: float = 0.0) -> str:
        """Change to a style within ``transition`` s and return its name. Raises StyleError when it is refused."""
        request = SetStyle.Request()
        request.style.name = name
        request.transition = Duration(seconds=transition).to_msg()
        answer = self._ask(SetStyle, 'set_style', request)
        if not answer.success:
            raise StyleError(answer.message)
        return str(answer.name)

    def set_parameter(self, name: str, text: str) -> Value:
        """Set a parameter to ``text`` and return the new value. Raises ConfigError with the reason of a refusal."""
        _, value = read_assignment(f'{name}:={text}')
        message = Parameter(name, value=value).to_parameter_msg()
        answer = self._ask(SetParameters, 'set_parameters', SetParameters.Request(parameters=[message]))
        if not answer.results[0].successful:
            raise ConfigError(answer.results[0].reason)
        return value

    def trigger(self, name: str) -> None:
        """Call ``interrupt`` or ``reset``. Raises ConfigError when it is refused."""
        answer = self._ask(Trigger, name, Trigger.Request())
        if not answer.success:
            raise ConfigError(answer.message)

    def status(self) -> dict[str, Any]:
        """State and diagnostics of the node as plain values, ready for JSON."""
        state = LifecycleClient(self._node, self._executor, self._target)
        found: dict[str, Any] = {'node': self._target}
        try:
            found['lifecycle'] = state.state(self._timeout)
        except TimeoutError as error:
            raise ConfigError(self._absent()) from error
        infos: list[Any] = []
        frames: list[Any] = []
        parts: dict[str, Any] = {}
        base = self._target.rsplit('/', 1)
        space = f'{base[0]}/' if len(base) > 1 else ''

        def collect(message: Any) -> None:
            for status in message.status:
                level = _LEVELS[status.level[0]]
                values = {pair.key: pair.value for pair in status.values}
                node, _, part = status.name.partition(': ')
                parts[part if node == base[-1] else status.name] = {
                    'level': level,
                    'message': status.message,
                    'values': values,
                }

        subscriptions = [
            self._node.create_subscription(FaceMotionInfo, f'{self._target}/info', infos.append, qos.INFO),
            self._node.create_subscription(FaceMotion, f'{space}face_motion', frames.append, 1),
            self._node.create_subscription(DiagnosticArray, '/diagnostics', collect, 10),
        ]
        end = self._node.get_clock().now() + Duration(seconds=_PARTS)
        while self._node.get_clock().now() < end:
            self._executor.spin_once(timeout_sec=0.05)
        for subscription in subscriptions:
            self._node.destroy_subscription(subscription)
        if infos:
            info = infos[-1]
            found |= {'model': info.model, 'space': info.space, 'style': info.style}
            found |= {'rate': f'{info.output_rate:g} frames/s'}
            delay = info.playout_delay
            found |= {'delay': f'{delay.sec + delay.nanosec / 1e9:.3f} s'}
        found['face'] = PlayoutState(frames[-1].state).label if frames else 'no motion'
        return found | {'diagnostics': parts}

    def _ask(self, kind: Any, name: str, request: Any) -> Any:
        # Each of these may be requested twice, because the second request changes nothing.
        client = self._node.create_client(kind, f'{self._target}/{name}')
        try:
            return call(self._node, self._executor, client, request, self._timeout, repeat=True)
        except TimeoutError as error:
            raise ConfigError(self._absent()) from error
        finally:
            self._node.destroy_client(client)

    def _absent(self) -> str:
        names = sorted(
            f'{space.rstrip("/")}/{name}' for name, space in self._node.get_node_names_and_namespaces()
        )
        others = [name for name in names if not name.endswith('/diffposetalk_ctl')]
        return (
            f'the node {self._target} does not answer within {self._timeout:g} s; in this ROS domain there is '
            f'{", ".join(others) or "no node at all"}; see --node and ROS_DOMAIN_ID'
        )


@contextmanager
def avatar_remote(target: str, timeout: float) -> Iterator[AvatarRemote]:
    """The talking node ``target`` in the ROS domain of this process."""
    with private_node('diffposetalk_ctl') as (node, executor):
        yield AvatarRemote(node, executor, target, timeout)
