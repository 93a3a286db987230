# SPDX-License-Identifier: Apache-2.0
"""The model of one avatar and its properties. Imports no ROS."""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.avatar.parameters import NodeConfig
from diffposetalk_ros.avatar.settings import amounts, stream_config
from diffposetalk_ros.diffusion.schedule import timesteps
from diffposetalk_ros.model.backend import FloatArray
from diffposetalk_ros.model.guided import branches_for, scale_code
from diffposetalk_ros.model.loader import LoadedModel, open_model
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.playout.idle import IdleMotion
from diffposetalk_ros.streaming.warm_up import too_slow, warm_up
from diffposetalk_ros.util.resources import DEFAULT_MODEL

__all__ = ['LiveModel']

_IDLE_STREAM = 0x69646C65
"""Noise of the idle face, which no utterance has."""


class LiveModel:
    """An open model folder.

    ``loaded``: the model itself. ``layout``: meaning of the motion's channels. ``rest``: the neutral face (D,).
    ``styles``: name -> description. ``description``: one line for the log. ``too_slow``: a warning, '' for none;
    only after `warm_up`. Raises DiffPoseTalkError for a folder that cannot be used.
    """

    def __init__(self, config: NodeConfig) -> None:
        self.loaded: LoadedModel = open_model(
            config.model_path or DEFAULT_MODEL, config.model_backend, config.model_device
        )
        network = self.loaded.backend.config
        self.layout = network.layout
        self.rest: FloatArray = np.zeros(self.layout.width, np.float32)
        self.name = self.loaded.folder.resolve().name
        self.fps, self.style_dim = network.fps, self.loaded.style_width
        self.checksum = self.loaded.checksum()
        self.styles = dict.fromkeys(self.loaded.styles, '')
        self.too_slow = ''
        self.description = (
            f'model {self.loaded.folder} ({self.loaded.backend.runner}, sha256 {self.checksum[:12]}), '
            f'{network.space} {self.layout.width} channels at {network.fps} fps, {len(self.styles)} styles'
        )

    def warm_up(self, config: NodeConfig, style: FloatArray | None) -> None:
        """Run once what speech needs, and check whether it is fast enough."""
        stream = stream_config(config)
        hop = warm_up(self.loaded.backend, stream, self.loaded.style_parts(style)[0])
        self.too_slow = too_slow(hop, self.loaded.backend, stream)

    def check(self, config: NodeConfig) -> None:
        """Raises ConfigError for settings this model cannot be sampled with."""
        network, sampling = self.loaded.backend.config, stream_config(config).sampling
        branches_for(network, True, sampling)
        scale_code(network, True, sampling)
        timesteps(network.n_diff_steps, sampling.steps, sampling.spacing)

    def idle_motion(self, style: FloatArray | None, config: NodeConfig) -> IdleMotion:
        """Idle motion of the face in a style."""
        moved = self.loaded.nonverbal_motion(style, config.sampler_seed, _IDLE_STREAM, normalised=False)
        idle = IdleMotion(self.layout, config.sampler_seed, moved)
        self.restyle(idle, style, config)
        return idle

    def restyle(self, idle: IdleMotion, style: FloatArray | None, config: NodeConfig) -> None:
        """Change the style or the amounts of the idle motion."""
        traits = self.loaded.style_parts(style)[1]
        if traits is not None:
            idle.set_style(traits, amounts(config))

    def new_generator(self, config: NodeConfig) -> Generator:
        """Generator for whole clips. It opens the model again, so it shares nothing with the live stream."""
        return Generator(
            open_model(self.loaded.folder, config.model_backend, config.model_device, shared=False)
        )
