"""Where PyTorch keeps the Functions that its modules use: `torch.nn.modules._functions`."""

from ...utils.hooks import BackwardHookFunction

__all__ = ["BackwardHookFunction"]
