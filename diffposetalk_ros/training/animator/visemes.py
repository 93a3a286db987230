# SPDX-License-Identifier: Apache-2.0
"""The articulatory target of every phoneme: where jaw, lips and tongue go and how much it matters.

Columns of a target (all 0..1):

jaw      jaw opening                       bite    lower lip under the upper teeth
close    lips pressed together             tongue  tongue tip at the teeth or the ridge behind them
pucker   lips pushed out, small opening    teeth   teeth together behind parted lips
funnel   lips open and protruded           upper   upper lip raised
stretch  mouth corners drawn apart         lower   lower lip lowered
                                           dental  tongue tip visible between the teeth
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError

__all__ = [
    'ARTICULATORS',
    'PHONES',
    'SILENCES',
    'Phone',
    'Segments',
    'VISEMES',
    'normalise_phone',
    'segments',
]

Phone = tuple[float, float, str]
"""(start s, end s, ARPABET label, stress digits and case ignored)."""

ARTICULATORS: Final = (
    'jaw', 'close', 'pucker', 'funnel', 'stretch', 'bite', 'tongue', 'teeth', 'upper', 'lower', 'dental',
)  # fmt: skip
VISEMES: Final = ('jawOpen', 'lipClose', 'pucker', 'funnel', 'stretch', 'lipBite', 'tongueTip', 'teeth')
"""The first eight articulators under the names the evaluation prints."""

SILENCES: Final = frozenset(
    {'', 'SIL', 'PAU', 'SP', 'SPN', 'NSN', 'BR', 'BRTH', 'H#', '#', '_', '<S>', '</S>'}
)

_TARGETS: Final[dict[str, tuple[float, ...]]] = {
    #       jaw  close puck funn stre bite tong teeth uppr lowr dent
    'SIL': (0.09, 0.25, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.05, 0.10, 0.00),
    'P':   (0.05, 1.00, 0.05, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    'B':   (0.06, 1.00, 0.05, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    'M':   (0.07, 1.00, 0.04, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    'F':   (0.17, 0.04, 0.00, 0.08, 0.12, 1.00, 0.00, 0.10, 0.50, 0.00, 0.00),
    'V':   (0.18, 0.04, 0.00, 0.08, 0.10, 0.95, 0.00, 0.08, 0.45, 0.00, 0.00),
    'T':   (0.14, 0.00, 0.00, 0.00, 0.22, 0.00, 0.80, 0.40, 0.15, 0.30, 0.05),
    'D':   (0.16, 0.00, 0.00, 0.00, 0.20, 0.00, 0.80, 0.30, 0.15, 0.30, 0.05),
    'N':   (0.17, 0.00, 0.00, 0.00, 0.20, 0.00, 0.80, 0.20, 0.12, 0.25, 0.05),
    'L':   (0.27, 0.00, 0.00, 0.00, 0.14, 0.00, 1.00, 0.00, 0.15, 0.25, 0.15),
    'TH':  (0.16, 0.00, 0.00, 0.00, 0.16, 0.00, 1.00, 0.15, 0.15, 0.25, 1.00),
    'DH':  (0.17, 0.00, 0.00, 0.00, 0.14, 0.00, 0.90, 0.10, 0.12, 0.22, 0.80),
    'S':   (0.10, 0.00, 0.00, 0.00, 0.45, 0.00, 0.40, 1.00, 0.30, 0.50, 0.00),
    'Z':   (0.11, 0.00, 0.00, 0.00, 0.40, 0.00, 0.40, 0.95, 0.28, 0.45, 0.00),
    'SH':  (0.12, 0.00, 0.30, 0.80, 0.00, 0.00, 0.20, 1.00, 0.30, 0.40, 0.00),
    'ZH':  (0.13, 0.00, 0.30, 0.75, 0.00, 0.00, 0.20, 0.95, 0.28, 0.38, 0.00),
    'CH':  (0.12, 0.00, 0.30, 0.75, 0.00, 0.00, 0.40, 0.92, 0.28, 0.38, 0.00),
    'JH':  (0.13, 0.00, 0.30, 0.72, 0.00, 0.00, 0.40, 0.90, 0.26, 0.36, 0.00),
    'K':   (0.22, 0.00, 0.00, 0.00, 0.14, 0.00, 0.00, 0.10, 0.10, 0.18, 0.00),
    'G':   (0.23, 0.00, 0.00, 0.00, 0.14, 0.00, 0.00, 0.08, 0.10, 0.18, 0.00),
    'NG':  (0.24, 0.00, 0.00, 0.00, 0.14, 0.00, 0.00, 0.00, 0.10, 0.18, 0.00),
    'R':   (0.20, 0.00, 0.38, 0.45, 0.00, 0.00, 0.08, 0.10, 0.10, 0.12, 0.00),
    'W':   (0.16, 0.05, 1.00, 0.30, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    'Y':   (0.16, 0.00, 0.00, 0.00, 0.60, 0.00, 0.10, 0.30, 0.15, 0.25, 0.00),
    'HH':  (0.30, 0.00, 0.00, 0.00, 0.10, 0.00, 0.00, 0.00, 0.08, 0.12, 0.00),
    'AA':  (0.95, 0.00, 0.00, 0.08, 0.00, 0.00, 0.00, 0.00, 0.10, 0.30, 0.00),
    'AE':  (0.85, 0.00, 0.00, 0.00, 0.45, 0.00, 0.00, 0.00, 0.25, 0.45, 0.00),
    'AH':  (0.52, 0.00, 0.00, 0.00, 0.10, 0.00, 0.00, 0.00, 0.10, 0.22, 0.00),
    'AO':  (0.72, 0.00, 0.35, 0.60, 0.00, 0.00, 0.00, 0.00, 0.05, 0.15, 0.00),
    'EH':  (0.58, 0.00, 0.00, 0.00, 0.50, 0.00, 0.00, 0.00, 0.22, 0.38, 0.00),
    'ER':  (0.30, 0.00, 0.36, 0.45, 0.00, 0.00, 0.08, 0.00, 0.10, 0.15, 0.00),
    'IH':  (0.32, 0.00, 0.00, 0.00, 0.55, 0.00, 0.00, 0.18, 0.20, 0.32, 0.00),
    'IY':  (0.18, 0.00, 0.00, 0.00, 0.90, 0.00, 0.00, 0.28, 0.25, 0.40, 0.00),
    'UH':  (0.28, 0.00, 0.55, 0.40, 0.00, 0.00, 0.00, 0.00, 0.05, 0.10, 0.00),
    'UW':  (0.20, 0.00, 0.95, 0.30, 0.00, 0.00, 0.00, 0.00, 0.00, 0.05, 0.00),
}  # fmt: skip

_DIPHTHONGS: Final = {
    'AY': ('AA', 'IH'), 'AW': ('AA', 'UH'), 'OY': ('AO', 'IH'), 'EY': ('EH', 'IY'), 'OW': ('AO', 'UW'),
}  # fmt: skip
_ALIASES: Final = {
    'AX': 'AH', 'AXR': 'ER', 'IX': 'IH', 'UX': 'UW', 'OH': 'AO', 'DX': 'D', 'NX': 'N', 'EL': 'L',
    'EM': 'M',
    'EN': 'N', 'Q': 'K', 'HV': 'HH', 'WH': 'W',
}  # fmt: skip
_FIRST_PART = 0.45  # share of a diphthong spent on its first vowel

PHONES: Final = tuple(_TARGETS) + tuple(_DIPHTHONGS)

# Dominance: how strongly a phoneme insists on its own value of an articulator. Weak ones are
# overrun by their neighbours, which is coarticulation. (vowel, consonant, silence) by articulator.
_CLASS_WEIGHT: Final = {
    'jaw': (1.0, 0.7, 0.6), 'close': (1.0, 1.0, 1.0), 'pucker': (1.0, 0.3, 0.5), 'funnel': (1.0, 0.3,
    0.5),
    'stretch': (1.0, 0.4, 0.5), 'bite': (1.0, 1.0, 1.0), 'tongue': (1.0, 1.0, 1.0),
    'teeth': (1.0, 1.0, 1.0), 'upper': (1.0, 0.7, 0.8), 'lower': (1.0, 0.7, 0.8), 'dental': (1.0, 1.0,
    1.0),
}  # fmt: skip
_STRONG: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(('P', 'B', 'M'), ('jaw', 'upper', 'lower')),
    **dict.fromkeys(('F', 'V'), ('jaw', 'upper', 'lower')),
    **dict.fromkeys(('S', 'Z'), ('jaw', 'stretch', 'upper', 'lower')),
    **dict.fromkeys(('SH', 'ZH', 'CH', 'JH'), ('jaw', 'funnel', 'pucker', 'upper', 'lower')),
    'W': ('pucker', 'funnel', 'jaw'),
    'R': ('pucker', 'funnel'),
    'Y': ('stretch',),
}
_VOWELS = frozenset({'AA', 'AE', 'AH', 'AO', 'EH', 'ER', 'IH', 'IY', 'UH', 'UW'})


def _weights(phone: str) -> list[float]:
    column = 2 if phone == 'SIL' else 0 if phone in _VOWELS else 1
    strong = _STRONG.get(phone, ())
    return [1.2 if name in strong else _CLASS_WEIGHT[name][column] for name in ARTICULATORS]


_ROW: Final = {phone: row for row, phone in enumerate(_TARGETS)}
_TABLE: Final = np.array(list(_TARGETS.values()), np.float32)
_WEIGHT: Final = np.array([_weights(phone) for phone in _TARGETS], np.float32)


def normalise_phone(label: str) -> str:
    """ARPABET symbol of a label: upper case, no stress digit, every kind of pause as 'SIL'.

    Raises ConfigError for a label that is neither a phoneme nor a pause.
    """
    phone = label.strip().upper().rstrip('0123456789')
    phone = _ALIASES.get(phone, phone)
    if phone in SILENCES:
        return 'SIL'
    if phone in _ROW or phone in _DIPHTHONGS:
        return phone
    raise ConfigError(
        f'unknown phoneme {label!r}; use ARPABET ({", ".join(PHONES[1:5])} ...) or SIL for a pause'
    )


class Segments:
    """Targets of consecutive stretches of time, diphthongs split in two, gaps filled with silence.

    edges (n+1,) s, the outer ones far outside the clip; target and weight (n, 11).
    """

    def __init__(self, edges: list[float], rows: list[int]) -> None:
        self.edges: NDArray[np.float32] = np.array(edges, np.float32)
        self.target: NDArray[np.float32] = _TABLE[rows]
        self.weight: NDArray[np.float32] = _WEIGHT[rows]


def segments(phones: Sequence[Phone]) -> Segments:
    """Lay the phonemes of a clip end to end.

    phones: (start s, end s, label) in order of time. Raises ConfigError where they overlap by more
    than 5 ms, run backwards or carry an unknown label.
    """
    edges, rows, now = [-100.0], [], -100.0
    for start, end, label in phones:
        if end < start or start < now - 0.005:
            raise ConfigError(
                f'phoneme {label!r} at {start:.3f}..{end:.3f} s is out of order; sort by start time'
            )
        phone = normalise_phone(label)
        if start > now + 1e-4:
            rows.append(_ROW['SIL'])
            edges.append(start)
        if phone in _DIPHTHONGS:
            first, second = _DIPHTHONGS[phone]
            rows += [_ROW[first], _ROW[second]]
            edges += [start + _FIRST_PART * (end - start), end]
        else:
            rows.append(_ROW[phone])
            edges.append(end)
        now = end
    rows.append(_ROW['SIL'])
    edges.append(max(now, 0.0) + 1000.0)
    return Segments(edges, rows)
