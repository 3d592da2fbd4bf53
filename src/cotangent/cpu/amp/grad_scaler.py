"""The old name of `torch.amp.GradScaler("cpu", ...)`: `torch.cpu.amp.grad_scaler`."""

from __future__ import annotations

from ...amp import grad_scaler
from ._deprecated import tell_deprecated

__all__ = ["GradScaler"]


class GradScaler(grad_scaler.GradScaler):
    """Old form of `torch.amp.GradScaler("cpu", ...)`.

    Args:
        init_scale, growth_factor, backoff_factor, growth_interval, enabled: as there.
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        tell_deprecated("GradScaler")
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
