# SPDX-License-Identifier: Apache-2.0
"""What a run of the tests left out, and what would enable it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

__all__ = ['lines']

_REMEDIES = (
    (r'[Cc]hromium', 'apt install chromium, then ./check'),
    (r'Firefox', 'apt install firefox-esr xvfb, then ./check'),
    (r'\bnode\b|Node', 'apt install nodejs, then ./check'),
    (r'launch_ros|catkin', 'a ROS 2 installation; source it and use colcon test'),
    (r'rclpy|messages are not built|audio_common_msgs is not', './check on Linux x86-64, or a ROS 2 installation'),
    (r'other form of audio_common_msgs', 'AUDIO_MSGS=ros_drivers ./check'),
    (r'form has no format', 'AUDIO_MSGS=mgonzs13 ./check'),
    (r'hri_msgs', 'build hri_msgs from its sources'),
    (r'smplx', '.venv/bin/pip install smplx; its licence is for research'),
    (r'pocketsphinx-testdata', 'apt install pocketsphinx-testdata'),
    (r'espeak|flite|festival|text2wave', 'the speech engines in docs/training.md'),
    (r'kokoro|pyworld', 'scripts/setup train'),
    (r'PortAudio|sounddevice|ALSA', 'apt install libportaudio2 and .venv/bin/pip install sounddevice'),
    (r'GPU|CUDA|cuda', 'a machine with an NVIDIA GPU; docs/gpu.md'),
    (r'too busy', 'nothing else running; then run the test again'),
    (r'root may', 'run as another user than root'),
    (r'OpenGL|GL|display', 'OpenGL: apt install libegl1 libgl1'),
)  # fmt: skip


def lines(reasons: Iterable[str]) -> list[str]:
    """One line for each reason that tests were skipped for: how many, why, what to do."""
    told = []
    for reason, count in Counter(re.sub(r'^Skipped: ', '', text) for text in reasons).most_common():
        remedy = next((way for pattern, way in _REMEDIES if re.search(pattern, reason)), None)
        missing = re.search(r"could not import '([\w.]+)'", reason)
        if remedy is None and missing:
            remedy = f'.venv/bin/pip install {missing[1].replace("_", "-")}'
        short = reason if len(reason) <= 100 else f'{reason[:97]}...'
        told.append(f'{count:4d}  {short}' + (f'  ->  {remedy}' if remedy else ''))
    return told
