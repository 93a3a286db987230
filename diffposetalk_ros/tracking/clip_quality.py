# SPDX-License-Identifier: Apache-2.0
"""Quality of a video for extracting a style: measurements, warnings and reasons for refusal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.tracking.face_track import FaceTrack
from diffposetalk_ros.tracking.landmarks import FEATURES

__all__ = ['MIN_SECONDS', 'ClipQuality', 'best_stretch', 'clip_quality', 'cuts', 'voice_share']

Floats = NDArray[np.float64]

MIN_SECONDS = 4.0
"""Of a face without a gap or a cut: the encoder's stretch, and the shortest in which a style shows."""

_GAP = 0.5
_JUMP = 0.6
"""Face sizes between two pictures a thirtieth of a second apart: a person does not move so fast, a cut does."""
_SCENE, _SCENE_TIMES = 0.03, 6.0
"""A cut: the difference from the picture before, and its ratio to the usual difference in this video."""
_SPEAKING_SD = 0.006
_STILL_LIDS, _STILL_HEAD = 0.05, 0.3
"""Range of the lids' opening [1 of the eye's width] and deviation of the head [degrees] on a still picture."""


@dataclass(frozen=True)
class ClipQuality:
    """Numbers about a clip; shares are 0..1, angles degrees, light 0..1 of full scale.

    ``seconds``: from first to last picture. ``stretch``: longest part with one face, without gap or cut [s].
    ``face``: share of the pictures with a face; ``others``: with a second face of similar size. ``angle``:
    median of how far the head is turned from the camera. ``eye_distance``: pixels. ``lips``: share of the
    time the lips move. ``voice``: share of the time somebody speaks; None without sound or detector.
    """

    seconds: float
    fps: float
    stretch: float
    face: float
    others: float
    angle: float
    light: float
    contrast: float
    eye_distance: float
    lips: float
    cuts: int
    still: bool
    voice: float | None = None

    def refusals(self) -> list[str]:
        """Why no style can be made from this clip, worst first, each with a remedy; empty if it can."""
        reasons = []
        if self.face == 0:
            return ['no face is found; sit nearer, face the camera and light the face']
        if self.others > 0.2:
            reasons.append(
                f'two faces are in {self.others:.0%} of the pictures; crop the video to one person'
            )
        if self.still:
            reasons.append('the face does not move at all; this is a picture, not a person speaking')
        if self.stretch < MIN_SECONDS and self.cuts:
            reasons.append(
                f'the video is cut {_times(self.cuts)} and shows one face for {self.stretch:.1f} s at most; '
                f'give {MIN_SECONDS:g} s in one take'
            )
        elif self.seconds < MIN_SECONDS:
            reasons.append(
                f'the video lasts {self.seconds:.1f} s; a style needs {MIN_SECONDS:g} s, best 10 s or more'
            )
        elif self.stretch < MIN_SECONDS:
            reasons.append(
                f'a face is seen for {self.stretch:.1f} s at a time ({self.face:.0%} of the pictures); '
                f'a style needs {MIN_SECONDS:g} s, best 10 s or more'
            )
        if self.fps < 12:
            reasons.append(f'{self.fps:.1f} pictures a second are too few to see blinks; give 25 or more')
        if self.eye_distance < 24:
            reasons.append(
                f'the face is too small (eyes {self.eye_distance:.0f} pixels wide); sit nearer or crop the video'
            )
        if self.angle > 45:
            reasons.append(
                f'the head is turned away by {self.angle:.0f} degrees; place the camera before the face'
            )
        return reasons

    def warnings(self) -> list[str]:
        """Problems that make the style less reliable."""
        notes = []
        if self.stretch < 8:
            notes.append(
                f'{self.stretch:.1f} s are short: blinks and head motion are estimated from 8 s or more'
            )
        if self.face < 0.9:
            notes.append(f'the face is seen in {self.face:.0%} of the pictures')
        if 0 < self.others <= 0.2:
            notes.append(f'a second face is in {self.others:.0%} of the pictures')
        if self.cuts and self.stretch < 0.95 * self.seconds:
            many = 'cut' if self.cuts == 1 else 'cuts'
            notes.append(f'{self.cuts} {many}: only the longest take is used')
        if 25 < self.angle <= 45:
            notes.append(f'the head is turned by {self.angle:.0f} degrees: one side of the face is guessed')
        if self.light < 0.15 or self.contrast < 0.05:
            notes.append(
                f'the face is dark or flat (brightness {self.light:.0%}): brows and lids are uncertain'
            )
        elif self.light > 0.92:
            notes.append(f'the face is overexposed (brightness {self.light:.0%})')
        if 24 <= self.eye_distance < 45:
            notes.append(f'the face is small (eyes {self.eye_distance:.0f} pixels wide)')
        if self.fps < 20:
            notes.append(f'{self.fps:.0f} pictures a second: short blinks are missed')
        if self.lips < 0.2:
            notes.append(f'the lips move {self.lips:.0%} of the time: speak while you are recorded')
        if self.voice is not None and self.voice < 0.3:
            notes.append(f'somebody speaks {self.voice:.0%} of the time')
        return notes

    def summary(self) -> str:
        """One line of the numbers."""
        voice = '' if self.voice is None else f', voice {self.voice:.0%}'
        return (
            f'{self.seconds:.1f} s at {self.fps:.0f} fps, face {self.face:.0%}, head {self.angle:.0f} degrees from '
            f'the camera, brightness {self.light:.0%}, lips move {self.lips:.0%}{voice}'
        )


