# SPDX-License-Identifier: Apache-2.0
"""Windows and time: speech that arrives becomes frames on a timeline."""

from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator
from diffposetalk_ros.streaming.latency import LatencyTracker
from diffposetalk_ros.streaming.timeline import MotionTimeline
from diffposetalk_ros.streaming.worker import InferenceWorker

__all__ = ['InferenceWorker', 'LatencyTracker', 'MotionTimeline', 'StreamConfig', 'StreamingGenerator']
