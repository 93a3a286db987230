# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('accelerate')
pytest.importorskip('tensorboard')

from tiny_run import CONFIG, loss, model  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError  # noqa: E402
from diffposetalk_ros.training.run import RunConfig, learning_rate_factor, train  # noqa: E402


class Interrupted(Exception):
    pass


@pytest.mark.parametrize('ema', [0.9, 0.0])
def test_a_resumed_run_equals_an_unbroken_one(tmp_path: Path, ema: float) -> None:
    config = replace(CONFIG, ema=ema)
    whole = model()
    train('whole', whole, loss, tmp_path, config)
    calls = 0

    def breaking(*arguments: object) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise Interrupted
        return loss(*arguments)  # type: ignore[arg-type]

    broken = model()
    with pytest.raises(Interrupted):
        train('broken', broken, breaking, tmp_path, config)
    again = model()
    train('broken', again, loss, tmp_path, config)
    for one, two in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
    assert list((tmp_path / 'logs' / 'broken').glob('events*'))
    assert not list(tmp_path.glob('*.part'))


def test_the_loss_falls(tmp_path: Path) -> None:
    module = model()
    before = loss(module.eval(), 0, torch.Generator().manual_seed(1), torch.device('cpu'))['fit']
    train('a', module, loss, tmp_path, replace(CONFIG, steps=60, learning_rate=0.03, ema=0.5))
    after = loss(module, 0, torch.Generator().manual_seed(1), torch.device('cpu'))['fit']
    assert after < 0.5 * before and not module.training


def test_validation_is_logged_without_touching_the_run(tmp_path: Path) -> None:
    plain, checked = model(), model()
    train('plain', plain, loss, tmp_path, CONFIG)
    seen = []

    def validate(module: nn.Module, *rest: object) -> dict[str, Tensor]:
        seen.append(module.training)
        return {'fit': torch.rand(()) * 0}

    train('checked', checked, loss, tmp_path, replace(CONFIG, validate_every=4), validate)
    assert seen == [False, False]
    for one, two in zip(plain.parameters(), checked.parameters(), strict=True):
        assert torch.equal(one, two)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    train('a', model(), loss, tmp_path, CONFIG)
    with pytest.raises(ConfigError, match=r'a\.ckpt does not fit'):
        train('a', nn.Linear(3, 2), loss, tmp_path, CONFIG)
    (tmp_path / 'a.ckpt').write_bytes(b'half')
    with pytest.raises(ConfigError, match=r'a\.ckpt does not fit'):
        train('a', model(), loss, tmp_path, CONFIG)

    def diverging(*_: object) -> dict[str, Tensor]:
        return {'fit': torch.tensor(float('nan'), requires_grad=True)}

    with pytest.raises(DiffPoseTalkError, match='loss is nan at step 0'):
        train('b', model(), diverging, tmp_path, CONFIG)
    with pytest.raises(ConfigError, match='WarmupThenDecay'):
        RunConfig(steps=1, schedule='linear')
    with pytest.raises(ConfigError, match='batch is 0'):
        RunConfig(steps=1, batch=0)


def test_published_schedules() -> None:
    warm = RunConfig(steps=200_000, learning_rate=1e-4, warm_up=5000, schedule='Warmup')
    assert [learning_rate_factor(k, warm) for k in (0, 2500, 5000, 150_000)] == [0.0, 0.5, 1.0, 1.0]
    decay = replace(warm, schedule='WarmupThenDecay')
    assert [learning_rate_factor(k, decay) for k in (0, 2500, 5001)] == [0.0, 0.5, 1.0]
    assert learning_rate_factor(5002, decay) < 1.0
    assert learning_rate_factor(62_501, decay) == pytest.approx(0.51, abs=1e-4)
    assert learning_rate_factor(119_999, decay) == pytest.approx(0.02, abs=1e-6)
    held = learning_rate_factor(120_000, decay)
    assert held == learning_rate_factor(199_999, decay) == pytest.approx(0.02, abs=1e-6)


SCRIPT = """
from pathlib import Path
from tiny_run import CONFIG, loss, model
from diffposetalk_ros.training.run import train
import torch
module = model()
train('a', module, loss, Path({out!r}), CONFIG)
torch.save(module.state_dict(), {out!r} + '/' + __import__('os').environ['RANK'] + '.pt')
"""


@pytest.mark.skipif(
    'DIFFPOSETALK_SLOW_TESTS' not in os.environ, reason='half a minute; set DIFFPOSETALK_SLOW_TESTS'
)
def test_two_processes_learn_the_same_weights(tmp_path: Path) -> None:
    """Each draws its own batches; averaged gradients keep the copies equal."""
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT.format(out=str(tmp_path)))
    shared = {
        **os.environ, 'WORLD_SIZE': '2', 'LOCAL_WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1',
        'MASTER_PORT': '29617', 'ACCELERATE_USE_CPU': 'true', 'OMP_NUM_THREADS': '1',
        'PYTHONPATH': os.pathsep.join(str(Path(__file__).parents[i] / p) for i, p in ((2, ''), (1, 'helpers'))),
    }  # fmt: skip
    running = [
        subprocess.Popen([sys.executable, script], env={**shared, 'RANK': str(r), 'LOCAL_RANK': str(r)})
        for r in range(2)
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    one, two = (torch.load(tmp_path / f'{r}.pt', weights_only=True) for r in range(2))
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    alone = model()
    train('alone', alone, loss, tmp_path, CONFIG)
    assert not torch.equal(one['0.weight'], alone.state_dict()['0.weight'])
