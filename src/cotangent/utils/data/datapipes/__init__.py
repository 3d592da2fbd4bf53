"""Pipelines of data: `torch.utils.data.datapipes`, streams in `iter`, sequences in `map`."""

from . import iter, map
from .datapipe import DataChunk, DFIterDataPipe, IterDataPipe, MapDataPipe

__all__ = ["DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe", "iter", "map"]
