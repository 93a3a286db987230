# SPDX-License-Identifier: Apache-2.0
"""`python -m diffposetalk_ros.cli`."""

import sys

from diffposetalk_ros.cli.main import main

sys.exit(main())
