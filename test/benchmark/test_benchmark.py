# SPDX-License-Identifier: Apache-2.0
"""The parts of the benchmark do what their tables say."""

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from diffposetalk_ros.avatar.parameters import config_from
from diffposetalk_ros.benchmark.speed import in_process
from diffposetalk_ros.benchmark.speed.embedded import DEFAULT
from diffposetalk_ros.benchmark.speed.footprint import footprint_table, installed_size
from diffposetalk_ros.benchmark.speed.in_process import run_avatars, run_live
from diffposetalk_ros.benchmark.speed.requests import speech_like, window_request
from diffposetalk_ros.benchmark.speed.steady import run_steady
from diffposetalk_ros.benchmark.table import Table, machine, write_report
from diffposetalk_ros.benchmark.timing import timed
from diffposetalk_ros.model.backend import SamplingConfig, WindowRequest
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.loader import LoadedModel, open_model


@pytest.fixture(scope='module')
def model() -> LoadedModel:
    return open_model('embedded', 'onnx', 'cpu')


def test_report(tmp_path: Path) -> None:
    table = Table('One', 'A note.', ('what', 'x [ms]'), (('a', 1.2345), ('b', 1234.5), ('c', None)))
    paths = write_report(tmp_path / 'new' / 'report', {'command': 'bench', **machine()}, [table])
    data = json.loads(paths[0].read_text())
    assert data['tables'][0]['rows'][0] == ['a', 1.2345]
    assert set(machine()) < set(data['about'])
    text = paths[1].read_text()
    assert '| a | 1.23 |' in text and '| b | 1234 |' in text and '| c |  |' in text


def test_timing() -> None:
    calls: list[int] = []
    timing = timed(lambda: calls.append(1), 0.0, warm_up=2, least=5)
    assert len(calls) == 7 and timing.count == 5
    assert 0 <= timing.best <= timing.p50 <= timing.p95


def test_live_makes_every_frame(model: LoadedModel) -> None:
    run = run_live(model, None, DEFAULT, 0.6, 0.24)
    assert run.frames == 15
    assert run.hop[0] > 0
    # The encoder looks 80 ms ahead: nothing can be final sooner.
    assert run.age[0] > 70


