# SPDX-License-Identifier: Apache-2.0
"""FLAME motion to ARKit weights: bounded, temporally smooth least squares on landmark displacements.

    min over w in [0, 1]:  sum_t |B w_t - d_t|^2  +  smooth |w_t - w_(t-1)|^2  +  ridge |w_t|^2

d_t is how far FLAME's landmarks move (its expression basis and jaw), B how far the ARKit shapes move
them; both are scaled by the width of the face. Solved for the whole clip at once by accelerated
projected gradient (Beck and Teboulle, "A Fast Iterative Shrinkage-Thresholding Algorithm", 2009);
each iteration is linear in the number of frames.

FLAME's basis comes from the user's own file: see `docs/adding_a_robot.md`, "FLAME models".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError, MotionError, reason_of
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.motion_clip import MotionClip

__all__ = ['FlameBasis', 'FlameToArkit', 'bounded_smooth_solve', 'load_basis', 'rig_basis']

Floats = NDArray[np.float64]
_ITERATIONS = 400


@dataclass(frozen=True, eq=False)
class FlameBasis:
    """Displacements of the same L landmarks by FLAME and by the ARKit shapes, in the same axes and unit.

    ``expression`` (L, 3, 50): displacement per coefficient. ``jaw`` (L, 3): displacement per radian of
    the jaw angle. ``arkit`` (L, 3, 52): displacement of each shape at weight 1.
    """

    expression: Floats
    jaw: Floats
    arkit: Floats

    def __post_init__(self) -> None:
        count = len(self.expression)
        for name, shape in (('expression', (count, 3, 50)), ('jaw', (count, 3)), ('arkit', (count, 3, 52))):
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise ConfigError(f'{name} of shape {array.shape}; need {shape}, all finite')
        if not count:
            raise ConfigError('the basis has no landmarks')


def load_basis(path: str | Path) -> FlameBasis:
    """Read a basis from .npz: expression, jaw and, with displacements of your own, arkit.

    Without ``arkit``, ``landmarks`` names the rows by the landmarks of this package's rig, whose shapes
    are then taken, and ``scale`` (rig millimetres per unit of the file) is needed. Raises ConfigError.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {name: np.asarray(file[name]) for name in file.files}
    except (OSError, ValueError, EOFError, RuntimeError, BadZipFile) as error:
        raise ConfigError(f'{path}: not a readable .npz basis ({reason_of(error)})') from error
    lacking = [name for name in ('expression', 'jaw') if name not in data]
    if lacking or ('arkit' not in data and not {'landmarks', 'scale'} <= set(data)):
        raise ConfigError(
            f'{path} holds {", ".join(sorted(data)) or "nothing"}; it needs expression, jaw, '
            'and arkit or landmarks and scale'
        )
    if 'arkit' in data:
        arkit = data['arkit']
    else:
        arkit = rig_basis([str(name) for name in data['landmarks']]) / float(data['scale'])
    return FlameBasis(*(np.asarray(x, np.float64) for x in (data['expression'], data['jaw'], arkit)))


def rig_basis(landmarks: list[str]) -> Floats:
    """Displacements (L, 3, 52) of this package's rig at its named landmarks, mm. Raises ConfigError."""
    from diffposetalk_ros.motion.rig.rig import load_rig

    rig = load_rig()
    unknown = [name for name in landmarks if name not in rig.landmarks]
    if unknown:
        raise ConfigError(f'no landmark {unknown[0]!r}; use names of {", ".join(sorted(rig.landmarks))}')
    points = [rig.landmarks[name] for name in landmarks]
    neutral = rig.vertices(np.zeros((1, 52)))[0, points]
    moved = rig.vertices(np.eye(52))[:, points] - neutral
    return np.asarray(moved.transpose(1, 2, 0), np.float64)


