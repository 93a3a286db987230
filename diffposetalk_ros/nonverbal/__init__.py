# SPDX-License-Identifier: Apache-2.0
"""What a face does beside articulating: head, brows, eyes, lids, smile, and how much of it a person does."""