def test_avatars_all_get_their_hops(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    # Time passes only while it waits: a busy machine falls behind, and then not all are measured.
    monkeypatch.setattr(in_process, 'time', SimpleNamespace(perf_counter=lambda: now, sleep=sleep))
    run = run_avatars(model.backend, next(iter(model.styles.values())), DEFAULT, 2, 0.4, model=model)
    assert run.hops == 20


def test_hops_that_take_longer_than_they_last_are_missed(model: LoadedModel) -> None:
    class Slow:
        config = model.backend.config
        runner = model.backend.runner
        encode_mel = staticmethod(model.backend.encode_mel)

        def sample(self, request: WindowRequest, sampling: SamplingConfig) -> np.ndarray:
            time.sleep(0.1)  # a hop lasts 0.08 s
            return np.zeros(request.noise.shape, np.float32)

    run = run_avatars(Slow(), None, DEFAULT, 1, 0.4)
    assert run.misses == run.hops > 0
    assert min(run.busy) > 80


def test_a_stream_that_runs_takes_no_more_memory(model: LoadedModel) -> None:
    run = run_steady(model, None, DEFAULT, 40, warm_up=40)
    assert run.hops == 40
    # A hop of 2 frames that stayed somewhere would be kilobytes each time.
    assert run.python < 40


def test_installed_size() -> None:
    assert installed_size('no-such-package-anywhere') is None
    alone, with_needs = installed_size('numpy', ''), installed_size('scipy', '')
    assert alone and with_needs and with_needs > alone > 5


def test_the_default_is_the_nodes_default() -> None:
    node = config_from({})
    assert (DEFAULT.solver, DEFAULT.steps) == (node.sampler_solver, node.sampler_steps)
    assert DEFAULT.spacing == node.sampler_spacing
    assert DEFAULT.scale_audio == node.sampler_guidance_audio
    assert DEFAULT.scale_style == node.sampler_guidance_style


def test_footprint_without_torch() -> None:
    rows = dict(footprint_table('embedded').rows)
    assert rows['torch imported'] == 'no'
    resident = rows['resident after 8 s of talking [MiB]']
    assert isinstance(resident, float) and 20 < resident < 300


def test_the_reference_is_the_same_network() -> None:
    torch = pytest.importorskip('torch')
    from diffposetalk_ros.benchmark.speed.torch_reference import ReferenceDenoiser, sample_ancestral
    from diffposetalk_ros.diffusion.schedule import make_schedule
    from diffposetalk_ros.model.networks.denoiser import Denoiser
    from diffposetalk_ros.model.networks.diffposetalk import ScheduleBuffers

    torch.manual_seed(0)
    config = ModelConfig(
        feature_dim=32, n_heads=2, n_layers=2, mlp_ratio=2, n_motions=12, n_prev_motions=3, style_dim=8
    )
    ours, reference = Denoiser(config).eval(), ReferenceDenoiser(config).eval()
    names = {
        'PE': 'position', 'diff_step_map': 'step_map', 'person_proj': 'person', 'feature_proj': 'motion_in',
        'transformer': 'decoder', 'motion_dec': 'motion_out',
    }  # fmt: skip
    state = {
        names[key.split('.')[0]] + key[len(key.split('.')[0]) :]: v for key, v in ours.state_dict().items()
    }
    missing, surplus = reference.load_state_dict(state, strict=False)
    assert set(missing) == {'table', 'mask'} and not surplus
    request = window_request(config, 1, 12)
    tensor = {k: torch.from_numpy(v) for k, v in vars(request).items() if isinstance(v, np.ndarray)}
    person = torch.cat([tensor['shape'], tensor['style']], -1)[:, None]
    with torch.no_grad():
        expected = ours(
            tensor['noise'], tensor['audio'], person, tensor['previous_motion'], tensor['previous_audio'],
            torch.tensor([7]), tensor['indicator'],
        )  # fmt: skip
        flags = torch.cat([torch.zeros(1, 3, 1), tensor['indicator'][..., None]], 1)
        frames = torch.cat([tensor['previous_motion'], tensor['noise']], 1)
        audio = torch.cat([tensor['previous_audio'], tensor['audio']], 1)
        got = reference(frames, audio, person, flags, 7)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    assert sample_ancestral(reference, ScheduleBuffers(make_schedule('cosine', 500)), 3) > 0


TINY_SPEECH = {
    'hidden_size': 16, 'num_hidden_layers': 1, 'num_attention_heads': 1, 'intermediate_size': 8,
    'conv_dim': [8] * 7, 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 4,
}  # fmt: skip


@pytest.fixture
def tiny() -> ModelConfig:
    pytest.importorskip('torch')
    pytest.importorskip('transformers')
    return ModelConfig(
        feature_dim=16,
        n_heads=2,
        n_layers=1,
        mlp_ratio=2,
        use_indicator=True,
        audio_encoder_config=TINY_SPEECH,
    )


def test_full_size_is_compared_with_the_reference_on_its_own_device(tiny: ModelConfig) -> None:
    from diffposetalk_ros.benchmark.speed.full_size import full_size_table

    table = full_size_table(3, 'cpu', tiny, seconds=0.01)
    names = [row[0] for row in table.rows]
    assert str(names[0]).startswith('reference algorithm') and table.rows[0][-1] == 1.0
    assert {'ours, torch', 'ours, torch, bfloat16', 'ours, ONNX loop'} <= set(names)
    for row in table.rows:
        assert row[4] == pytest.approx(float(row[2]) + float(row[3])) and float(row[5]) > 0


def test_a_served_model_has_hops_and_avatars(tiny: ModelConfig) -> None:
    from diffposetalk_ros.benchmark.speed.served import ServedConfig, served_tables

    wanted = ServedConfig(('float32',), hops=4, avatars=(1, 3), seconds=0.5, model=tiny)
    hops, avatars = served_tables('cpu', wanted)
    assert [row[:2] for row in hops.rows] == [('float32', 4), ('float32', 8)]
    assert [row[:3] for row in avatars.rows] == [('float32', 1, 2), ('float32', 3, 6)]
    for row in hops.rows:
        assert 0 < float(row[3]) <= float(row[4]) <= float(row[5]) <= float(row[6])


def test_the_host_has_its_share(tiny: ModelConfig) -> None:
    from diffposetalk_ros.benchmark.speed.served import ServedConfig, host_table

    (row,) = host_table(ServedConfig(avatars=(3,), seconds=0.4, model=tiny)).rows
    assert row[0] == 3 and float(row[1]) > 0 and row[4] == pytest.approx(float(row[1]) / 3)


def test_speech_is_in_range() -> None:
    sound = speech_like(0.5)
    assert sound.dtype == np.float32 and len(sound) == 8000 and np.abs(sound).max() < 1