class FlameToArkit:
    """Turns FLAME motion into ARKit motion; head rotation passes unchanged.

    ``smooth`` and ``ridge`` weigh against the mean squared strength of a shape (1: as much as a whole
    shape). Whole clips by `convert`, live frames by `next_frame`, each linear in the frames.
    """

    def __init__(self, basis: FlameBasis, smooth: float = 0.05, ridge: float = 0.003) -> None:
        if not (0 <= smooth <= 100 and 0 < ridge <= 10):
            raise ConfigError(f'smooth {smooth}, ridge {ridge}; use 0 to 100 and more than 0 to 10')
        self._matrix = basis.arkit.reshape(-1, 52)
        unit = float(np.square(self._matrix).sum(axis=0).mean())
        if unit <= 0:
            raise ConfigError('no ARKit shape moves any landmark of the basis')
        self._matrix = self._matrix / np.sqrt(unit)
        self._flame = np.concatenate([basis.expression.reshape(-1, 50), basis.jaw.reshape(-1, 1)], axis=1)
        self._flame = self._flame / np.sqrt(unit)
        self._smooth, self._ridge = smooth, ridge
        self._last: Floats | None = None

    def convert(self, clip: MotionClip) -> MotionClip:
        """FLAME clip -> ARKit clip at the same rate. Raises MotionError for another space."""
        if clip.layout.space != 'flame':
            raise MotionError(f'the clip is in space {clip.layout.space}; a FLAME clip is needed')
        weights = bounded_smooth_solve(
            self._matrix,
            self._displacements(clip.values, clip.layout.head_rotation),
            self._smooth,
            self._ridge,
        )
        head = clip.layout.head_rotation
        turn = np.zeros((len(weights), 0)) if head is None else clip.values[:, head].astype(np.float64)
        layout = arkit_layout(head is not None)
        return MotionClip(
            np.concatenate([weights, turn], axis=1).astype(np.float32), clip.fps, layout, clip.meta
        )

    def next_frame(self, row: ArrayLike) -> Floats:
        """ARKit weights (52,) of one FLAME row (54 or 51,), smooth with the frame before."""
        values = np.asarray(row, np.float64)[None]
        head = slice(50, 53) if values.shape[1] == 54 else None
        target = self._displacements(values, head)
        self._last = bounded_smooth_solve(self._matrix, target, self._smooth, self._ridge, self._last)[0]
        return self._last

    def reset(self) -> None:
        """Forget the frame before."""
        self._last = None

    def _displacements(self, values: NDArray[np.floating], head: slice | None) -> Floats:
        columns = np.asarray(values if head is None else np.delete(values, head, axis=1), np.float64)
        return np.asarray(columns @ self._flame.T)


def bounded_smooth_solve(
    matrix: Floats, targets: Floats, smooth: float, ridge: float, before: Floats | None = None
) -> Floats:
    """Weights (T, K) in [0, 1] for ``matrix`` (M, K) and ``targets`` (T, M); see the module.

    ``before`` (K,): the weights of the frame before the first, which then count as its neighbour.
    """
    count, size = len(targets), matrix.shape[1]
    gram = matrix.T @ matrix + ridge * np.eye(size)
    wanted = targets @ matrix
    # The smoothness operator's largest eigenvalue is below 4.
    bound = float(np.linalg.eigvalsh(gram)[-1]) + 4 * smooth
    weights = np.zeros((count, size)) if before is None else np.repeat(before[None], count, axis=0)
    point, momentum = weights, 1.0
    for _ in range(_ITERATIONS):
        gradient = point @ gram - wanted
        if smooth > 0:
            steps = smooth * np.diff(point, axis=0)
            gradient[1:] += steps
            gradient[:-1] -= steps
            if before is not None:
                gradient[0] += smooth * (point[0] - before)
        new = np.clip(point - gradient / bound, 0.0, 1.0)
        # Restart if the momentum points uphill (O'Donoghue and Candes, 2015).
        if float(np.vdot(point - new, new - weights)) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        point = new + (momentum - 1) / following * (new - weights)
        done = np.abs(new - weights).max(initial=0.0) < 1e-7
        weights, momentum = new, following
        if done:
            break
    return weights
