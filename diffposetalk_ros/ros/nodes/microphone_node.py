# SPDX-License-Identifier: Apache-2.0
"""Publishes the microphone on the ``audio`` topic, through PortAudio (package sounddevice).

For example:
    microphone_node --list                              lists the devices
    microphone_node --ros-args -p device:=USB
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from diffposetalk_ros.errors import AudioError, ConfigError
from diffposetalk_ros.ros.support.audio_publisher import AudioPublisher
from diffposetalk_ros.ros.support.entry_point import declared, non_ros_args, report_errors, run_node

__all__ = ['MicrophoneNode', 'capture_delay', 'list_devices', 'main']

_LOOK = 0.5
"""Seconds between two looks whether the device is still there."""
_PARAMETERS = (
    ('device', '', 'Number or part of the name of a device; empty: the default'),
    ('rate', 16000, 'Sample rate [Hz]; 0: the default of the device'),
    ('channel', 0, 'Channel to take, from 1; 0: the mean of the first two'),
    ('chunk', 0.02, 'Length of a message [s]'),
    ('message', 'auto', 'AudioStamped, AudioDataStamped, AudioData or auto'),
    ('frame_id', 'microphone', 'frame_id of stamped messages'),
)


def capture_delay(frames: int, rate: int, first: float, now: float) -> float:
    """Age [s] of the first of ``frames`` samples in a callback at ``now``, recorded at ``first`` [s].

    Both times are PortAudio's. Some of its host APIs give none; then the age is the length of the block.
    """
    age = now - first
    return age if first > 0 and 0 <= age < 2 else frames / rate


def list_devices() -> str:
    """The input devices, a line each: number, name, channels and default rate.

    Raises AudioError when there is none, or when PortAudio is missing.
    """
    lines = [
        f'{number:3d}  {device["name"]}  ({device["max_input_channels"]} channels, '
        f'{device["default_samplerate"]:g} Hz)'
        for number, device in enumerate(_sounddevice().query_devices())
        if device['max_input_channels'] > 0
    ]
    if not lines:
        raise AudioError('PortAudio finds no microphone; connect one, or play a file with audio_player_node')
    return '\n'.join(lines)


class MicrophoneNode(Node):  # type: ignore[misc,unused-ignore]
    """Publishes messages of ``chunk`` seconds, each stamped with the time of its first sample."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('microphone', **kwargs)
        value = declared(self, _PARAMETERS)
        device, rate, channel, chunk = (value[name] for name in ('device', 'rate', 'channel', 'chunk'))
        if not 0.001 <= chunk <= 1.0 or not 0 <= channel <= 64 or rate < 0:
            raise ConfigError(
                f'chunk {chunk} s, channel {channel}, rate {rate} Hz; use 0.001 to 1 s, 0 to 64 and 0 or more'
            )
        library = _sounddevice()
        self._channel = channel
        self._ended = False
        chosen: Any = int(device) if device.isdigit() else device or None
        try:
            found = library.query_devices(chosen, 'input')
            self._rate = rate or int(found['default_samplerate'])
            self._stream = library.InputStream(
                samplerate=self._rate,
                blocksize=max(1, round(chunk * self._rate)),
                device=chosen,
                channels=channel or min(2, found['max_input_channels']),
                dtype='float32',
                callback=self._on_block,
                finished_callback=self._on_end,
            )
        except (ValueError, library.PortAudioError) as error:
            reason = ' '.join(str(error).split())
            raise AudioError(
                f'microphone {device or "(default)"!r} cannot be opened ({reason}); --list names the devices'
            ) from error
        self._output = AudioPublisher(self, self._rate, value['message'], value['frame_id'], depth=50)
        self.get_logger().info(f'{found["name"]}, {self._rate} Hz')
        self._stream.start()
        self.create_timer(_LOOK, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        """Stop recording."""
        self._stream.close()

    def _on_end(self) -> None:
        """Called by a thread of PortAudio when no more blocks follow."""
        self._ended = True

    def _look(self) -> None:
        if self._ended:
            raise AudioError('the microphone has stopped; is it still plugged in? start this node again')

    def _on_block(self, block: NDArray[np.float32], frames: int, time: Any, status: Any) -> None:
        """Called by a thread of PortAudio; it publishes directly to avoid the delay of the executor."""
        now = self.get_clock().now().nanoseconds
        if status:
            self.get_logger().warning(f'microphone: {status}', throttle_duration_sec=5.0)
        samples = block[:, self._channel - 1] if self._channel else block.mean(axis=1)
        age = capture_delay(frames, self._rate, time.inputBufferAdcTime, time.currentTime)
        self._output.announce(now)
        self._output.publish(samples, now - round(age * 1e9))


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise AudioError(f'the microphone needs sounddevice ({error}); pip install sounddevice') from None
    except OSError as error:
        raise AudioError(f'the microphone needs PortAudio ({error}); apt install libportaudio2') from None
    return sounddevice


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of microphone_node: 0 when stopped, 2 on a user error. ``--list`` names the devices."""
    with report_errors('microphone_node') as status:
        if '--list' in non_ros_args(args):
            print(list_devices())
        else:
            return run_node(
                'microphone_node',
                MicrophoneNode,
                args,
                finish=MicrophoneNode.close,
                about=__doc__,
                table=_PARAMETERS,
            )
    return status()


if __name__ == '__main__':
    raise SystemExit(main())
