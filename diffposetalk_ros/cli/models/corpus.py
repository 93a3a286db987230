# SPDX-License-Identifier: Apache-2.0
"""Synthesise speech with phoneme times, as training data for the embedded model."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument('--out', type=Path, required=True, help='folder to write, or to continue')
    parser.add_argument('--hours', type=float, default=10.0, help='hours of training speech (default 10)')
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same corpus (default 0)')
    parser.add_argument(
        '--copies', type=float, default=0.0, metavar='SHARE',
        help='share of clips that WORLD converts to other speakers; slow (default 0; needs pyworld)',
    )  # fmt: skip
    parser.add_argument(
        '--kokoro', type=Path, metavar='FILE',
        help="Kokoro's speakers: the archive that `npm pack kokoro-js` writes",
    )  # fmt: skip
    parser.add_argument(
        '--hold-out', nargs='*', metavar='ENGINE:VOICE', default=None,
        help='voices used only by the dev split (default flite:rms and espeak:en-GB-scotland+m3)',
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Build the corpus with a progress bar and print what it holds."""
    from tqdm import tqdm

    from diffposetalk_ros.cli.checks import check_seed
    from diffposetalk_ros.training.corpus.build import build_corpus
    from diffposetalk_ros.training.corpus.plan import HOLD_OUT
    from diffposetalk_ros.util.output_file import check_output_folder

    check_output_folder(args.out)
    check_seed(args)
    hold_out = HOLD_OUT if args.hold_out is None else tuple(args.hold_out)
    with tqdm(unit='clip', desc='corpus') as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        manifest = build_corpus(args.out, args.hours, args.seed, hold_out, args.copies, progress, args.kokoro)
    print(f'{args.out}: {manifest["clips"]} clips, {manifest["hours"]:.2f} h')
    for split, voices in manifest['hours_by_voice'].items():
        print(f'  {split}: ' + ', '.join(f'{voice} {hours:.2f} h' for voice, hours in voices.items()))
    return 0
