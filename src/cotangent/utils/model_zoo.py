"""`torch.utils.model_zoo`: the older name of what loads weights from a URL."""

from __future__ import annotations

from .. import hub

__all__ = ["load_url", "tqdm"]

load_url = hub.load_state_dict_from_url
tqdm = hub.tqdm
