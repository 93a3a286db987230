# SPDX-License-Identifier: Apache-2.0
"""Motion of the face other than articulation: head, brows, eyes, lids, smile, and the traits of a person."""
