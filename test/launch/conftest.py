# SPDX-License-Identifier: Apache-2.0
"""The model to run."""

from __future__ import annotations

from pathlib import Path

import pytest

EMBEDDED = Path(__file__).parents[2] / 'models' / 'embedded'


@pytest.fixture
def model_folder() -> Path:
    """The embedded model: the launch files are to run with what is shipped."""
    return EMBEDDED
