# SPDX-License-Identifier: Apache-2.0
"""Requests of a page to the talking node through its services: styles, parameters, interrupt."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.task import Future
from std_srvs.srv import Trigger

from diffposetalk_ros.avatar.parameters import PARAMETERS, ParameterSpec
from diffposetalk_ros.errors import ConfigError, StyleError
from diffposetalk_ros.srv import ListStyles, SetStyle

__all__ = ['LABELS', 'AvatarClient', 'checked_number']

LABELS = {
    'sampler.guidance_audio': 'Guidance, speech',
    'sampler.guidance_style': 'Guidance, style',
    'sampler.steps': 'Steps',
    'sampler.seed': 'Seed',
    'strength.mouth': 'Mouth',
    'strength.eyes': 'Eyes',
    'strength.brows': 'Brows',
    'strength.cheeks': 'Cheeks',
    'strength.head': 'Head',
}
"""Parameters a page shows, with the words it shows."""

_PATIENCE = 10.0
"""Seconds until an answer is given up."""
_TRIES = 5
_SPECS = {spec.name: spec for spec in PARAMETERS if spec.name in LABELS}
# Range of a slider if that of the parameter is much larger.
_UPPER = {'sampler.steps': 20.0, 'sampler.guidance_audio': 5.0, 'sampler.guidance_style': 5.0}


class AvatarClient:
    """Clients of the node ``target``; every method is a coroutine of the rclpy executor.

    Raises ConfigError when the node is not there, StyleError when it refuses a style.
    """

    def __init__(self, node: Any, target: str, report: Callable[[str, dict[str, Any]], None]) -> None:
        self._node, self._target = node, target
        self._report = report
        self._styles: list[str] = []
        self._list = node.create_client(ListStyles, f'{target}/list_styles')
        self._style = node.create_client(SetStyle, f'{target}/set_style')
        self._interrupt = node.create_client(Trigger, f'{target}/interrupt')
        self._reset = node.create_client(Trigger, f'{target}/reset')
        self._get = node.create_client(GetParameters, f'{target}/get_parameters')
        self._set = node.create_client(SetParameters, f'{target}/set_parameters')

    async def refresh(self) -> None:
        """Send the current styles and parameter values to the pages."""
        styles = await self._call(self._list, ListStyles.Request())
        self._styles = list(styles.names)
        self._report('styles', {'names': list(styles.names), 'current': styles.current})
        answer = await self._call(self._get, GetParameters.Request(names=list(LABELS)))
        values = {name: _plain(value) for name, value in zip(LABELS, answer.values, strict=False)}
        known = [_describe(_SPECS[name], value) for name, value in values.items() if value is not None]
        self._report('parameters', {'list': known})

    async def set_style(self, request: Any) -> dict[str, Any]:
        """Send a SetStyle.Request; returns the answer for the page."""
        answer = await self._call(self._style, request)
        if not answer.success:
            raise StyleError(answer.message)
        await self.refresh()
        return {'style': answer.name}

    async def name_style(self, name: str, transition: float = 0.0) -> dict[str, Any]:
        """Change to a style, or a blend of styles, of the model, within ``transition`` s.

        The node also accepts the path of a file as a name. Pages may not request files: this raises StyleError.
        """
        for part in name.split('+'):
            style = part.partition('*')[0].strip()
            if style not in self._styles:
                raise StyleError(
                    f'no style {style[:40]!r}; this node has {", ".join(self._styles) or "none"}'
                )
        request = SetStyle.Request()
        request.style.name = name
        request.transition = Duration(seconds=transition).to_msg()
        return await self.set_style(request)

    async def set_parameter(self, name: str, value: float) -> dict[str, Any]:
        """Change one of the parameters pages may change. Raises ConfigError with the node's reason."""
        if name not in _SPECS:
            raise ConfigError(f'a page may not change {name!r}; it may change {", ".join(LABELS)}')
        whole = isinstance(_SPECS[name].default, int)
        message = ParameterMessage(name=name)
        if whole:
            message.value = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=round(value))
        else:
            message.value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=float(value))
        answer = await self._call(self._set, SetParameters.Request(parameters=[message]))
        if not answer.results[0].successful:
            raise ConfigError(answer.results[0].reason)
        await self.refresh()
        return {}

    async def interrupt(self) -> dict[str, Any]:
        """Stop talking now."""
        await self._call(self._interrupt, Trigger.Request())
        return {}

    async def reset(self) -> dict[str, Any]:
        """Stop talking now. The next sound is spoken, however soon it follows."""
        await self._call(self._reset, Trigger.Request())
        return {}

    async def _call(self, client: Any, request: Any) -> Any:
        if not client.service_is_ready():
            raise ConfigError(f'{client.srv_name} is not available; is the node {self._target} configured?')
        # An answer is lost if the server has not discovered this client's response reader yet.
        tries = _TRIES if client in (self._list, self._get) else 1
        for _ in range(tries):
            future = client.call_async(request)
            await self._within(_PATIENCE / tries, future)
            if future.done() and future.result() is not None:
                return future.result()
            client.remove_pending_request(future)
        raise ConfigError(f'{client.srv_name} gave no answer within {_PATIENCE:g} s')

    async def _within(self, seconds: float, future: Any) -> None:
        """Return when ``future`` is done, or after ``seconds`` of wall-clock time."""
        over: Any = Future(executor=self._node.executor)

        def end(_: Any = None) -> None:
            if not over.done():
                over.set_result(None)

        future.add_done_callback(end)
        timer = self._node.create_timer(seconds, end, clock=Clock(clock_type=ClockType.STEADY_TIME))
        try:
            await over
        finally:
            self._node.destroy_timer(timer)


def _plain(value: Any) -> float | None:
    if value.type == ParameterType.PARAMETER_INTEGER:
        return int(value.integer_value)
    return float(value.double_value) if value.type == ParameterType.PARAMETER_DOUBLE else None


def _describe(spec: ParameterSpec, value: float) -> dict[str, Any]:
    return {
        'name': spec.name,
        'label': LABELS[spec.name],
        'description': spec.full_description,
        'lower': spec.lower,
        'upper': max(_UPPER.get(spec.name, spec.upper or 1.0), value),
        'step': 1 if isinstance(spec.default, int) else 0.05,
        'value': value,
    }


def checked_number(value: object) -> float:
    """A finite number that a page sent. Raises ConfigError for anything else. Python's JSON parser accepts NaN."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f'{value!r:.40} is not a number')
    return number
