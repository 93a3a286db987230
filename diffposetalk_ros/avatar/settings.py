# SPDX-License-Identifier: Apache-2.0
"""Converts the node's parameters to the settings of each stage."""

from __future__ import annotations

from diffposetalk_ros.avatar.parameters import NodeConfig
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.motion.regions import RegionValues
from diffposetalk_ros.nonverbal.traits import Amounts
from diffposetalk_ros.playout.playout import PlayoutConfig
from diffposetalk_ros.playout.start_delay import StartDelay
from diffposetalk_ros.streaming.generator import StreamConfig
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['amounts', 'playout_config', 'start_delay', 'stream_config', 'too_late']


def stream_config(config: NodeConfig) -> StreamConfig:
    """Settings for generating motion."""
    sampling = SamplingConfig(
        solver=config.sampler_solver,
        steps=config.sampler_steps,
        spacing=config.sampler_spacing,
        scale_audio=config.sampler_guidance_audio,
        scale_style=config.sampler_guidance_style,
    )
    return StreamConfig(
        hop=config.stream_hop,
        look_ahead=config.stream_look_ahead,
        seed=config.sampler_seed,
        sampling=sampling,
    )


def amounts(config: NodeConfig) -> Amounts:
    """Factors on a style's movement."""
    return Amounts(
        config.motion_head, config.motion_brows, config.motion_smile, config.motion_blinks, config.motion_gaze
    )


def playout_config(config: NodeConfig) -> PlayoutConfig:
    """Settings for playing motion."""
    return PlayoutConfig(
        hold=config.playout_hold,
        ease=config.playout_ease,
        smoothing=config.playout_smoothing,
        idle=config.idle_enabled,
        strengths=RegionValues(
            mouth=config.strength_mouth,
            eyes=config.strength_eyes,
            brows=config.strength_brows,
            cheeks=config.strength_cheeks,
            head=config.strength_head,
        ),
    )


def start_delay(config: NodeConfig) -> StartDelay:
    """Settings for the delay between the sound of an utterance and its presentation."""
    return StartDelay(
        round(config.playout_delay * NS_PER_SECOND), round(config.playout_min_delay * NS_PER_SECOND)
    )


def too_late(config: NodeConfig) -> int:
    """Age (ns) from which sound arrives too late to be presented."""
    return round((config.playout_delay + config.playout_max_shift + 0.5) * NS_PER_SECOND)
