# SPDX-License-Identifier: Apache-2.0
"""Speech-driven, stylistic facial motion and head pose (DiffPoseTalk), as a library and live on ROS 2.

`diffposetalk_ros.api` documents the library; its names can be used from here:

```python
import diffposetalk_ros as dpt

motion = dpt.generate(dpt.load_model(), 'speech.wav', style='smiling')
```

Every process that touches ``diffposetalk_ros.msg`` imports this module, so it imports nothing until a name
of the library is used.
"""

from pkgutil import extend_path

TYPE_CHECKING = False  # type checkers treat it as true; importing typing would slow down every node's start
if TYPE_CHECKING:
    from diffposetalk_ros.api import *

    __version__: str

# Only the source tree needs this: it lets the generated ``diffposetalk_ros.msg`` (built by rosidl
# into another folder of sys.path) be found beside the modules of a checkout.
__path__ = extend_path(__path__, __name__)


__all__ = [
    'Audio', 'AudioError', 'CheckpointError', 'ClipNoise', 'ConfigError', 'DiffPoseTalkError', 'FlameArrays',
    'LoadedModel', 'ModelError', 'MotionClip', 'MotionError', 'MotionLayout', 'MotionStream',
    'SamplingConfig', 'SeededNoise', 'Style', 'StyleEncoder', 'StyleError', 'arkit_layout', 'at_rate',
    'demo_clip', 'extract_style', 'flame_arrays', 'flame_clip', 'flame_layout', 'generate', 'load_model',
    'load_motion', 'load_style_encoder', 'open_stream', 'read_audio', 'save_motion', 'save_style',
]  # fmt: skip


if not TYPE_CHECKING:  # otherwise they would assume that every name exists

    def __getattr__(name: str) -> object:
        """A name of `diffposetalk_ros.api`, which is imported when the first of them is used (PEP 562)."""
        if name == '__version__':
            from diffposetalk_ros.util.resources import package_version

            return package_version()
        if name not in __all__:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        from importlib import import_module

        return getattr(import_module(f'{__name__}.api'), name)


def __dir__() -> list[str]:
    """Names of the library beside those of this module."""
    return sorted({*globals(), *__all__})
