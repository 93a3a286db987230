# SPDX-License-Identifier: Apache-2.0
"""Streaming: converts incoming speech to frames, window by window."""

from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator, model_stream
from diffposetalk_ros.streaming.latency import LatencyTracker
from diffposetalk_ros.streaming.worker import InferenceWorker

__all__ = ['InferenceWorker', 'LatencyTracker', 'StreamConfig', 'StreamingGenerator', 'model_stream']
