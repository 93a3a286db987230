# SPDX-License-Identifier: Apache-2.0
"""How well the lips follow languages: voices that no training uses, measures by language, and their report."""
