"""`torch.fx.passes.infra.pass_base`: what a pass is."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

__all__ = ["PassBase", "PassResult"]


class PassResult(NamedTuple):
    """The module after a pass, and whether the pass has changed it."""

    graph_module: Any
    modified: bool


class PassBase(abc.ABC):
    """A pass: a class whose objects change modules with graphs.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx.passes.infra.pass_base import PassBase, PassResult
        >>> class WithoutDeadCode(PassBase):
        ...     def call(self, graph_module):
        ...         return PassResult(graph_module, graph_module.graph.eliminate_dead_code())
        >>> WithoutDeadCode()(torch.fx.symbolic_trace(lambda x: x + 1)).modified
        False
    """

    def __call__(self, graph_module: Any) -> PassResult | None:
        self.requires(graph_module)
        result = self.call(graph_module)
        self.ensures(graph_module)
        return result

    @abc.abstractmethod
    def call(self, graph_module: Any) -> PassResult | None:
        """Change a module.

        Args:
            graph_module: the module.

        Returns:
            What comes of it.
        """

    def requires(self, graph_module: Any) -> None:  # noqa: B027 - a subclass may check something
        """Called before the pass: raises an error if the module is not what it needs.

        Args:
            graph_module: the module.
        """

    def ensures(self, graph_module: Any) -> None:  # noqa: B027
        """Called after the pass: raises an error if the module is not what it should be.

        Args:
            graph_module: the module.
        """
