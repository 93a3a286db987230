# SPDX-License-Identifier: Apache-2.0
"""Video of a person -> face motion: decoding, face tracking, calibration, quality of a clip."""
