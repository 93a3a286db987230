# SPDX-License-Identifier: Apache-2.0
"""Speech-driven, stylistic facial motion and head pose (DiffPoseTalk), live on ROS 2.

This module stays empty on purpose: every process that touches ``diffposetalk_ros.msg`` imports it.
"""

from pkgutil import extend_path

# Only the source tree needs this: it lets the generated ``diffposetalk_ros.msg`` (built by rosidl
# into another folder of sys.path) be found beside the modules of a checkout.
__path__ = extend_path(__path__, __name__)
