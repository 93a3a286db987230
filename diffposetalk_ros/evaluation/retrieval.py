# SPDX-License-Identifier: Apache-2.0
"""Retrieval of a style among others by its code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import StyleError

__all__ = ['top1_retrieval']

Floats = NDArray[np.floating]


def top1_retrieval(
    queries: Floats,
    gallery: Floats,
    labels: NDArray[np.integer] | None = None,
    rivals: NDArray[np.bool_] | None = None,
) -> float:
    """Share of ``queries`` (Q, S) whose most similar row of ``gallery`` (N, S) is their own style.

    Similarity is the cosine. ``labels`` (Q,) names each query's row; by default query i belongs to
    row i. ``rivals`` (Q, N) are the rows that a query may be mistaken for; by default all. A tie counts as a
    miss, so constant codes score 0. Chance is 1 / N. Raises StyleError for shapes that do not fit.
    """
    own = np.arange(len(queries)) if labels is None else np.asarray(labels)
    if queries.ndim != 2 or queries.shape[1:] != gallery.shape[1:] or len(own) != len(queries):
        raise StyleError(
            f'style codes of shape {queries.shape} and {gallery.shape} do not fit; use one style encoder'
        )
    if len(queries) == 0 or len(gallery) < 2 or own.min() < 0 or own.max() >= len(gallery):
        raise StyleError(
            f'{len(queries)} queries and {len(gallery)} styles; retrieval needs at least two styles'
        )
    unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (queries, gallery)]
    similarity = np.asarray(unit[0] @ unit[1].T, np.float64)
    rows = np.arange(len(queries))
    mine = similarity[rows, own].copy()
    similarity[rows, own] = -np.inf
    if rivals is not None:
        if rivals.shape != similarity.shape:
            raise StyleError(f'rivals of shape {rivals.shape}; expected {similarity.shape}')
        similarity[~rivals] = -np.inf
    return float((mine > similarity.max(axis=1)).mean())
