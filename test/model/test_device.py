# SPDX-License-Identifier: Apache-2.0
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.device import Device, has_nvidia_driver, parse_device


def test_words() -> None:
    assert parse_device('cpu') == Device('cpu', 0, 'float32')
    assert parse_device('cuda:1/bfloat16') == Device('cuda', 1, 'bfloat16')
    for word in ('cpu', 'cuda', 'cuda:2', 'auto/bfloat16', 'cuda:1/float16'):
        assert parse_device(word).spec == word
    for word in ('cuda/int4', 'cuda/'):
        with pytest.raises(ConfigError, match='bfloat16'):
            parse_device(word)
    for word in ('cuda:', 'cuda:one', 'cuda:-1', 'cuda:\u0662'):
        with pytest.raises(ConfigError, match=r"not the number of a GPU; use 'cuda:0'"):
            parse_device(word)


def test_a_driver_is_a_library_that_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(name: str) -> None:
        asked.append(name)
        if len(asked) > 1:
            raise OSError(name)

    monkeypatch.setattr('ctypes.CDLL', load)
    assert has_nvidia_driver() and not has_nvidia_driver()
    assert asked == ['libcuda.so.1'] * 2
