# SPDX-License-Identifier: Apache-2.0
"""One live face: combines model, audio intake, worker and presenter. Imports no ROS."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from typing import Any

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer
from diffposetalk_ros.audio.sample_clock import ClockConfig
from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.avatar import status as diagnostics
from diffposetalk_ros.avatar.audio_front_end import AudioFrontEnd, HeardMessage
from diffposetalk_ros.avatar.audio_intake import AudioIntake
from diffposetalk_ros.avatar.barge_in import InterruptHold
from diffposetalk_ros.avatar.live_model import LiveModel
from diffposetalk_ros.avatar.parameters import NodeConfig
from diffposetalk_ros.avatar.settings import amounts, playout_config, start_delay, stream_config, too_late
from diffposetalk_ros.avatar.style_control import StyleControl
from diffposetalk_ros.avatar.style_reference import StyleReference
from diffposetalk_ros.errors import ModelError, StyleError
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.playout.playout import Playout
from diffposetalk_ros.playout.presenter import Presenter
from diffposetalk_ros.playout.timeline import MotionTimeline
from diffposetalk_ros.streaming.generator import StreamingGenerator, model_stream
from diffposetalk_ros.streaming.latency import LatencyTracker
from diffposetalk_ros.streaming.worker import InferenceWorker
from diffposetalk_ros.util.base_folder import BaseFolder
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['Avatar']

_BURST = ClockConfig().max_ahead
"""Seconds of sound that may wait for the networks: as many as may arrive ahead of time."""

_LAST = 0.1
"""Speech is over when the sound received has ended for this time (s)."""


class Avatar:
    """The object that the node drives. ``presenter`` and `on_clock_jump` belong to the publishing thread, everything
    else to the executor's thread. The avatar owns the worker thread.

    ``model``: the `LiveModel`; ``style``: its `StyleControl`; ``files``: which files may be named;
    ``presenter``: the `Presenter` of face and sound, a new one with each `start`; ``release``: how late
    frames were published, s. ``log`` takes one line about a failing inference.
    ``on_frames`` is called on the worker's thread when there is more to present.
    The constructor raises DiffPoseTalkError for a model or style that cannot be used.
    """

    def __init__(
        self, config: NodeConfig, log: Callable[[str], None], on_frames: Callable[[], None] = lambda: None
    ) -> None:
        self.model = LiveModel(config)
        self._log = log
        self._on_frames = on_frames
        self._config = config
        self._worker: InferenceWorker | None = None
        self.leaving: InferenceWorker | None = None
        self._clock_jumped = False
        self.files = BaseFolder(config.files_folder)
        self.style = StyleControl(
            self.model.loaded, self.model.checksum, self._style_of, config.style_name, self.files
        )
        self.bad_messages = self.lost_messages = 0
        self.release, self._slack = LatencyTracker(), LatencyTracker()
        self.model.warm_up(config, self.style.settle())

    def start(self) -> None:
        """Start a new stream and the worker. Raises ConfigError for a hop that the model's window cannot hold."""
        self._check_alone()
        config, model = self._config, self.model
        ring, self.timeline = AudioRingBuffer(most=_BURST), MotionTimeline(model.layout.width)
        generator = model_stream(model.loaded, stream_config(config), self.style.settle())
        if generator.nonverbal is not None:
            generator.nonverbal.amounts = amounts(config)
        self._idle = model.idle_motion(self.style.settle(), config)
        worker = InferenceWorker(
            generator,
            ring,
            self.timeline,
            on_error=self._on_error,
            on_frames=lambda epoch, frames: self._on_frames(),
        )
        self._hold = InterruptHold(config.interrupt_hold)
        self._front = AudioFrontEnd(config.audio_voice_only)
        self.intake = AudioIntake(ring, worker.reset, config.audio_end_timeout, worker.preview)
        self._limit_lateness(config)
        self.playout = Playout(
            self.timeline,
            model.layout,
            model.loaded.mean,
            model.loaded.std,
            playout_config(config),
            self._idle,
            model.rest,
        )
        self.presenter = Presenter(
            self.timeline, self.playout, start_delay(config), config.stream_hop, model.fps
        )
        self.presenter.update(playout_config(config), config.playout_max_shift)
        self.bad_messages = self.lost_messages = 0
        self._audio_trouble, self._playout_trouble = diagnostics.Trouble(), diagnostics.Trouble()
        self.release.reset()
        self._slack.reset()
        worker.start()
        self._worker = worker

    def stop(self, timeout: float = 5.0) -> None:
        """Join the worker and discard the stream, unless a window takes longer than ``timeout`` s."""
        if self._worker is not None:
            if not self._worker.stop(timeout):
                self._log('inference: the thread is still in a window; it ends after it')
                self.leaving = self._worker
            self._worker = None

    def update(self, config: NodeConfig, restyle: bool = False) -> None:
        """Apply changed parameters: sampling at the next window, seed at the next utterance. ``restyle``: change to
        the parameter's style, even if a message has requested another one since."""
        if restyle:
            self.style.by_name(config.style_name, config.style_transition)
        self._config = config
        if self._worker is not None:
            self.intake.end_timeout = config.audio_end_timeout
            self._limit_lateness(config)
            self._hold.pause = config.interrupt_hold
            self.presenter.update(playout_config(config), config.playout_max_shift)
            stream = stream_config(config)

            def apply(generator: StreamingGenerator) -> None:
                generator.set_sampling(stream.sampling)
                generator.config = replace(generator.config, seed=stream.seed)
                if generator.nonverbal is not None:
                    generator.nonverbal.amounts = amounts(config)

            self._worker.call(apply)
            self.model.restyle(self._idle, self.style.goal, config)

    def push_audio(self, chunk: AudioChunk, now: int, message: Any = None, sent: int | None = None) -> None:
        """Take a message that arrived at ``now`` (ns). ``message``: what `Presenter.due_audio` returns later.
        ``sent``: when it was sent, if known."""
        self._follow_clock()
        if not self._hold.passes(chunk, now):
            return
        heard = HeardMessage(chunk, now, message, now if sent is None else sent)
        for passed in self._front.push(heard, self._config.audio_gain):
            self._store(passed)

    def _store(self, heard: HeardMessage) -> None:
        intake, now = self.intake, heard.arrived
        piece = intake.push(heard.chunk, now, heard.message, heard.sent)
        if intake.origin is not None:
            self.presenter.hear(intake.ring.epoch, intake.origin, now, intake.received, intake.newest, piece)
        self.worker.notify_audio()

    def poll(self, now: int) -> bool:
        """Detects pause and end of the utterance by time-out and advances a style transition.

        Returns whether to call it again within a frame; while nothing happens, a tenth of a second later is soon
        enough.
        """
        self._follow_clock()
        if self.intake.poll(now):
            self.worker.notify()
        elif self.intake.open:
            self.worker.notify_audio()
        self._note_slack(now)
        changed, vector = self.style.advance(now)
        if changed:
            self.worker.call(lambda generator: generator.set_style(vector))
            self.model.restyle(self._idle, vector, self._config)
        return changed or self.intake.open

    def _limit_lateness(self, config: NodeConfig) -> None:
        self.intake.too_late = too_late(config)
        self.intake.sender.most_late = round(config.playout_max_shift * NS_PER_SECOND)

    def _follow_clock(self) -> None:
        """After a jump, discard the sound that arrived before it and keep what arrived since."""
        if self._clock_jumped:
            self._clock_jumped = False
            self.intake.abandon()

    def _note_slack(self, now: int) -> None:
        """How far ahead of the clock the generated frames reach, while somebody speaks."""
        played = self.presenter.played(now)
        if not self.intake.open or played is None or played <= 0:
            return
        if played < self.intake.received / NS_PER_SECOND + _LAST:
            self._slack.add((self.timeline.end - 0.5) / self.model.fps - played)

    def interrupt(self, hold: bool = True) -> None:
        """Drop the sound and frames of the utterance and move the face to rest. ``hold``: also ignore the rest of it
        that the sender still sends."""
        if hold:
            self._hold.begin()
        else:
            self._hold.release()
        self.presenter.interrupt()
        self.intake.abandon()

    def on_clock_jump(self) -> None:
        """The clock jumped, so earlier times are invalid."""
        self.presenter.on_clock_jump()
        self._clock_jumped = True

    def listen(self, voice: bool) -> None:
        """Tell the face whether a person is speaking to it (``voice``). It reacts while it is silent."""
        self._idle.listening = voice

    def set_style(self, reference: StyleReference, transition: float = 0.0) -> None:
        """Follow a StyleReference within ``transition`` s (0: the parameter). Raises StyleError."""
        self.style.by_reference(reference, transition or self._config.style_transition)

    def new_generator(self) -> Generator:
        """Generator for whole clips; see `LiveModel.new_generator`."""
        return self.model.new_generator(self._config)

    @property
    def style_and_sampling(self) -> tuple[FloatArray | None, SamplingConfig]:
        """Style and sampling in use."""
        return self.style.goal, stream_config(self._config).sampling

    def diagnose(self, now: int, senders: int, assumed: str = '') -> list[diagnostics.Status]:
        """Statuses for /diagnostics at ``now`` (ns), given the number of publishers of the audio. ``assumed``: the
        audio format where none was announced."""
        worker, presented = self.worker, self.presenter.status
        arrival = self._front.arrival
        age = float('nan') if arrival is None else (now - arrival) / NS_PER_SECOND
        lost = worker.lost_samples / AUDIO_SAMPLE_RATE
        faults = self.bad_messages + worker.lost_samples + self.lost_messages
        faults += round(AUDIO_SAMPLE_RATE * self.intake.counters.stale)
        late = presented.underflows + presented.late_starts
        return [
            diagnostics.audio_status(
                self.intake.counters,
                self.intake.sender,
                age=age,
                bad_messages=self.bad_messages,
                lost_messages=self.lost_messages,
                lost=lost,
                senders=senders,
                troubled=self._audio_trouble.seen(faults, now),
                loudest=self._front.loudest,
                waiting=self._front.waiting,
                held=self._hold.held,
                holding=self._hold.holding,
                doubt=diagnostics.format_doubt(self.intake.speed, assumed),
            ),
            diagnostics.inference_status(
                worker.inference.summary(), worker.real_time_factor, worker.error_count, worker.failed
            ),
            diagnostics.playout_status(
                presented,
                self.release.summary(),
                self._slack.summary(),
                self._playout_trouble.seen(late, now),
            ),
            diagnostics.Status(
                'model',
                diagnostics.OK,
                self.model.name,
                {
                    'sha256': self.model.checksum,
                    'style': self.style.name,
                    'space': self.model.layout.space,
                },
            ),
        ]

    @property
    def worker(self) -> InferenceWorker:
        """The thread that generates, between `start` and `stop`."""
        assert self._worker is not None, 'only called between start and stop'
        return self._worker

    def _check_alone(self) -> None:
        """Raises ModelError while the thread of an earlier activation is still in its last window."""
        if self.leaving is not None and not self.leaving.stop(timeout=0.0):
            raise ModelError('the model is still busy with the previous window; try again in a few seconds')
        self.leaving = None

    def _on_error(self, text: str) -> None:
        self._log(f'inference: {text.strip().splitlines()[-1]}')

    def _style_of(self, motion: FloatArray) -> FloatArray:
        """`LoadedModel.style_of`: on the worker's thread, between two windows, while that owns the backend."""
        model = self.model.loaded
        if self._worker is None:
            self._check_alone()
            return model.style_of(motion)
        answer: Future[FloatArray] = Future()

        def encode(_: StreamingGenerator) -> None:
            try:
                answer.set_result(model.style_of(motion))
            except Exception as error:
                answer.set_exception(error)

        self._worker.call(encode)
        try:
            return answer.result(timeout=5.0)
        except FutureTimeout as error:
            raise StyleError('the model is too busy to read the style; try again') from error
