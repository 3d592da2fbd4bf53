"""`cotangent.graph`: the history of a tensor as an object that shows, prints and saves itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from os import PathLike, fspath
from typing import Any, Final

from ..autograd.base import TensorBase
from ..nn.modules.module import Module
from . import looks, page, svg, written
from .capture import capture
from .layout import arrange
from .modules import Modules
from .names import Names, scopes_of
from .place import Placing
from .scopes import Scopes
from .walk import Link, Vertex, Walk
from .words import speaker

# A graph of at most so many scalar operations is drawn as textbooks do.
_TEXTBOOK: Final = 60
# So many boxes are shown before modules are folded.
_SHOWN: Final = 36


class Graph:
    """The computation graph of some tensors.

    In a notebook it shows itself, `print` gives a tree, `save` writes SVG, DOT, Mermaid or a page.

    Attributes:
        vertices: operations, leaves, constants and results, oldest first.
        links: from what was read to what read it.
        freed: whether saved values had been freed, so that gradients are missing.
    """

    def __init__(self, roots: Sequence[Any], names: Names, lang: str | None) -> None:
        modules = Modules([(name, module) for name, module in names.roots.values()])
        walk = Walk(roots, names, modules)
        self.vertices: list[Vertex] = walk.vertices
        self.links: list[Link] = walk.links
        self.freed = walk.backward.freed
        self.lang = lang
        self.words = speaker(lang)
        titles = {path: type(module).__name__ for path, module in modules.at.items()}
        self.scopes = Scopes(self.vertices, self.links, titles)
        for scope in self.scopes.all:
            arrange(scope, self.vertices)
        self.textbook = (
            all(v.shape in (None, (), (1,)) for v in self.operations)
            and all(v.shape is None or len(v.shape) <= 1 for v in self.vertices)
            and len(self.operations) <= _TEXTBOOK
            and len(self.scopes.all) == 1
        )
        self.names = looks.textbook_names(self.vertices)
        self.art = [
            looks.textbook(v, name) if self.textbook else looks.box(v)
            for v, name in zip(self.vertices, self.names, strict=True)
        ]
        self.labels = svg.local_labels(self.vertices, self.links, self.names) if self.textbook else {}

    @property
    def operations(self) -> list[Vertex]:
        """The vertices that are operations."""
        return [v for v in self.vertices if v.kind == "operation"]

    def placing(self, words: Callable[[str], str]) -> Placing:
        """What places the graph, for words of some language."""
        widest = max((looks.width_of(label, 12) + 14 for label in self.labels.values()), default=0.0)
        shapes = [size for size, _ in self.art]
        folded = [looks.folded(scope, words)[0] for scope in self.scopes.all]
        gap = max(46.0, widest + 34.0) if self.textbook else 30.0
        return Placing(
            self.scopes.all, shapes, folded, self.faint, lambda v: self.textbook, self.textbook, gap
        )

    def faint(self, v: int) -> bool:
        """Whether a vertex stands beside the main line: parameters and constants."""
        return not self.textbook and self.vertices[v].kind in ("parameter", "constant")

    def unfolded(self, fold: int | str | None = "auto", most: int = _SHOWN) -> frozenset[int]:
        """The scopes that are open.

        Args:
            fold: a depth (0 folds all modules), None for none folded, or "auto".
            most: boxes that "auto" shows.
        """
        scopes = self.scopes.all

        def depth(number: int) -> int:
            return len(self.scopes.above(number)) - 1

        if fold is None:
            return frozenset(range(1, len(scopes)))
        if isinstance(fold, int) and not isinstance(fold, bool):
            return frozenset(s.number for s in scopes[1:] if depth(s.number) <= fold)
        if fold != "auto":
            raise ValueError(f"fold must be a depth, None or 'auto', got {fold!r}")
        best: frozenset[int] = frozenset()
        for level in range(1, 1 + max((depth(s.number) for s in scopes), default=0)):
            open_ = self.unfolded(level)
            shown = sum(
                sum(1 for i in scopes[n].items if i.kind in ("vertex", "scope")) for n in (0, *open_)
            ) - len(open_)
            if shown > most:
                break
            best = open_
        if not best and len(scopes[0].children) == 1 and len(scopes[0].items) <= 6:
            best = frozenset(scopes[0].children)  # one box says nothing
        return best

    def svg(self, *, fold: int | str | None = "auto", theme: str = "auto", lang: str | None = None) -> str:
        """The graph as an SVG picture.

        Args:
            fold: down to which depth modules are unfolded; None unfolds all, "auto" as many as fit.
            theme: "light", "dark", or "auto" for the reader's own.
            lang: "en" or "zh".

        Example:
            >>> import cotangent as torch
            >>> x = torch.tensor(2.0, requires_grad=True)
            >>> torch.graph(x * x).svg()[:40]
            '<svg xmlns="http://www.w3.org/2000/svg" '
        """
        words = speaker(lang) if lang else self.words
        scope_art = [looks.folded(scope, words)[1] for scope in self.scopes.all]
        picture = svg.Picture(
            self.scopes, self.placing(words), [art for _, art in self.art], scope_art, self.labels
        )
        result = next(v.number for v in self.vertices if v.kind == "result")
        legend = svg.legend_of(words, self.names[result]) if self.textbook else []
        return picture.draw(self.unfolded(fold), theme, legend, words("graph"))

    def html(self, *, theme: str = "auto", lang: str | None = None) -> str:
        """The graph as one page that needs nothing else: folding, search, details, and an animated backward.

        Args:
            theme: "light", "dark", or "auto"; the page has a switch.
            lang: "en" or "zh"; the page has a switch.
        """
        return page.html(self, theme, lang)

    def dot(self) -> str:
        """The graph in the DOT language, with modules as clusters."""
        return written.dot(self.vertices, self.scopes)

    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart, with modules as subgraphs."""
        return written.mermaid(self.vertices, self.scopes)

    def save(self, path: str | PathLike[str], **options: Any) -> None:
        """Write the graph to a file.

        Args:
            path: its ending says what: .svg, .html, .dot or .gv, .mmd or .mermaid, .txt.
            **options: of `svg` or `html`.

        Raises:
            ValueError: for another ending.
        """
        name = fspath(path)
        ending = name.rpartition(".")[2].lower()
        writers: dict[str, Callable[..., str]] = {
            "svg": self.svg, "html": self.html, "htm": self.html, "dot": self.dot, "gv": self.dot,
            "mmd": self.mermaid, "mermaid": self.mermaid, "txt": self.__str__,
        }  # fmt: skip
        if ending not in writers:
            raise ValueError(
                f"a graph is saved as .svg, .html, .dot, .gv, .mmd, .mermaid or .txt, not as {name!r}"
            )
        with open(name, "w", encoding="utf-8") as file:
            file.write(writers[ending](**options))

    def tree(self) -> Any:
        """The graph as a tree for `rich.print`."""
        return written.tree(self.scopes, self.words)

    def __rich__(self) -> Any:
        return self.tree()

    def __str__(self) -> str:
        return written.plain(self.tree())

    def __repr__(self) -> str:
        kinds = {k: sum(v.kind == k for v in self.vertices) for k in ("operation", "leaf", "parameter")}
        return (
            f"<graph of {kinds['operation']} operations, {kinds['leaf']} leaves and {kinds['parameter']} "
            "parameters>"
        )

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        return page.framed(self)


