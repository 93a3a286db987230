# SPDX-License-Identifier: Apache-2.0
"""Distances between generated motion and reference motion, in millimetres on the face rig.

Definitions of LVE, FDD and MOD differ between papers by squares, roots and masks, so figures of other
papers cannot be compared with these. Each function states its definition; `DEFINITIONS` repeats it in
one line for reports.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.spatial.transform import Rotation

from diffposetalk_ros.errors import MotionError

__all__ = [
    'DEFINITIONS',
    'beat_alignment',
    'diversity',
    'head_beats',
    'lip_vertex_error',
    'mouth_opening_difference',
    'seam_velocity_ratio',
    'upper_face_dynamics_deviation',
]

Floats = NDArray[np.floating]

DEFINITIONS = {
    'LVE': 'mm; mean over frames of the largest unsquared distance among the lip vertices, head still',
    'FDD': 'mm; mean over upper-face vertices of (reference minus generated) standard deviation in '
    'time of the unsquared displacement length from neutral, head still; signed, 0 is best',
    'MOD': 'mm; mean over frames of the absolute difference in the gap between the middles of the inner lips; '
    'overlapping lips count as 0',
    'BA': 'mean over generated head beats of exp(-d^2 / (2 * 3^2)), d = frames at 25 fps to the nearest '
    'reference beat; a beat is a peak of the smoothed angular speed above its median, 10 frames apart',
    'diversity': 'mm; three seeds for each of three clips, mean over pairs of the mean lip-vertex distance over '
    'frames',
    'seam': 'mean lip-vertex speed at the seams between windows of 100 frames divided by the speed elsewhere, mean '
    'over the clips with a seam; 1 is best',
}

_BEAT_SIGMA = 3.0
_BEAT_DISTANCE = 10
_BEAT_RATE = 25.0


def _same_shape(predicted: Floats, reference: Floats) -> None:
    if predicted.shape != reference.shape or len(predicted) == 0:
        raise MotionError(
            f'motions of shape {predicted.shape} and {reference.shape} cannot be compared; '
            'give two of equal, non-zero length from the same rig'
        )


def _distances(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.linalg.norm(np.asarray(a, np.float64) - b, axis=-1))


def lip_vertex_error(predicted: Floats, reference: Floats) -> float:
    """LVE of lip vertices (T, L, 3), mm: mean over frames of the largest distance, not squared.

    The FaceFormer author's definition. Head rotation must be left out of both. Raises MotionError
    for different shapes.
    """
    _same_shape(predicted, reference)
    return float(_distances(predicted, reference).max(axis=1).mean())


def upper_face_dynamics_deviation(predicted: Floats, reference: Floats, neutral: Floats) -> float:
    """FDD of upper-face vertices (T, U, 3) with ``neutral`` (U, 3), mm; signed, 0 is best.

    Mean over vertices of std_t |reference - neutral| - std_t |predicted - neutral| (population
    standard deviation of the unsquared length; the formula of the CodeTalker paper, whose script
    squares). Positive: the prediction moves too little. Lengths may differ.
    """
    if predicted.shape[1:] != reference.shape[1:] or not len(predicted) or not len(reference):
        raise MotionError(
            f'upper faces of shape {predicted.shape} and {reference.shape} cannot be compared; '
            'use the same rig and mask'
        )
    dynamics = [_distances(motion, neutral).std(axis=0) for motion in (reference, predicted)]
    return float((dynamics[0] - dynamics[1]).mean())


def mouth_opening_difference(predicted: Floats, reference: Floats) -> float:
    """MOD of lip openings (T,), mm: mean over frames of the absolute difference."""
    _same_shape(predicted, reference)
    return float(np.abs(np.asarray(predicted, np.float64) - reference).mean())


def head_beats(rotation: Floats, fps: float = 25.0) -> NDArray[np.float64]:
    """Times (s) of head beats in rotation vectors (T, 3), rad.

    A beat is a local maximum of the angular speed between consecutive frames, smoothed with a
    Gaussian of 40 ms, that exceeds the median speed and lies at least 400 ms from a faster one.
    """
    if len(rotation) < 3:
        return np.empty(0)
    turns = Rotation.from_rotvec(np.asarray(rotation, np.float64))
    speed = (turns[:-1].inv() * turns[1:]).magnitude() * fps
    smooth = gaussian_filter1d(speed, 0.04 * fps)
    least = max(float(np.median(smooth)), 1e-6)
    peaks, _ = find_peaks(smooth, height=least, distance=max(1, round(_BEAT_DISTANCE * fps / _BEAT_RATE)))
    # Speed k belongs to the border of frames k and k + 1, whose centres are (k + 1/2) / fps.
    return np.asarray((peaks + 1.0) / fps)


def beat_alignment(predicted: Floats, reference: Floats) -> float:
    """BA of beat times in seconds: mean over ``predicted`` of exp(-d^2 / (2 * 3^2)).

    d is the distance to the nearest reference beat in frames at 25 fps. 1 is best; 0 when there is
    no beat in either.
    """
    if len(predicted) == 0 or len(reference) == 0:
        return 0.0
    apart = np.abs(np.asarray(predicted)[:, None] - np.asarray(reference)[None]).min(axis=1) * _BEAT_RATE
    return float(np.exp(-(apart**2) / (2 * _BEAT_SIGMA**2)).mean())


def diversity(samples: Sequence[Floats]) -> float:
    """Mean over pairs of samples (T, L, 3) of the mean vertex distance, mm.

    The samples belong to the same audio, with different seeds or styles. 0 for fewer than two.
    """
    pairs = [(a, b) for i, a in enumerate(samples) for b in samples[i + 1 :]]
    for a, b in pairs:
        _same_shape(a, b)
    return float(np.mean([_distances(a, b).mean() for a, b in pairs])) if pairs else 0.0


def seam_velocity_ratio(vertices: Floats, seams: Sequence[int]) -> float:
    """How much faster vertices (T, V, 3) move over window borders than elsewhere; 1 is best.

    Seam s lies between frames s - 1 and s. Mean over seams of the mean vertex speed, divided by the
    same over all other frames. Raises MotionError when there is no seam inside the clip.
    """
    inside = sorted({s for s in seams if 0 < s < len(vertices)})
    if not inside or len(inside) >= len(vertices) - 1:
        raise MotionError(
            f'no seam of {list(seams)[:5]} lies inside {len(vertices)} frames with room around it'
        )
    speed = _distances(vertices[1:], vertices[:-1]).mean(axis=1)
    at_seam = np.zeros(len(speed), bool)
    at_seam[np.asarray(inside) - 1] = True
    return float(speed[at_seam].mean() / max(float(speed[~at_seam].mean()), 1e-9))
