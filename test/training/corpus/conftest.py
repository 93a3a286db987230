# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def kokoro() -> Path | None:
    """What `npm pack kokoro-js` wrote into the root of the clone, if it was run there."""
    return next(Path(__file__).parents[3].glob('kokoro-js-*.tgz'), None)