def graph(
    target: Any,
    *args: Any,
    names: dict[str, Any] | None = None,
    lang: str | None = None,
    **kwargs: Any,
) -> Graph:
    """The computation graph of a tensor, or of a function's result.

    A tensor's graph is shown as it was recorded; what nobody kept, some values and the module of some
    operations, is concluded from variables, parameters and source lines. A function is run while all that is
    noted, so its graph is complete. Nothing is freed or accumulated: `backward()` can follow.

    Args:
        target: a tensor with a history, several of them in a list or tuple, or a function (a module) to call.
        *args: what the function is called with.
        names: names for tensors and modules, in addition to the caller's variables.
        lang: "en" or "zh" for the words on it; by default what COTANGENT_LANG says.
        **kwargs: keyword arguments of the function.

    Returns:
        a `Graph`.

    Raises:
        RuntimeError: if nothing was recorded for the tensor.
        TypeError: if the target is neither tensors nor a function.

    Example:
        >>> import cotangent as torch
        >>> a = torch.tensor(2.0, requires_grad=True)
        >>> b = torch.tensor(-3.0, requires_grad=True)
        >>> print(torch.graph(a * b + a))
        output = −4
        └── + = −4  ∂output/∂ = 1
            ├── × = −6  ∂output/∂ = 1  8 B
            │   ├── a = 2  ∂output/∂ = −2
            │   └── b = −3  ∂output/∂ = 2
            └── a (above)
    """
    frame = sys._getframe(1)
    scopes: list[Any] = [names or {}]
    if isinstance(target, (TensorBase, list, tuple)):
        if args or kwargs:
            raise TypeError("graph() takes further arguments only after a function to call with them")
        result = target
    elif callable(target):
        with capture():
            result = target(*args, **kwargs)
        scopes += _variables(target, args, kwargs)
    else:
        raise TypeError(f"graph() takes tensors or a function, not {type(target).__name__}")
    roots = _tensors(result)
    if not roots:
        raise TypeError("graph(): there is no tensor in what the function returned")
    for t in roots:
        if not t._req:
            raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
        if t._level:
            raise RuntimeError("graph(): a tensor inside a transform of torch.func has no graph to show yet")
    return Graph(roots, Names([*scopes, *scopes_of(frame)]), lang)


def _tensors(value: Any) -> list[Any]:
    """The tensors with a history in a result."""
    if isinstance(value, TensorBase):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        found = [t for v in value for t in _tensors(v)]
        return [t for t in found if t._req] or found
    return []


def _variables(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[dict[str, Any]]:
    """What a function calls its arguments, and what it can see besides."""
    code = getattr(function, "__code__", None)
    scopes: list[dict[str, Any]] = [dict(kwargs)]
    if code is not None:
        scopes[0].update(zip(code.co_varnames[: code.co_argcount], args))
        cells = zip(code.co_freevars, function.__closure__ or ())
        scopes.append({name: cell.cell_contents for name, cell in cells if _filled(cell)})
        scopes.append({n: v for n, v in function.__globals__.items() if n in code.co_names})
    elif isinstance(function, Module):
        forward = type(function).forward.__code__
        scopes[0].update(zip(forward.co_varnames[1 : forward.co_argcount], args))
    return scopes


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
