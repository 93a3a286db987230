# SPDX-License-Identifier: Apache-2.0
"""Audio input: converts any PCM message or file to 16 kHz mono, counted and timed."""

from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.audio.formats.pcm import to_mono_float32
from diffposetalk_ros.audio.resampler import StreamResampler
from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer
from diffposetalk_ros.audio.sample_clock import SampleClock

__all__ = ['AudioRingBuffer', 'SampleClock', 'StreamResampler', 'read_audio', 'to_mono_float32']
