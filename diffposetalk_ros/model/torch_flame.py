# SPDX-License-Identifier: Apache-2.0
"""FLAME coefficients -> mesh vertices, through smplx's linear blend skinning (needs torch)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.flame.flame_arrays import flame_arrays
from diffposetalk_ros.motion.flame.flame_model import FlameModel
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.util.output_file import cannot_write, whole_file

__all__ = ['FlameVertices', 'write_vertices']

_CHUNK = 512
"""Number of frames skinned at a time (docs/method.md, 6.3)."""


class FlameVertices(nn.Module):
    """Linear blend skinning of one FLAME model, differentiable in all of its inputs.

    Raises MotionError if smplx is not installed.
    """

    v_template: Tensor
    shapedirs: Tensor
    posedirs: Tensor
    J_regressor: Tensor
    parents: Tensor
    lbs_weights: Tensor

    def __init__(self, model: FlameModel) -> None:
        super().__init__()
        try:
            from smplx.lbs import lbs
        except ImportError as error:
            raise MotionError(
                f'FLAME vertices need the package smplx ({error}); pip install smplx'
            ) from error
        self._lbs: Any = lbs
        for name, array in vars(model).items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    def forward(self, shape: Tensor, exp: Tensor, pose: Tensor) -> Tensor:
        """Raw shape (N, 100), exp (N, 50), pose (N, 6) -> (N, V, 3) in metres; neck and eyes at rest."""
        rest = pose.new_zeros(len(pose), 3)
        whole = torch.cat([pose[:, :3], rest, pose[:, 3:], rest, rest], dim=1)
        vertices: Tensor
        vertices, _ = self._lbs(
            torch.cat([shape, exp], dim=1), whole, self.v_template[None].expand(len(pose), -1, -1),
            self.shapedirs, self.posedirs, self.J_regressor, self.parents, self.lbs_weights,
        )  # fmt: skip
        return vertices


def _chunks(clip: MotionClip, skin: FlameVertices) -> Iterator[np.ndarray]:
    exp, pose, shape = flame_arrays(clip)
    identity = np.zeros(100, np.float32) if shape is None else shape
    arrays = [torch.from_numpy(array) for array in (np.tile(identity, (len(exp), 1)), exp, pose)]
    with torch.no_grad():
        for first in range(0, len(clip.values), _CHUNK):
            yield skin(*(array[first : first + _CHUNK] for array in arrays)).numpy()


def write_vertices(path: Path, clip: MotionClip, model: FlameModel) -> None:
    """Write an .npz with ``vertices`` (T, V, 3) in metres, ``faces`` (F, 3) and ``fps``, chunk by chunk.

    An hour of vertices is 5 GB and is never in memory as a whole. Raises MotionError for motion of another
    space, or if the file cannot be written. A failed file is removed.
    """
    if clip.layout.space != 'flame':
        raise MotionError(f'{clip.layout.space} motion has no FLAME vertices; use a FLAME model')
    skin = FlameVertices(model)
    shape = (len(clip.values), *model.v_template.shape)
    try:
        with whole_file(path) as part, zipfile.ZipFile(part, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name, array in (('faces', model.faces), ('fps', np.array(clip.fps))):
                with archive.open(f'{name}.npy', 'w') as stream:
                    np.lib.format.write_array(stream, array)
            with archive.open('vertices.npy', 'w', force_zip64=True) as stream:
                header = {'descr': '<f4', 'fortran_order': False, 'shape': shape}
                np.lib.format.write_array_header_2_0(stream, header)
                for chunk in _chunks(clip, skin):
                    stream.write(np.ascontiguousarray(chunk, '<f4').tobytes())
    except OSError as error:
        raise MotionError(cannot_write(path, error)) from None
