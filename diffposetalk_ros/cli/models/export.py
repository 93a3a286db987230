# SPDX-License-Identifier: Apache-2.0
"""Write the ONNX graphs of a model folder, so that it runs without torch."""

from __future__ import annotations

import argparse

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk export`."""
    parser.add_argument('--model', default='embedded', help='model folder, or the name of a bundled model')


def run(options: argparse.Namespace) -> int:
    """Export the graphs and list the files."""
    from diffposetalk_ros.model.onnx.export import export_onnx
    from diffposetalk_ros.util.resources import find_model

    for path in export_onnx(find_model(options.model)):
        print(path)
    return 0
