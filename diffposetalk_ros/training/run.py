# SPDX-License-Identifier: Apache-2.0
"""What every training run shares: devices (Accelerate), logs, checkpoints, resuming, averaging."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

__all__ = ['RunConfig', 'train']


@dataclass(frozen=True)
class RunConfig:
    """``ema`` is the decay of the averaged weights that are kept at the end; 0 keeps the last ones."""

    steps: int
    batch: int = 16
    learning_rate: float = 1e-3
    warm_up: int = 100
    ema: float = 0.998
    clip: float = 1.0
    seed: int = 0
    save_every: int = 500


def _rate(step: int, config: RunConfig) -> float:
    """Linear warm-up, then a cosine to 2 % of the full rate."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    share = (step - config.warm_up) / max(config.steps - config.warm_up, 1)
    return 0.02 + 0.49 * (1.0 + torch.cos(torch.tensor(share * torch.pi)).item())


def train(
    name: str,
    module: nn.Module,
    loss: Callable[[nn.Module, int, torch.Generator, torch.device], dict[str, Tensor]],
    out: Path,
    config: RunConfig,
) -> None:
    """Minimise the sum of the terms `loss(module, step, generator, device)` returns.

    Logs to `out/logs` (TensorBoard), saves `out/<name>.ckpt` every `save_every` steps and continues
    from it when it is there. Runs unchanged on one CPU, one GPU or several machines through
    `accelerate launch`. Afterwards `module` holds the averaged weights.
    """
    torch.manual_seed(config.seed)
    accelerator = Accelerator()
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, config))
    prepared, optimiser = accelerator.prepare(module, optimiser)
    average = torch.optim.swa_utils.AveragedModel(
        module,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.ema),  # type: ignore[no-untyped-call]
    )
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / f'{name}.ckpt'
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location='cpu', weights_only=True)
        module.load_state_dict(state['module'])
        average.load_state_dict(state['average'])
        optimiser.load_state_dict(state['optimiser'])
        schedule.load_state_dict(state['schedule'])
        first = state['step']
    main = accelerator.is_main_process
    writer = SummaryWriter(out / 'logs' / name) if main else None
    (out / f'{name}.json').write_text(json.dumps(asdict(config), indent=2) + '\n')
    bar = tqdm(range(first, config.steps), initial=first, total=config.steps, desc=name, disable=not main)
    module.train()
    started = time.monotonic()
    for step in bar:
        # Each process draws its own batch; seeding by step makes a resumed run equal an unbroken one.
        seed = config.seed * 1_000_003 + step * accelerator.num_processes + accelerator.process_index
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        terms = loss(prepared, seed, generator, accelerator.device)
        total = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        accelerator.backward(total)
        accelerator.clip_grad_norm_(parameters, config.clip)
        optimiser.step()
        schedule.step()
        average.update_parameters(module)
        if writer is not None and step % 20 == 0:
            writer.add_scalar('loss', total.item(), step)
            for key, value in terms.items():
                writer.add_scalar(f'loss/{key}', value.item(), step)
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
            temporary = checkpoint.with_suffix('.part')
            torch.save(state, temporary)
            temporary.replace(checkpoint)
    if config.ema > 0:
        module.load_state_dict(average.module.state_dict())
    module.eval()
