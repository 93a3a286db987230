# SPDX-License-Identifier: Apache-2.0
"""Start-up hook of the set-up's virtual environment: makes the messages built beside it loadable.

``scripts/setup`` copies this file into site-packages and imports it from a .pth file, that is before
any other code. The dynamic linker reads LD_LIBRARY_PATH only when a process starts, so Python is
executed once more if the built libraries are not on it yet.
"""

import os
import sys

_PREFIX = os.path.join(sys.prefix, 'ros', 'install')  # noqa: PTH118 (pathlib costs 10 ms at every start)
_GUARD = '_ROS_WHEELS_BOOTSTRAP_COMPLETE'


def _prepend(variable: str, folders: list[str]) -> bool:
    """Put the folders in front of a search path of the environment; False if all were there."""
    present = [folder for folder in os.environ.get(variable, '').split(os.pathsep) if folder]
    missing = [folder for folder in folders if folder not in present]
    if missing:
        os.environ[variable] = os.pathsep.join(missing + present)
    return bool(missing)


def _start_again() -> None:
    """Execute this very command again; the hook of the ROS wheels does it if it is installed."""
    os.environ.pop(_GUARD, None)
    try:
        import ros_wheels_bootstrapper  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        os.execve(sys.executable, sys.orig_argv, os.environ)


# pip's finder of this clone comes last in line; it must win over the package of the same name that
# was built for the messages (whose folder the clone's __init__.py then adds to its own).
sys.meta_path.sort(key=lambda finder: not getattr(finder, '__module__', '').startswith('__editable__'))

if os.path.isdir(_PREFIX):  # noqa: PTH112
    _prepend('AMENT_PREFIX_PATH', [_PREFIX, sys.prefix])
    if _prepend('LD_LIBRARY_PATH', [os.path.join(_PREFIX, 'lib')]):  # noqa: PTH118
        _start_again()
