# SPDX-License-Identifier: Apache-2.0
"""The sample rate used inside this package."""

__all__ = ['AUDIO_SAMPLE_RATE']

AUDIO_SAMPLE_RATE = 16000
"""Hz; the rate every audio encoder of this package works at."""
