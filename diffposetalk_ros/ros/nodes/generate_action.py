# SPDX-License-Identifier: Apache-2.0
"""The ~/generate action: generates a whole file offline, on a separate thread beside the live stream."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.task import Future

from diffposetalk_ros.action import Generate
from diffposetalk_ros.audio.formats.file import audio_blocks, audio_duration
from diffposetalk_ros.errors import AudioError, ConfigError, DiffPoseTalkError, MotionError, StyleError
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig
from diffposetalk_ros.motion.files.motion_file import save_motion
from diffposetalk_ros.offline.generator import MIN_SECONDS, Generator
from diffposetalk_ros.ros.messages.stamps import duration_message
from diffposetalk_ros.util.base_folder import BaseFolder
from diffposetalk_ros.util.nanoseconds import to_nanoseconds
from diffposetalk_ros.util.output_file import check_output

__all__ = ['GenerateAction']

_PRIORITY = 10
"""Niceness of the thread: the live face comes first."""


class _Stopped(Exception):
    """The goal was cancelled or the node is shutting down."""


class GenerateAction:
    """Executes one goal at a time; a second is refused. ``open_generator`` makes a separate generator, because a
    backend is not shared with the live worker; ``settings`` returns the (style, sampling) in use;
    ``files`` is the folder in which requests may name files."""

    def __init__(
        self,
        node: Any,
        open_generator: Callable[[], Generator],
        settings: Callable[[], tuple[FloatArray | None, SamplingConfig]],
        files: BaseFolder,
    ) -> None:
        self._node = node
        self._open_generator = open_generator
        self._settings, self._files = settings, files
        self._thread: threading.Thread | None = None
        self._goal: Any = None
        self._closing = False
        self._busy = False
        self._server = ActionServer(
            node,
            Generate,
            '~/generate',
            self._execute,
            goal_callback=self._accept,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def close(self) -> None:
        """Stop a goal in progress and destroy the action server."""
        self._closing = True
        if self._thread is not None:
            self._thread.join()
        # After Ctrl-C the context is invalid and nobody can be told any more.
        if self._goal is not None and self._node.context.ok() and self._goal.is_active:
            self._goal.abort()
        self._server.destroy()

    def _accept(self, request: Any) -> Any:
        if self._busy or self._closing:
            return GoalResponse.REJECT
        self._busy = True
        return GoalResponse.ACCEPT

    async def _execute(self, goal: Any) -> Any:
        self._goal = goal
        executor = self._node.executor
        done: Any = Future(executor=executor)

        def work() -> None:
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PRIORITY)
            done.set_result(self._generate(goal))
            # Without other work the executor would not wake up.
            executor.wake()

        self._thread = threading.Thread(target=work, name='generate', daemon=True)
        self._thread.start()
        try:
            result = await done
        finally:
            self._busy = False
        if not goal.is_active:
            pass  # the node was shut down meanwhile
        elif result.error_code == Generate.Result.OK:
            goal.succeed()
        elif result.error_code == Generate.Result.CANCELED and goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return result

    def _generate(self, goal: Any) -> Any:
        result, begin = Generate.Result(), time.monotonic()
        try:
            frames, rate = self._make(goal, begin)
            result.frame_count, result.rate = frames, rate
        except _Stopped:
            result.error_code, result.message = Generate.Result.CANCELED, 'stopped on request'
        except DiffPoseTalkError as error:
            result.error_code, result.message = _code(error), str(error)
        except Exception as error:
            result.error_code, result.message = Generate.Result.INTERNAL, str(error)
            self._node.get_logger().error(f'generate failed:\n{traceback.format_exc()}')
        result.elapsed = _duration(time.monotonic() - begin)
        return result

    def _make(self, goal: Any, begin: float) -> tuple[int, float]:
        request = goal.request
        with suppress(OSError):  # the check of the target reports what is missing
            self._files.folder.mkdir(parents=True, exist_ok=True)
        try:
            source = self._files.require(request.audio_path)
        except ConfigError as error:
            raise AudioError(f'audio_path {error}') from error
        try:
            target = self._files.require(request.motion_path)
            check_output(target, ('.npz', '.csv', '.json'))
        except ConfigError as error:
            raise MotionError(f'motion_path {error}') from error
        if target.exists() and not request.overwrite:
            raise MotionError(f'{target} exists; set overwrite or name another file')
        if request.rate and not 1.0 <= request.rate <= 240.0:
            raise ConfigError(f'rate {request.rate:g}; use 1 to 240, or 0 for that of the model')
        if source.is_fifo() or source.is_char_device():  # it could block this thread for ever
            raise AudioError(f'audio_path {source} is a pipe or device; name a file')
        seconds = audio_duration(source, MIN_SECONDS)
        generator = self._open_generator()
        style, sampling = self._settings()
        if request.style:
            style = generator.model.style(request.style, self._files)
        if request.steps:
            sampling = replace(sampling, steps=int(request.steps))
        total = int(seconds * generator.config.fps)

        def progress(frames: int) -> None:
            if self._closing or goal.is_cancel_requested:
                raise _Stopped
            elapsed = time.monotonic() - begin
            factor = elapsed * generator.config.fps / max(frames, 1)
            goal.publish_feedback(
                Generate.Feedback(
                    frames_done=min(frames, total),
                    frames_total=total,
                    elapsed=_duration(elapsed),
                    real_time_factor=factor,
                )
            )

        clip = generator.generate(audio_blocks(source), style, int(request.seed), sampling, progress=progress)
        if request.rate:
            from diffposetalk_ros.motion.resampling import at_rate

            clip = at_rate(clip, float(request.rate))
        save_motion(target, clip)
        return len(clip.values), float(clip.fps)


def _code(error: DiffPoseTalkError) -> int:
    result = Generate.Result
    for kind, code in ((AudioError, result.AUDIO), (StyleError, result.STYLE), (MotionError, result.OUTPUT)):
        if isinstance(error, kind):
            return int(code)
    return int(result.INTERNAL)


def _duration(seconds: float) -> Any:
    return duration_message(to_nanoseconds(seconds))
