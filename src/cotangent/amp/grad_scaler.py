"""Losses scaled up, so that small gradients do not vanish in float16, and scaled down again before a step."""

from __future__ import annotations

import inspect
import warnings
from enum import Enum
from typing import Any

from ..dtypes import finfo, float16, float32
from ..functions import full, isfinite
from ..ops.sparse import with_values_of
from ..tensor import Tensor

__all__ = ["GradScaler"]

_NOT_SCALED = (
    "Attempted {} but _scale is None.  This may indicate your script did not use scaler.scale(loss or"
    " outputs) earlier in the iteration."
)


_PASSES_ITSELF = (
    "GradScaler is going to stop passing itself as a keyword argument to the passed "
    "optimizer. In the near future GradScaler registers `grad_scale: Tensor` and "
    "`found_inf: Tensor` to the passed optimizer and let the optimizer use them directly."
)


class _Stage(Enum):
    """What has happened to an optimizer since the last update."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class GradScaler:
    """Multiplies losses by a factor that grows as long as gradients stay finite.

    Args:
        device: "cpu"; for "cuda" (the default) it warns and does nothing.
        init_scale: the factor to begin with.
        growth_factor: what it is multiplied by after `growth_interval` steps without inf or nan.
        backoff_factor: what it is multiplied by after a step with one.
        growth_interval: how many steps.
        enabled: whether to do anything.

    Raises:
        AssertionError: if a factor does not grow or shrink.

    Example:
        >>> import cotangent as torch
        >>> w = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.SGD([w], lr=0.5)
        >>> scaler = torch.amp.GradScaler("cpu")
        >>> scaler.scale((w * w).sum()).backward()
        >>> scaler.step(optimizer)
        >>> scaler.update()
        >>> w.item()
        0.0
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if enabled and device != "cpu":
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale = init_scale
        self._scale: Any = None
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._tracker = self._init_growth_tracker = 0
        # id of an optimizer -> [its stage, whether its gradients had inf or nan (None: not looked at)]
        self._optimizers: dict[int, list[Any]] = {}

    def _need_scale(self, what: str) -> Any:
        if self._scale is None:
            raise AssertionError(_NOT_SCALED.format(what))
        return self._scale

    def _of(self, optimizer: Any) -> list[Any]:
        return self._optimizers.setdefault(id(optimizer), [_Stage.READY, None])

    def scale(self, outputs: Any) -> Any:
        """Losses times the factor.

        Args:
            outputs: tensor, or nested lists and tuples of them.

        Raises:
            ValueError: for anything else.
        """
        if not self._enabled:
            return outputs
        if self._scale is None:
            self._tracker = self._init_growth_tracker
            self._scale = full((), self._init_scale, dtype=float32)
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if not isinstance(outputs, (list, tuple)):
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        scaled = [self.scale(output) for output in outputs]
        return scaled if isinstance(outputs, list) else tuple(scaled)

    def _unscale(self, optimizer: Any, allow_fp16: bool) -> bool | None:
        """Divide the gradients by the factor; whether one is inf or nan, None if there are none."""
        inverse = 1.0 / self._scale.double().item()
        found: bool | None = None
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                g = parameter.grad
                if g is None:
                    continue
                if g.dtype is float16 and not allow_fp16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                if g.is_sparse:
                    g = g.coalesce() if g.dtype is float16 else g
                    values = g._values()
                    parameter.grad = with_values_of(g, values * inverse)
                else:
                    values = g
                finite = bool(isfinite(values).all())
                found = bool(found) or not finite
                if not g.is_sparse:
                    g.mul_(inverse)
        return found

    def unscale_(self, optimizer: Any) -> None:
        """Divide an optimizer's gradients by the factor, before `step`: to clip them, say.

        Args:
            optimizer: the optimizer.

        Raises:
            RuntimeError: if that has been done since the last `update`.
            ValueError: for float16 gradients.
        """
        if not self._enabled:
            return
        self._need_scale("unscale_")
        own = self._of(optimizer)
        if own[0] is _Stage.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if own[0] is _Stage.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        own[1] = self._unscale(optimizer, False)
        own[0] = _Stage.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's step, left out if a gradient is inf or nan.

        Args:
            optimizer: the optimizer.
            args: passed on.
            kwargs: passed on.

        Returns:
            what the step returns, None if it was left out.

        Raises:
            RuntimeError: if it has stepped since the last `update`, or there is a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._need_scale("step")
        own = self._of(optimizer)
        if own[0] is _Stage.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            result = self._step_that_scales(optimizer, own, args, kwargs)
            own[0] = _Stage.STEPPED
            return result
        if own[0] is _Stage.READY:
            self.unscale_(optimizer)
        if own[1] is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if own[1] else optimizer.step(*args, **kwargs)
        own[0] = _Stage.STEPPED
        return result

    def _step_that_scales(self, optimizer: Any, own: list[Any], args: Any, kwargs: Any) -> Any:
        """The step of an optimizer that divides gradients itself, and leaves out what is inf or nan.

        It takes this object as an argument, or finds the factor and what was found in attributes.
        """
        if "grad_scaler" in inspect.signature(optimizer.step).parameters:
            warnings.warn(_PASSES_ITSELF, FutureWarning, stacklevel=3)
            return optimizer.step(*args, **{**kwargs, "grad_scaler": self})
        before = getattr(optimizer, "grad_scale", None)
        if own[0] is _Stage.READY:
            own[1] = self._look(optimizer)
            before = self._scale * (1 if before is None else before)
        optimizer.grad_scale = before
        optimizer.found_inf = full((), float(bool(own[1])), dtype=float32)
        result = optimizer.step(*args, **kwargs)
        del optimizer.grad_scale, optimizer.found_inf
        return result

    def _look(self, optimizer: Any) -> bool | None:
        """Whether a gradient is inf or nan, None if there are none."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        values = [g.coalesce()._values() if g.is_sparse else g for g in gradients if g is not None]
        return not all(bool(isfinite(g).all()) for g in values) if values else None

    def update(self, new_scale: Any = None) -> None:
        """Let the factor grow or shrink.

        Args:
            new_scale: what it becomes, instead.
        """
        if not self._enabled:
            return
        scale = self._need_scale("update")
        if new_scale is not None:
            scale.fill_(new_scale.item() if isinstance(new_scale, Tensor) else new_scale)
        else:
            found = [own[1] for own in self._optimizers.values() if own[1] is not None]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            if any(found):
                scale.mul_(self._backoff_factor)
                self._tracker = 0
            else:
                self._tracker += 1
                if self._tracker == self._growth_interval:
                    grown = scale.item() * self._growth_factor
                    if grown <= finfo(float32).max:
                        scale.fill_(grown)
                    self._tracker = 0
        self._optimizers.clear()

    def get_scale(self) -> float:
        """The factor; 1 where nothing is done."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the factor grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the factor grows by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the factor shrinks by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the factor shrinks by."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps the factor grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set after how many steps the factor grows."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._scale is None else self._tracker

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """What there is to save; nothing where nothing is done."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` saved.

        Args:
            state_dict: the dictionary.

        Raises:
            RuntimeError: if it is empty.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of"
                " GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._tracker = self._init_growth_tracker = state_dict["_growth_tracker"]
