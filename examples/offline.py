# SPDX-License-Identifier: Apache-2.0
"""A sound file becomes a motion file: python examples/offline.py speech.wav motion.npz smiling"""

import sys

import diffposetalk_ros as dpt


def main(audio: str, output: str, style: str = 'neutral') -> None:
    model = dpt.load_model()
    print('styles:', ', '.join(sorted(model.styles)))
    motion = dpt.generate(model, audio, style, seed=0)
    jaw = motion.values[:, motion.layout.index('jawOpen')]
    print(f'{motion.duration:.2f} s, {motion.layout.width} channels, jaw open up to {jaw.max():.2f}')
    dpt.save_motion(output, motion)  # .npz, .csv (a column for each channel) or .json


if __name__ == '__main__':
    main(*sys.argv[1:])