def _times(count: int) -> str:
    return {1: 'once', 2: 'twice'}.get(count, f'{count} times')


def cuts(track: FaceTrack) -> NDArray[np.intp]:
    """Frames (C,) before which the scene changes, or the face jumps implausibly in position or size."""
    scenes = np.flatnonzero(track.change > max(_SCENE, _SCENE_TIMES * float(np.median(track.change))))
    found = np.flatnonzero(track.found)
    if len(found) < 2:
        return scenes
    size = track.eye_distance[found]
    step = np.linalg.norm(np.diff(track.place[found], axis=0), axis=1) / np.maximum(size[:-1], 1e-6)
    growth = np.abs(np.diff(np.log(np.maximum(size, 1e-6))))
    slack = np.maximum(1.0, np.diff(track.times[found]) * 30.0)
    jumps = found[1:][(step > _JUMP * slack) | (growth > 0.5 * _JUMP * slack)]
    return np.union1d(scenes, jumps)


def best_stretch(track: FaceTrack) -> tuple[int, int]:
    """First and last + 1 frame of the longest part with a face, without a cut or a gap of over half a second."""
    found = np.flatnonzero(track.found)
    if not len(found):
        return 0, 0
    # A cut often hides the face for a picture or two, so it counts from the next picture with a face.
    after_cuts = np.searchsorted(found, cuts(track))
    after_gaps = np.flatnonzero(np.diff(track.times[found]) > _GAP) + 1
    begins = np.unique([0, *after_cuts, *after_gaps, len(found)])
    parts = [(int(found[a]), int(found[b - 1])) for a, b in zip(begins[:-1], begins[1:], strict=True)]
    first, last = max(parts, key=lambda part: track.times[part[1]] - track.times[part[0]])
    return first, last + 1


def clip_quality(track: FaceTrack, voice: float | None = None) -> ClipQuality:
    """Judge a track of at least one frame."""
    found = track.found
    first, last = best_stretch(track)
    span = float(track.times[-1] - track.times[0]) if len(track.times) else 0.0
    fps = (len(track.times) - 1) / span if span > 0 else 0.0
    empty = not found.any()
    lips = track.features[first:last, FEATURES.index('lip_inner')]
    head = np.zeros((1, 3)) if empty else track.head[found]
    straight = Rotation.from_rotvec(head).apply([0.0, 0.0, 1.0])[:, 2]
    return ClipQuality(
        seconds=span + (1 / fps if fps else 0.0),
        fps=fps,
        stretch=float(track.times[last - 1] - track.times[first]) + (1 / fps if fps else 0.0)
        if last
        else 0.0,
        face=float(found.mean()) if len(found) else 0.0,
        others=0.0 if empty else float((track.faces[found] > 1).mean()),
        angle=float(np.degrees(np.median(np.arccos(np.clip(straight, -1, 1))))),
        light=0.0 if empty else float(np.nanmedian(track.light)),
        contrast=0.0 if empty else float(np.nanmedian(track.contrast)),
        eye_distance=0.0 if empty else float(np.nanmedian(track.eye_distance)),
        lips=_moving_share(track.times[first:last], lips),
        cuts=len(cuts(track)),
        still=not empty and _is_still(track.part(first, last)),
        voice=voice,
    )


def voice_share(sound: NDArray[np.float32] | None) -> float | None:
    """Share of the time somebody speaks in sound (n,) at 16 kHz; None without sound or without a detector."""
    from diffposetalk_ros.audio.voice_gate import BLOCK, silero_detector
    from diffposetalk_ros.errors import DiffPoseTalkError

    if sound is None or len(sound) < AUDIO_SAMPLE_RATE:
        return None
    try:
        detector = silero_detector()
    except DiffPoseTalkError:
        return None
    blocks = sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return float(np.mean([detector(block) > 0.5 for block in blocks]))


def _moving_share(times: Floats, lips: Floats) -> float:
    """Share of half seconds in which the lips' gap (F,) at ``times`` (F,) varies."""
    known = np.isfinite(lips)
    times, lips = times[known], lips[known]
    if len(times) < 4:
        return 0.0
    window = ((times - times[0]) / 0.5).astype(int)
    spreads = [lips[window == w].std() for w in np.unique(window) if (window == w).sum() > 2]
    return float(np.mean(np.array(spreads) > _SPEAKING_SD)) if spreads else 0.0


def _is_still(track: FaceTrack) -> bool:
    """Whether nothing moves except for the tracker's noise, as in a filmed photograph or a frozen picture."""
    found = track.found
    features, head = track.features[found], np.degrees(track.head[found])
    lips = _moving_share(track.times[found], features[:, FEATURES.index('lip_inner')])
    lids = np.ptp(features[:, [FEATURES.index('eye_left'), FEATURES.index('eye_right')]], axis=0)
    return bool(lips == 0 and lids.max() < _STILL_LIDS and head.std(axis=0).max() < _STILL_HEAD)
