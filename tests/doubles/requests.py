"""Stands in for requests where a program downloads the citation graph Cora.

What it serves is drawn: papers of seven subjects that use their subject's words and mostly cite papers of
their own subject, in the two files in which Cora is published.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import Final

import numpy as np

__all__ = ["get"]

PAPERS, WORDS, SUBJECTS, CITATIONS = 1750, 60, 7, 4000
USED, CHANCE = 0.7, 0.05  # share of a subject's words, and of other words, that a paper uses
OWN: Final = 0.8  # share of citations within a subject


@dataclass
class Response:
    """An answer whose body is a file."""

    raw: io.BytesIO

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *exception: object) -> None:
        self.raw.close()


def _files() -> dict[str, str]:
    random = np.random.default_rng(0)
    subject = random.integers(0, SUBJECTS, PAPERS)
    typical = random.random((SUBJECTS, WORDS)) < 0.25
    uses = (typical[subject] & (random.random((PAPERS, WORDS)) < USED)) | (
        random.random((PAPERS, WORDS)) < CHANCE
    )
    names = random.permutation(100_000)[:PAPERS]
    edges: set[tuple[int, int]] = set()
    while len(edges) < CITATIONS:
        paper = int(random.integers(PAPERS))
        cited = int(random.choice(np.flatnonzero((subject == subject[paper]) == (random.random() < OWN))))
        if cited != paper:
            edges.add((paper, cited))
    lines = {
        "content": [
            "\t".join([str(names[i]), *map(str, uses[i].astype(int)), f"Subject_{subject[i]}"])
            for i in range(PAPERS)
        ],
        "cites": [f"{names[paper]}\t{names[cited]}" for paper, cited in sorted(edges)],
    }
    return {f"cora/cora.{kind}": "\n".join(rows) + "\n" for kind, rows in lines.items()}


def get(url: str, stream: bool = False) -> Response:
    """The archive of the graph, whatever the address."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for name, text in _files().items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    body.seek(0)
    return Response(body)
