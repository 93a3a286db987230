# SPDX-License-Identifier: Apache-2.0
"""Speak in the style of a recorded face: python examples/style_from_clip.py take.csv speech.wav motion.npz

The take is at least 1 s of ARKit motion, of which the first 60 s are used (.csv of Live Link Face, .npz or .json).
"""

import sys

import diffposetalk_ros as dpt


def main(take: str, audio: str, output: str) -> None:
    model = dpt.load_model()
    style = dpt.extract_style(model, dpt.load_motion(take))
    dpt.save_style('style.npy', style)  # ./demo --style style.npy
    # Styles are vectors: this one is half as strong.
    half = 0.5 * style + 0.5 * model.styles['neutral']
    for name, vector in {'full': style, 'half': half}.items():
        motion = dpt.generate(model, audio, vector)
        smile = motion.values[:, motion.layout.index('mouthSmileLeft')].mean()
        print(f'{name}: smile {smile:.2f}')
    dpt.save_motion(output, dpt.generate(model, audio, style))


if __name__ == '__main__':
    main(*sys.argv[1:])
