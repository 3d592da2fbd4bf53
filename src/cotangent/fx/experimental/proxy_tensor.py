"""Whether PyTorch's `make_fx` watches: `torch.fx.experimental.proxy_tensor`."""

__all__ = ["get_proxy_mode"]


def get_proxy_mode() -> None:
    """The mode that writes tensors' operations down for `make_fx`: none is ever on.

    Example:
        >>> from cotangent.fx.experimental.proxy_tensor import get_proxy_mode
        >>> get_proxy_mode() is None
        True
    """
    return
