# SPDX-License-Identifier: Apache-2.0
"""FLAME coefficients from an official checkpoint (needs torch and transformers):

python examples/official_checkpoint.py iter_0110000.pt stats_train.npz style/iter_0026000.pt speech.wav
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import diffposetalk_ros as dpt
from diffposetalk_ros.cli.main import main as diffposetalk


def main(checkpoint: str, stats: str, style_checkpoint: str, audio: str) -> None:
    with TemporaryDirectory() as work:
        folder = str(Path(work, 'model'))  # keep it: importing takes longer than loading
        words = ['import-checkpoint', checkpoint, '--stats', stats, '--style-encoder', style_checkpoint]
        if diffposetalk([*words, '--out', folder]):
            sys.exit(1)
        model = dpt.load_model(folder)
        # Noise of your own instead of a seed, as tests against other implementations need it.
        config = model.backend.config
        start = np.random.default_rng(0).standard_normal((config.n_motions, config.motion_dim), np.float32)
        motion = dpt.generate(model, audio, None, noise=start)
        exp, pose, shape = dpt.flame_arrays(motion)
        print('exp', exp.shape, 'pose', pose.shape, 'shape', None if shape is None else shape.shape)

        encoder = dpt.load_style_encoder(style_checkpoint, stats)  # alone, without the denoiser
        if motion.duration >= 1:
            print('style', dpt.extract_style(encoder, dpt.flame_clip(exp, pose)).shape)


if __name__ == '__main__':
    main(*sys.argv[1:])
