# SPDX-License-Identifier: Apache-2.0
"""The head made by code; ``load_rig`` gives it."""

from diffposetalk_ros.motion.rig.rig import PARTS, Rig, load_rig, rotation_matrices

__all__ = ['PARTS', 'Rig', 'load_rig', 'rotation_matrices']
