# SPDX-License-Identifier: Apache-2.0
"""The heads made by code; ``load_rig`` gives one of them."""

from diffposetalk_ros.motion.rig.face import DEFAULT_FACE, FACES, Face
from diffposetalk_ros.motion.rig.rig import PARTS, Rig, load_rig

__all__ = ['DEFAULT_FACE', 'FACES', 'PARTS', 'Face', 'Rig', 'load_rig']
