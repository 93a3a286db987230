# SPDX-License-Identifier: Apache-2.0
"""Windows and time: speech that arrives becomes frames."""

from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator, model_stream
from diffposetalk_ros.streaming.latency import LatencyTracker
from diffposetalk_ros.streaming.worker import InferenceWorker

__all__ = ['InferenceWorker', 'LatencyTracker', 'StreamConfig', 'StreamingGenerator', 'model_stream']
