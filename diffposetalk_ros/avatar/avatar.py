# SPDX-License-Identifier: Apache-2.0
"""One live face: model, ears (intake), worker, timeline and playout put together. Imports no ROS."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer
from diffposetalk_ros.audio.sample_clock import ClockConfig
from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.avatar import status as diagnostics
from diffposetalk_ros.avatar.audio_front_end import AudioFrontEnd
from diffposetalk_ros.avatar.audio_intake import AudioIntake
from diffposetalk_ros.avatar.delayed_audio import DelayedSound
from diffposetalk_ros.avatar.parameters import NodeConfig
from diffposetalk_ros.avatar.style_control import StyleControl
from diffposetalk_ros.avatar.style_reference import StyleReference
from diffposetalk_ros.diffusion.schedule import timesteps
from diffposetalk_ros.errors import ModelError, StyleError
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig
from diffposetalk_ros.model.guided import branches_for, scale_code
from diffposetalk_ros.model.loader import LoadedModel, open_model
from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.motion.regions import RegionValues
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.playout.idle import IdleMotion
from diffposetalk_ros.playout.lookahead import Foresight, FramesAhead
from diffposetalk_ros.playout.playout import Playout, PlayoutConfig
from diffposetalk_ros.playout.start_delay import StartDelay
from diffposetalk_ros.playout.timeline import MotionTimeline
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator
from diffposetalk_ros.streaming.latency import LatencyTracker
from diffposetalk_ros.streaming.warm_up import too_slow, warm_up
from diffposetalk_ros.streaming.worker import InferenceWorker
from diffposetalk_ros.util.resources import DEFAULT_MODEL

__all__ = ['Avatar']

_NS = 1_000_000_000
_BURST = ClockConfig().max_ahead
"""Seconds that may wait to be heard by the networks: as much as may come ahead of time."""


class Avatar:
    """What the node drives. `look`, `look_ahead`, `note_release` and `startle` belong to the thread that
    publishes, all else to the executor's thread; the worker is inside.

    ``log`` takes one line about a failing inference. ``on_frames`` is called on the worker's thread when
    there is more for `look_ahead`. Raises DiffPoseTalkError from the constructor for a model or style that
    cannot be used.
    """

    def __init__(
        self, config: NodeConfig, log: Callable[[str], None], on_frames: Callable[[], None] = lambda: None
    ) -> None:
        self._model: LoadedModel = open_model(
            config.model_path or DEFAULT_MODEL, config.model_backend, config.model_device
        )
        self._log = log
        self._on_frames = on_frames
        self._config = config
        self._worker: InferenceWorker | None = None
        self._leaving: InferenceWorker | None = None
        self._playing = threading.Lock()
        self._startled = False
        network = self._model.backend.config
        self.layout: MotionLayout = network.layout
        self.rest: FloatArray = np.zeros(self.layout.width, np.float32)
        self.model_name = self._model.folder.resolve().name
        self.model_rate, self.style_dim = network.fps, network.style_dim
        self.checksum = _checksum(self._model.folder)
        self.styles = dict.fromkeys(self._model.styles, '')
        self.style = StyleControl(self._model, self.checksum, self._encode, config.style_name)
        self.bad_messages = 0
        self.release, self.slack = LatencyTracker(), LatencyTracker()
        runner = self._model.backend.runner
        self.description = (
            f'model {self._model.folder} ({runner}, sha256 {self.checksum[:12]}), {network.space} '
            f'{self.layout.width} channels at {network.fps} fps, {len(self.styles)} styles'
        )
        stream = _stream_config(config)
        hop = warm_up(self._model.backend, stream, self.style.settle())
        self.too_slow = too_slow(hop, self._model.backend, stream)

    def start(self) -> None:
        """Fresh stream, worker running. Raises ConfigError for a hop the model's window cannot hold."""
        self._check_alone()
        config = self._config
        ring, self._timeline = AudioRingBuffer(most=_BURST), MotionTimeline(self.layout.width)
        generator = StreamingGenerator(self._model.backend, _stream_config(config), self.style.settle())
        worker = InferenceWorker(
            generator,
            ring,
            self._timeline,
            on_error=self._on_error,
            on_frames=lambda epoch, frames: self._on_frames(),
        )
        self._front = AudioFrontEnd(config.audio_voice_only)
        self._intake = AudioIntake(ring, worker.reset, config.audio_end_timeout, worker.preview)
        self._playout = Playout(
            self._timeline,
            self.layout,
            self._model.mean,
            self._model.std,
            self.model_rate,
            _playout_config(config),
            IdleMotion(self.layout, config.sampler_seed),
            self.rest,
        )
        self._foresight = Foresight(self._timeline, self._playout)
        self._delay = StartDelay(round(config.playout_delay * _NS), round(config.playout_min_delay * _NS))
        self._sound = DelayedSound()
        self._utterance: tuple[int, int] | None = None
        self.bad_messages = 0
        self._audio_trouble, self._playout_trouble = diagnostics.Trouble(), diagnostics.Trouble()
        self.release.reset()
        self.slack.reset()
        worker.start()
        self._worker = worker

    def stop(self, timeout: float = 5.0) -> None:
        """Worker joined; nothing of the stream is left, unless a window takes longer than ``timeout`` s."""
        if self._worker is not None:
            if not self._worker.stop(timeout):
                self._log('inference: the thread is still in a window; it ends after it')
                self._leaving = self._worker
            self._worker = None

    def _check_alone(self) -> None:
        """Raises ModelError while the thread of an earlier activation is still in its last window."""
        if self._leaving is not None and not self._leaving.stop(timeout=0.0):
            raise ModelError('the model is still busy with the window before; try again in a few seconds')
        self._leaving = None

    def check(self, config: NodeConfig) -> None:
        """Raises ConfigError for settings this model cannot be sampled with."""
        network, sampling = self._model.backend.config, _stream_config(config).sampling
        branches_for(network, True, sampling)
        scale_code(network, True, sampling)
        timesteps(network.n_diff_steps, sampling.steps)

    def update(self, config: NodeConfig, restyle: bool = False) -> None:
        """Apply changed parameters: sampling at the next window, seed at the next utterance. ``restyle``: go to
        the parameter's style, whatever a message has asked for since."""
        if restyle:
            self.style.by_name(config.style_name, config.style_transition)
        self._config = config
        if self._worker is not None:
            self._intake.end_timeout = config.audio_end_timeout
            with self._playing:
                self._playout.update(_playout_config(config))
            stream = _stream_config(config)

            def apply(generator: StreamingGenerator) -> None:
                generator.set_sampling(stream.sampling)
                generator.config = replace(generator.config, seed=stream.seed)

            self._worker.call(apply)

    def hear(self, chunk: AudioChunk, now: int, message: Any = None) -> None:
        """A message arrived at ``now`` (ns). ``message``: what `due_sound` is to give back."""
        for heard in self._front.push(chunk, now, message, self._config.audio_gain):
            self._store(*heard)

    def _store(self, chunk: AudioChunk, now: int, message: Any) -> None:
        intake = self._intake
        epoch = intake.ring.epoch
        used = intake.push(chunk, now)
        if intake.origin is not None:
            with self._playing:
                if intake.ring.epoch != epoch or self._utterance is None:
                    self._delay.begin(intake.origin, now)
                self._delay.heard(intake.received, intake.newest)
                self._utterance = (intake.ring.epoch, intake.origin)
                self._play(*self._utterance)
            if message is not None and used:
                self._sound.add(intake.ring.epoch, intake.place, message)
        self._running.notify()

    def _play(self, epoch: int, origin: int) -> None:
        """Face and sound of the utterance whose sample 0 is of time ``origin``."""
        self._playout.play(epoch, origin + self._delay.delay)
        self._sound.play(epoch, origin + self._delay.delay)

    def poll(self, now: int) -> None:
        """Once a frame: pause and end of the utterance by time-out, style on its way."""
        if self._startled:
            self._startled = False
            self._intake.abandon()
        if self._intake.poll(now):
            self._running.notify()
        self._note_slack(now)
        changed, vector = self.style.advance(now)
        if changed:
            self._running.call(lambda generator: generator.set_style(vector))

    def _note_slack(self, now: int) -> None:
        """How far ahead of the clock the generated frames reach, while somebody speaks."""
        origin = self._intake.origin
        if origin is None or not self._intake.open:
            return
        played = (now - origin - self._delay.delay) / _NS
        if played > 0:
            self.slack.add((self._timeline.end - 0.5) / self.model_rate - played)

    def look(self, due: int) -> tuple[FloatArray, int]:
        """Row (D,) and state of the frame to be seen at ``due`` (ns)."""
        with self._playing:
            if self._utterance is not None and not self._delay.settled:
                ready = self._timeline.at(0, provisional=True).first is not None
                if self._delay.settle(due, ready):
                    self._play(*self._utterance)
            frame = self._playout.sample(due)
        return frame.row, int(frame.state)

    def due_sound(self, now: int) -> list[tuple[int, Any]]:
        """(time, message) of the sound that is to be heard by ``now`` (ns), with its face."""
        return self._sound.due(now)

    @property
    def next_sound(self) -> int | None:
        """When there is more of it (ns), as far as is known."""
        return self._sound.next()

    def look_ahead(self, now: int) -> FramesAhead | None:
        """Frames known at ``now`` (ns) that were not handed out yet; call until None."""
        with self._playing:
            return self._foresight.news(now)

    def nothing_ahead(self, now: int) -> FramesAhead:
        """What voids all frames handed out so far: after `stop`."""
        rows = np.zeros((0, self.layout.width), np.float32)
        return FramesAhead(self._timeline.epoch + 1, 0, now, rows, 0)

    def interrupt(self) -> None:
        """Drop what was heard and generated; the face eases to rest."""
        with self._playing:
            self._playout.interrupt()
            self._utterance = None
        self._sound.clear()
        self._intake.abandon()

    def startle(self) -> None:
        """The clock jumped: times before it mean nothing any more."""
        with self._playing:
            self._playout.reset()
            self._utterance = None
        self._sound.clear()
        self._startled = True

    def set_style(self, reference: StyleReference, transition: float = 0.0) -> None:
        """Follow a StyleReference within ``transition`` s (0: the parameter). Raises StyleError."""
        self.style.by_reference(reference, transition or self._config.style_transition)

    def note_release(self, late: int) -> None:
        """A frame was published ``late`` ns after it was due."""
        self.release.add(late / _NS)

    def new_generator(self) -> Generator:
        """For whole clips: the same model, opened once more, so that live and offline do not meet."""
        config = self._config
        return Generator(
            open_model(self._model.folder, config.model_backend, config.model_device, shared=False)
        )

    @property
    def style_and_sampling(self) -> tuple[FloatArray | None, SamplingConfig]:
        """What speech is generated with now."""
        return self.style.goal, _stream_config(self._config).sampling

    def diagnose(self, now: int, senders: int) -> list[diagnostics.Status]:
        """What /diagnostics says at ``now`` (ns), when so many publish the audio."""
        worker = self._running
        arrival = self._front.arrival
        age = float('nan') if arrival is None else (now - arrival) / _NS
        lost = worker.lost_samples / AUDIO_SAMPLE_RATE
        faults = self.bad_messages + worker.lost_samples
        return [
            diagnostics.audio_status(
                self._intake.counters,
                age,
                self.bad_messages,
                lost,
                senders,
                self._audio_trouble.seen(faults, now),
                self._front.loudest,
                self._front.waiting,
            ),
            diagnostics.inference_status(
                worker.inference.summary(), worker.real_time_factor, worker.error_count, worker.failed
            ),
            diagnostics.playout_status(
                self._playout.underflows,
                self._playout.late_starts,
                self._playout.shift,
                self.release.summary(),
                self.slack.summary(),
                self._playout_trouble.seen(self._playout.underflows + self._playout.late_starts, now),
            ),
            diagnostics.Status(
                'model',
                diagnostics.OK,
                self.model_name,
                {'sha256': self.checksum, 'style': self.style.name, 'space': self.layout.space},
            ),
        ]

    @property
    def _running(self) -> InferenceWorker:
        assert self._worker is not None, 'only called between start and stop'
        return self._worker

    def _on_error(self, text: str) -> None:
        self._log(f'inference: {text.strip().splitlines()[-1]}')

    def _encode(self, motion: FloatArray) -> FloatArray:
        """`Backend.encode_style`: on the worker's thread, between two windows, while that owns the backend."""
        if self._worker is None:
            self._check_alone()
            return self._model.backend.encode_style(motion)
        answer: Future[FloatArray] = Future()

        def encode(_: StreamingGenerator) -> None:
            try:
                answer.set_result(self._model.backend.encode_style(motion))
            except Exception as error:
                answer.set_exception(error)

        self._worker.call(encode)
        try:
            return answer.result(timeout=5.0)
        except FutureTimeout as error:
            raise StyleError('the model is too busy to read the style; try again') from error


def _stream_config(config: NodeConfig) -> StreamConfig:
    sampling = SamplingConfig(
        solver=config.sampler_solver,
        steps=config.sampler_steps,
        scale_audio=config.sampler_guidance_audio,
        scale_style=config.sampler_guidance_style,
    )
    return StreamConfig(
        hop=config.stream_hop,
        look_ahead=config.stream_look_ahead,
        seed=config.sampler_seed,
        sampling=sampling,
    )


def _playout_config(config: NodeConfig) -> PlayoutConfig:
    return PlayoutConfig(
        hold=config.playout_hold,
        ease=config.playout_ease,
        smoothing=config.playout_smoothing,
        max_shift=config.playout_max_shift,
        idle=config.idle_enabled,
        strengths=RegionValues(
            mouth=config.strength_mouth,
            eyes=config.strength_eyes,
            brows=config.strength_brows,
            cheeks=config.strength_cheeks,
            head=config.strength_head,
        ),
    )


def _checksum(folder: Path) -> str:
    """SHA-256 of the network's weights, or of its graph where only that is there."""
    for name in ('model.safetensors', 'sampler.onnx'):
        if (folder / name).is_file():
            return hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return hashlib.sha256(b'').hexdigest()
