# SPDX-License-Identifier: Apache-2.0
"""The loop of every training stage: devices (Accelerate), logs, checkpoints, resuming, averaging."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError
from diffposetalk_ros.util.output_file import whole_file

__all__ = ['Loss', 'RunConfig', 'learning_rate_factor', 'train']

Loss = Callable[[nn.Module, int, torch.Generator, torch.device], dict[str, Tensor]]
"""(module, number of the batch, generator, device) -> loss terms, whose sum is minimised."""


@dataclass(frozen=True)
class RunConfig:
    """Settings of a training run.

    Args:
        steps: number of steps.
        batch: items per step.
        learning_rate: the full rate, reached after the warm-up.
        warm_up: steps of linear warm-up.
        ema: decay of the averaged weights that are kept at the end; 0 keeps the last weights.
        clip: bound of the gradient's norm; 0 for none.
        seed: of weights and batches.
        save_every: steps between checkpoints.
        schedule: 'cosine' (warm-up, then down to 2 % at the last step), 'none', 'Warmup' or
            'WarmupThenDecay' (docs/method.md, 9.4).
        weight_decay: of AdamW; 0 is plain Adam.
        validate_every: steps between validations; 0 for none.

    Raises ConfigError for an unknown schedule or a number below 1.
    """

    steps: int
    batch: int = 16
    learning_rate: float = 1e-3
    warm_up: int = 100
    ema: float = 0.998
    clip: float = 1.0
    seed: int = 0
    save_every: int = 500
    schedule: str = 'cosine'
    weight_decay: float = 1e-3
    validate_every: int = 0

    def __post_init__(self) -> None:
        if self.schedule not in ('cosine', 'none', 'Warmup', 'WarmupThenDecay'):
            raise ConfigError(f'schedule {self.schedule!r}; use cosine, none, Warmup or WarmupThenDecay')
        for name in ('steps', 'batch', 'save_every'):
            if getattr(self, name) < 1:
                raise ConfigError(f'{name} is {getattr(self, name)}; use 1 or more')


def learning_rate_factor(step: int, config: RunConfig) -> float:
    """Factor from 0 to 1 on the full learning rate at a step."""
    warm = config.warm_up
    if config.schedule == 'none':
        return 1.0
    if config.schedule == 'cosine':
        if step < warm:
            return (step + 1) / warm
        share = (step - warm) / max(config.steps - warm, 1)
        return 0.02 + 0.49 * (1.0 + math.cos(share * math.pi))
    if step <= warm + 1 or config.schedule == 'Warmup':
        return min(step / warm, 1.0)
    end = 120_000
    share = min((step - warm - 1) / (end - warm), (end - warm - 1) / (end - warm))
    return 0.02 + 0.49 * (1.0 + math.cos(math.pi * share))


def train(
    name: str,
    module: nn.Module,
    loss: Loss,
    out: Path,
    config: RunConfig,
    validate: Loss | None = None,
) -> None:
    """Minimise the sum of the loss terms, and leave ``module`` on the CPU with the averaged weights.

    The run logs to `out/logs` (TensorBoard) and saves `out/<name>.ckpt` every ``save_every`` steps. It
    continues from an existing checkpoint, and a resumed run equals an unbroken one. It works unchanged on
    a CPU, on a GPU and on several machines through `accelerate launch`: each process draws its own batches,
    and the gradients are averaged. ``validate`` is called without gradients, in evaluation mode.

    Raises ConfigError for a checkpoint of another model, DiffPoseTalkError if the loss is not finite.
    """
    torch.manual_seed(config.seed)
    accelerator = Accelerator()
    device, main = accelerator.device, accelerator.is_main_process
    module.to(device)
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate_factor(step, config))
    average = torch.optim.swa_utils.AveragedModel(
        module,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.ema),  # type: ignore[no-untyped-call]
    )
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / f'{name}.ckpt'
    first = 0
    if checkpoint.exists():
        first = _restore(checkpoint, module, average, optimiser, schedule)
    if accelerator.num_processes > 1:
        for parameter in module.parameters():
            parameter.data = broadcast(parameter.data)
    writer = SummaryWriter(out / 'logs' / name) if main else None
    if main:
        (out / f'{name}.json').write_text(json.dumps(asdict(config), indent=2) + '\n')
    bar = tqdm(range(first, config.steps), initial=first, total=config.steps, desc=name, disable=not main)
    module.train()
    started = time.monotonic()
    for step in bar:
        # Each process draws its own batch; seeding by step makes a resumed run equal an unbroken one.
        number = config.seed * 1_000_003 + step * accelerator.num_processes + accelerator.process_index
        generator = torch.Generator().manual_seed(number)
        torch.manual_seed(number)
        with accelerator.autocast():
            terms = loss(module, number, generator, device)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise DiffPoseTalkError(
                f'{name}: the loss is {total.item()} at step {step}; lower the learning rate, and delete '
                f'{checkpoint} if this happens again'
            )
        optimiser.zero_grad()
        accelerator.backward(total)
        if accelerator.num_processes > 1:
            _average_gradients(accelerator, parameters)
        if config.clip > 0:
            accelerator.clip_grad_norm_(parameters, config.clip)
        optimiser.step()
        schedule.step()
        if config.ema > 0:
            average.update_parameters(module)
        if writer is not None and step % 20 == 0:
            _log(writer, 'loss', terms, step)
            writer.add_scalar('learning_rate', optimiser.param_groups[0]['lr'], step)
            bar.set_postfix_str(' '.join(f'{key} {value.item():.3f}' for key, value in terms.items()))
        if main and ((step + 1) % config.save_every == 0 or step + 1 == config.steps):
            state = {
                'module': module.state_dict(),
                'average': average.state_dict(),
                'optimiser': optimiser.state_dict(),
                'schedule': schedule.state_dict(),
                'step': step + 1,
                'seconds': time.monotonic() - started,
            }
            _save(checkpoint, state)
        if writer is not None and validate is not None and _due(step, config):
            module.eval()
            with torch.no_grad():
                _log(
                    writer, 'validation', validate(module, 0, torch.Generator().manual_seed(0), device), step
                )
            module.train()
    if config.ema > 0:
        module.load_state_dict(average.module.state_dict())
    if writer is not None:
        writer.close()
    accelerator.wait_for_everyone()
    module.cpu().eval()


def _due(step: int, config: RunConfig) -> bool:
    return config.validate_every > 0 and (step + 1) % config.validate_every == 0


def _restore(path: Path, module: nn.Module, average: nn.Module, optimiser: Any, schedule: Any) -> int:
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
        module.load_state_dict(state['module'])
        average.load_state_dict(state['average'])
        optimiser.load_state_dict(state['optimiser'])
        schedule.load_state_dict(state['schedule'])
        return int(state['step'])
    except Exception as error:  # noqa: BLE001 - a damaged file can fail in any way
        reason = str(error).split('\n')[0][:120]
        raise ConfigError(
            f'{path} does not fit this run ({reason}); delete it or choose another --work'
        ) from error


def _save(path: Path, state: dict[str, Any]) -> None:
    with whole_file(path) as part:
        torch.save(state, part)


def _average_gradients(accelerator: Any, parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad = accelerator.reduce(parameter.grad, reduction='mean')


def _log(writer: Any, name: str, terms: dict[str, Tensor], step: int) -> None:
    writer.add_scalar(name, sum(value.item() for value in terms.values()), step)
    for key, value in terms.items():
        writer.add_scalar(f'{name}/{key}', value.item(), step)
