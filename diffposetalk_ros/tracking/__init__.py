# SPDX-License-Identifier: Apache-2.0
"""Converts video of a person to face motion: decoding, face tracking, calibration, quality of a clip."""
