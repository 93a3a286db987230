# SPDX-License-Identifier: Apache-2.0
"""What the student is taught is what the teacher does, and it learns it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('accelerate')
pytest.importorskip('tensorboard')

from diffposetalk_ros.cli.main import main  # noqa: E402
from diffposetalk_ros.diffusion.sampler import sample, solver_coefficients  # noqa: E402
from diffposetalk_ros.diffusion.schedule import make_schedule  # noqa: E402
from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.model.backend import SamplingConfig, WindowRequest  # noqa: E402
from diffposetalk_ros.model.config import LogMelConfig, StyleEncoderConfig  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder  # noqa: E402
from diffposetalk_ros.model.store import save_model  # noqa: E402
from diffposetalk_ros.model.torch.backend import TorchBackend  # noqa: E402
from diffposetalk_ros.offline.generator import Generator  # noqa: E402
from diffposetalk_ros.training.data.takes import build_takes  # noqa: E402
from diffposetalk_ros.training.distill import (  # noqa: E402
    Distillation,
    DistillConfig,
    _Given,
    guided_student,
)
from diffposetalk_ros.training.recipe import EMBEDDED  # noqa: E402

TINY = replace(
    EMBEDDED, feature_dim=16, n_heads=2, n_layers=1, style_dim=8, logmel=LogMelConfig(64, 8, 12),
    style_encoder=StyleEncoderConfig(8, 2, 1, 2, position='per_frame'),
)  # fmt: skip


def teacher() -> DiffPoseTalkModel:
    torch.manual_seed(0)
    return DiffPoseTalkModel(TINY).eval()


def given(count: int, scales: tuple[float, float]) -> tuple[_Given, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=rng)

    previous = normal(count, 10, 55), normal(count, 10, 16)
    conditions = _Given(
        normal(count, 6, 16), normal(count, 8), None, previous, torch.ones(count, 6),
        torch.tensor([scales]).repeat(count, 1),
    )  # fmt: skip
    return conditions, normal(count, 6, 55)


def test_the_student_begins_as_its_teachers_answer_without_guidance() -> None:
    model = teacher()
    student = guided_student(model)
    arrays, noise = given(2, (1.0, 1.0))
    request = WindowRequest(
        audio=arrays.audio.numpy(), noise=noise.numpy(), previous_motion=arrays.previous[0].numpy(),
        previous_audio=arrays.previous[1].numpy(), style=arrays.style.numpy(),
        indicator=np.ones((2, 6), np.float32),
    )  # fmt: skip
    plain, guided = (SamplingConfig(steps=2, scale_audio=s, scale_style=s) for s in (1.0, 2.0))
    expected = TorchBackend(model).sample(request, plain)
    engine = TorchBackend(student)
    for sampling in (plain, guided):
        np.testing.assert_allclose(engine.sample(request, sampling), expected, atol=1e-5)
    learning = {name for name, value in student.named_parameters() if value.requires_grad}
    assert learning and all(name.startswith('denoising_net.') for name in learning)


def test_the_target_ends_where_the_teachers_steps_end() -> None:
    model, (conditions, noise) = teacher(), given(2, (1.5, 1.2))
    schedule = make_schedule('cosine', 500)
    distillation = Distillation(model, DistillConfig(steps=2, substeps=3))
    begin, end = torch.tensor([500, 500]), torch.tensor([250, 250])
    with torch.no_grad():
        target = distillation._target(conditions, noise, begin, end)

        def predict(x: torch.Tensor, t: int) -> torch.Tensor:
            return conditions.guided(model, x, torch.full((2,), t))

        substeps, whole = [(500, 417), (417, 333), (333, 250)], [(500, 250)]
        expected = sample(predict, noise, substeps, solver_coefficients('ddim', schedule, substeps))
        once = sample(lambda x, t: target, noise, whole, solver_coefficients('ddim', schedule, whole))
        torch.testing.assert_close(once, expected, atol=1e-4, rtol=1e-4)
        # One substep: the guided prediction itself, that of the back end.
        plain = Distillation(model, DistillConfig())._target(conditions, noise, begin, torch.zeros_like(end))
    request = WindowRequest(
        audio=conditions.audio.numpy(), noise=noise.numpy(), style=conditions.style.numpy(),
        previous_motion=conditions.previous[0].numpy(), previous_audio=conditions.previous[1].numpy(),
        indicator=np.ones((2, 6), np.float32),
    )  # fmt: skip
    sampling = SamplingConfig(steps=1, scale_audio=1.5, scale_style=1.2)
    np.testing.assert_allclose(plain.numpy(), TorchBackend(model).sample(request, sampling), atol=1e-4)


def test_from_folder_to_folder(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    style = StyleEncoder(TINY.style_encoder, 55)
    save_model(tmp_path / 'teacher', teacher(), (np.zeros(55), np.ones(55)), style)
    build_takes(tiny_corpus, tmp_path / 'takes', 3)
    words = [
        'distill', '--model', str(tmp_path / 'teacher'), '--takes', str(tmp_path / 'takes'), '--work',
        str(tmp_path / 'work'), '--train-steps', '3', '--batch', '2', '--out',
    ]  # fmt: skip
    assert main([*words, str(tmp_path / 'fast')]) == 0
    generator = Generator(tmp_path / 'fast', 'torch')
    assert generator.config.scale_inputs
    audio = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    sampling = SamplingConfig(steps=2, scale_audio=1.5, scale_style=1.0)
    assert generator.generate(audio, None, sampling=sampling).values.shape == (25, 55)
    capsys.readouterr()
    words[words.index('--model') + 1] = str(tmp_path / 'fast')
    assert main([*words, str(tmp_path / 'faster')]) == 1
    assert 'this model is distilled' in capsys.readouterr().err


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ConfigError, match='scale_audio 4; use 1 to 3'):
        DistillConfig(scale_audio=4.0)
    with pytest.raises(ConfigError, match='substeps need the number of steps'):
        DistillConfig(substeps=2)
