# SPDX-License-Identifier: Apache-2.0
"""Speech arrives in pieces of 20 ms, frames come out while it does: python examples/streaming.py speech.wav"""

import sys

import numpy as np
import soundfile

import diffposetalk_ros as dpt


def main(audio: str, style: str = 'neutral') -> None:
    samples, rate = soundfile.read(audio, dtype='float32', always_2d=True)
    stream = dpt.open_stream(dpt.load_model(), style, sample_rate=rate)
    jaw = stream.layout.index('jawOpen')
    piece = rate // 50
    shown = 0

    def show(frames: np.ndarray, heard: float) -> None:
        nonlocal shown
        for frame in frames:
            print(
                f'heard {heard:5.2f} s, frame {shown:4d}: jaw {frame[jaw]:.2f} {"#" * round(40 * frame[jaw])}'
            )
            shown += 1

    for first in range(0, len(samples), piece):
        mono = samples[first : first + piece].mean(axis=1)
        show(stream.push(mono), (first + len(mono)) / rate)
    show(stream.finish(), len(samples) / rate)


if __name__ == '__main__':
    main(*sys.argv[1:])
