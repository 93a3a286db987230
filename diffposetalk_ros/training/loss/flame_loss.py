# SPDX-License-Identifier: Apache-2.0
"""Mesh vertices of normalised FLAME motion for the geometric losses (docs/method.md, 1.4, 9.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffposetalk_ros.model.torch_flame import FlameVertices
from diffposetalk_ros.motion.flame.flame_model import FlameModel

__all__ = ['flame_vertices_of']


def flame_vertices_of(
    model: FlameModel, stats: Mapping[str, NDArray[np.floating]]
) -> Callable[[Tensor], Callable[[Tensor], Tensor]]:
    """Function of the identities (N, 100): motion (N, F, D) -> vertices (N, F, V, 3), head at rest.

    Jaw y and z are the mean of the statistics. Raises MotionError without smplx.
    """
    skin = FlameVertices(model)
    numbers = {name: torch.tensor(np.asarray(value), dtype=torch.float32) for name, value in stats.items()}

    def of(shape: Tensor) -> Callable[[Tensor], Tensor]:
        device = shape.device
        skin.to(device)
        here = {name: value.to(device) for name, value in numbers.items()}
        raw_shape = shape * here['shape_std'] + here['shape_mean']

        def vertices(motion: Tensor) -> Tensor:
            count, frames = motion.shape[:2]
            exp = motion[..., :50] * here['exp_std'] + here['exp_mean']
            jaw = motion[..., -1:] * here['pose_std'][3:4] + here['pose_mean'][3:4]
            rest = here['pose_mean'][4:6].expand(count, frames, 2)
            pose = torch.cat([torch.zeros_like(exp[..., :3]), jaw, rest], dim=-1)
            identity = raw_shape[:, None].expand(-1, frames, -1)
            flat: Tensor = skin(identity.flatten(0, 1), exp.flatten(0, 1), pose.flatten(0, 1))
            return flat.reshape(count, frames, *flat.shape[1:])

        return vertices

    return of
