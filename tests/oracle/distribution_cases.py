"""Every distribution of `torch.distributions`, made in either library, and what can be asked of one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Make = Callable[[Any, Any, Any], Any]

MATRIX = [[2.0, 0.6], [0.6, 1.0]]
FACTOR = [[1.2, 0.0], [-0.4, 0.8]]
MATRICES = [[MATRIX], [[[1.0, 0.2], [0.2, 3.0]]], [MATRIX]]  # (3, 1, 2, 2)

# Name -> (t, d, p): the library, its distributions, and what makes a parameter of numbers.
CASES: dict[str, Make] = {
    "Bernoulli": lambda t, d, p: d.Bernoulli(p([0.2, 0.5, 0.9])),
    "Bernoulli of logits": lambda t, d, p: d.Bernoulli(logits=p([[-1.0], [0.3]])),
    "Bernoulli of a number": lambda t, d, p: d.Bernoulli(0.25),
    "Beta": lambda t, d, p: d.Beta(p([0.5, 2.0, 9.0]), p([[1.5], [8.0]])),
    "Beta of numbers": lambda t, d, p: d.Beta(2.0, 3.0),
    "Binomial": lambda t, d, p: d.Binomial(5, p([0.1, 0.5, 0.8])),
    "Binomial large": lambda t, d, p: d.Binomial(30, p([0.1, 0.4, 0.8])),
    "Binomial of logits": lambda t, d, p: d.Binomial(t.tensor([3.0, 7.0]), logits=p([0.4, -0.7])),
    "Categorical": lambda t, d, p: d.Categorical(p([[0.1, 0.7, 0.2], [2.0, 0.5, 1.0]])),
    "Categorical of logits": lambda t, d, p: d.Categorical(logits=p([0.1, 0.7, -0.2])),
    "Cauchy": lambda t, d, p: d.Cauchy(p([0.3, -1.0]), p(2.0)),
    "Chi2": lambda t, d, p: d.Chi2(p([0.7, 3.0, 30.0])),
    "ContinuousBernoulli": lambda t, d, p: d.ContinuousBernoulli(p([0.1, 0.4995, 0.5, 0.8])),
    "ContinuousBernoulli of logits": lambda t, d, p: d.ContinuousBernoulli(logits=p([0.001, 2.0])),
    "Dirichlet": lambda t, d, p: d.Dirichlet(p([[0.5, 2.0, 1.5], [8.0, 10.0, 7.0]])),
    "Dirichlet in a corner": lambda t, d, p: d.Dirichlet(p([0.5, 0.4])),
    "Exponential": lambda t, d, p: d.Exponential(p([0.5, 2.0])),
    "Exponential of a number": lambda t, d, p: d.Exponential(3.0),
    "FisherSnedecor": lambda t, d, p: d.FisherSnedecor(p([1.5, 5.0]), p([[3.0], [9.0]])),
    "Gamma": lambda t, d, p: d.Gamma(p([0.4, 1.0, 20.0]), p([2.0, 0.5, 3.0])),
    "Gamma of a number": lambda t, d, p: d.Gamma(2.0, 1),
    "GeneralizedPareto": lambda t, d, p: d.GeneralizedPareto(p(0.5), p(2.0), p([0.3, 0.0, -0.4, 1.5])),
    "Geometric": lambda t, d, p: d.Geometric(p([0.2, 0.9])),
    "Geometric of logits": lambda t, d, p: d.Geometric(logits=p([0.2, -0.9])),
    "Gumbel": lambda t, d, p: d.Gumbel(p([0.3, -1.0]), p(2.0)),
    "Gumbel of numbers": lambda t, d, p: d.Gumbel(0.5, 2.0),
    "HalfCauchy": lambda t, d, p: d.HalfCauchy(p([0.3, 2.0])),
    "HalfNormal": lambda t, d, p: d.HalfNormal(p([0.3, 2.0])),
    "Independent": lambda t, d, p: d.Independent(d.Normal(p([[0.3, 2.0, 1.0]]), p([[1.0], [2.0]])), 1),
    "Independent of none": lambda t, d, p: d.Independent(d.Bernoulli(p([0.3, 0.2])), 0),
    "InverseGamma": lambda t, d, p: d.InverseGamma(p([0.9, 1.5, 4.0]), p([2.0, 0.5, 3.0])),
    "Kumaraswamy": lambda t, d, p: d.Kumaraswamy(p([0.5, 2.0]), p([[1.5], [4.0]])),
    "LKJCholesky": lambda t, d, p: d.LKJCholesky(3, p([0.7, 2.0])),
    "LKJCholesky of a number": lambda t, d, p: d.LKJCholesky(4),
    "Laplace": lambda t, d, p: d.Laplace(p([0.3, -1.0]), p(2.0)),
    "LogNormal": lambda t, d, p: d.LogNormal(p([0.3, -1.0]), p(0.7)),
    "LogisticNormal": lambda t, d, p: d.LogisticNormal(p([[0.3, -1.0]]), p([0.5, 0.7])),
    "LowRankMultivariateNormal": lambda t, d, p: d.LowRankMultivariateNormal(
        p([[0.5, -1.0, 0.2]]), p([[1.0], [2.0], [-0.5]]), p([0.3, 1.0, 0.7])
    ),
    "MixtureSameFamily": lambda t, d, p: d.MixtureSameFamily(
        d.Categorical(p([0.2, 0.8])), d.Normal(p([-1.0, 1.0]), p([0.5, 0.3]))
    ),
    "MixtureSameFamily of vectors": lambda t, d, p: d.MixtureSameFamily(
        d.Categorical(logits=p([[0.2, 0.8], [1.0, 0.0]])),
        d.Independent(d.Normal(p([[[0.0, 1.0], [2.0, 3.0]]] * 2), p(0.4)), 1),
    ),
    "Multinomial": lambda t, d, p: d.Multinomial(6, p([[0.1, 0.7, 0.2], [2.0, 0.5, 1.0]])),
    "Multinomial of logits": lambda t, d, p: d.Multinomial(3, logits=p([0.1, 0.7, -0.2])),
    "MultivariateNormal": lambda t, d, p: d.MultivariateNormal(p([0.5, -1.0]), p(MATRIX)),
    "MultivariateNormal of precision": lambda t, d, p: d.MultivariateNormal(
        p([[0.5, -1.0]]), precision_matrix=p(MATRICES)
    ),
    "MultivariateNormal of a factor": lambda t, d, p: d.MultivariateNormal(
        p([[0.5, -1.0], [0.0, 2.0]]), scale_tril=p(FACTOR)
    ),
    "NegativeBinomial": lambda t, d, p: d.NegativeBinomial(p([2.0, 5.5]), p([0.3, 0.6])),
    "NegativeBinomial of logits": lambda t, d, p: d.NegativeBinomial(4, logits=p([0.3, -0.6])),
    "Normal": lambda t, d, p: d.Normal(p([[0.3], [-1.0]]), p([0.5, 1.0, 3.0])),
    "Normal of numbers": lambda t, d, p: d.Normal(0, 2.0),
    "OneHotCategorical": lambda t, d, p: d.OneHotCategorical(p([[0.1, 0.7, 0.2], [2.0, 0.5, 1.0]])),
    "OneHotCategoricalStraightThrough": lambda t, d, p: d.OneHotCategoricalStraightThrough(
        logits=p([0.1, 0.7, -0.2])
    ),
    "Pareto": lambda t, d, p: d.Pareto(p([0.5, 2.0]), p([[0.8], [1.5], [4.0]])),
    "Poisson": lambda t, d, p: d.Poisson(p([0.3, 4.0, 40.0])),
    "RelaxedBernoulli": lambda t, d, p: d.RelaxedBernoulli(p(0.6), p([0.2, 0.9])),
    "RelaxedBernoulli of logits": lambda t, d, p: d.RelaxedBernoulli(p([2.0]), logits=p([0.2, 0.9])),
    "RelaxedOneHotCategorical": lambda t, d, p: d.RelaxedOneHotCategorical(p(0.6), p([0.2, 0.9, 1.0])),
    "StudentT": lambda t, d, p: d.StudentT(p([0.8, 1.5, 7.0]), p(0.3), p(2.0)),
    "StudentT of a number": lambda t, d, p: d.StudentT(3.0),
    "TransformedDistribution": lambda t, d, p: d.TransformedDistribution(
        d.Normal(p([0.3, -0.2]), p([0.5, 1.0])),
        [d.AffineTransform(p(1.0), p([[2.0], [-3.0]])), d.SigmoidTransform()],
    ),
    "TransformedDistribution of nothing": lambda t, d, p: d.TransformedDistribution(
        d.Exponential(p([0.3])), []
    ),
    "TransformedDistribution by cdf": lambda t, d, p: d.TransformedDistribution(
        d.Uniform(p([0.0]), p([1.0])),
        d.CumulativeDistributionTransform(d.Normal(p([0.3]), p([0.7]))).inv,
    ),
    "Uniform": lambda t, d, p: d.Uniform(p([-1.0, 0.5]), p([2.0, 3.0])),
    "VonMises": lambda t, d, p: d.VonMises(p([0.5, -2.0]), p([[0.3], [6.0]])),
    "Weibull": lambda t, d, p: d.Weibull(p([0.5, 2.0]), p([[0.8], [3.0]])),
    "Wishart": lambda t, d, p: d.Wishart(p([4.5]), p(MATRIX)),
    "Wishart of a number": lambda t, d, p: d.Wishart(3.0, scale_tril=p(FACTOR)),
    "Wishart of precision": lambda t, d, p: d.Wishart(p(5.0), precision_matrix=p(MATRIX)),
}  # fmt: skip


class Asked:
    """What one library answers about one distribution."""

    def __init__(self, library: Any, make: Make, dtype: str) -> None:
        self.t = library
        self.dtype = getattr(library, dtype)
        self.parameters: list[Any] = []
        self.answers: dict[str, Any] = {}
        self.d = make(library, library.distributions, self._parameter)

    def _parameter(self, values: Any) -> Any:
        made = self.t.tensor(values, dtype=self.dtype, requires_grad=True)
        self.parameters.append(made)
        return made

    def numbers(self, label: str, question: Callable[[], Any], *more: Any) -> Any:
        """Ask for a tensor, and for its gradient in the parameters and in `more`."""
        try:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                found = question()
        except Exception as error:  # whatever PyTorch raises is what is asked for
            self.answers[label] = type(error).__name__, str(error).replace("cotangent.", "torch.")
            return None
        self.answers[label] = found
        if heard:
            self.answers[label + ", warnings"] = [w.category.__name__ for w in heard]
        inputs = [*self.parameters, *(m for m in more if m.requires_grad)]
        if getattr(found, "requires_grad", False) and inputs:
            weights = self.t.arange(1, found.numel() + 1, dtype=found.dtype).reshape(found.shape).sin()
            try:
                total = (found * weights).sum()
                gradients = self.t.autograd.grad(total, inputs, allow_unused=True, retain_graph=True)
            except Exception as error:
                self.answers[label + ", gradient"] = type(error).__name__, str(error)
                return found
            self.answers[label + ", gradient"] = gradients
        return found

    def curvature(self, label: str, found: Any) -> None:
        """The gradient of a gradient in the parameters."""
        if found is None or not self.parameters or not found.requires_grad:
            return
        grad = self.t.autograd.grad
        try:
            first = grad(found.sum(), self.parameters, allow_unused=True, create_graph=True)
            whole = sum((g * g).sum() for g in first if g is not None)
            self.answers[label] = grad(whole, self.parameters, allow_unused=True, retain_graph=True)
        except Exception as error:
            self.answers[label] = type(error).__name__, str(error)


def ask(library: Any, name: str, dtype: str) -> dict[str, Any]:
    """All answers of a library about one of CASES, with numbers taken for a dtype."""
    before = library.get_default_dtype()
    library.set_default_dtype(getattr(library, dtype))
    try:
        return _ask(library, name, dtype)
    finally:
        library.set_default_dtype(before)


def _ask(library: Any, name: str, dtype: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asked = Asked(library, CASES[name], dtype)
    d, t = asked.d, library
    answers = asked.answers
    answers["shapes"] = tuple(d.batch_shape), tuple(d.event_shape)
    answers["kind"] = d.has_rsample, d.has_enumerate_support
    answers["printed"] = repr(d)
    answers["support"] = repr(d.support)
    for what in ("mean", "mode", "variance", "stddev"):
        asked.numbers(what, lambda what=what: getattr(d, what))
    asked.numbers("entropy", d.entropy)
    asked.numbers("perplexity", d.perplexity)
    t.manual_seed(7)
    sample = asked.numbers("sample", lambda: d.sample((4, 3)))
    asked.numbers("one sample", d.sample)
    moved = asked.numbers("rsample", lambda: d.rsample((20,)))
    asked.curvature("rsample, curvature", moved)
    value = sample.detach().requires_grad_(sample.dtype.is_floating_point)
    asked.curvature("log_prob, curvature", asked.numbers("log_prob", lambda: d.log_prob(value), value))
    below = asked.numbers("cdf", lambda: d.cdf(value), value)
    chance = t.full(value.shape, 0.3, dtype=asked.dtype) if below is None else below.detach()
    chance.requires_grad_()
    asked.numbers("icdf", lambda: d.icdf(chance), chance)
    asked.numbers("all values", d.enumerate_support)
    asked.numbers("few values", lambda: d.enumerate_support(expand=False))
    answers["printed later"] = repr(d)
    wide = d.expand((3, *d.batch_shape))
    answers["expanded"] = repr(wide), tuple(wide.batch_shape), tuple(wide.event_shape)
    asked.numbers("expanded log_prob", lambda: wide.log_prob(value[:, :3]))
    asked.numbers("expanded mean", lambda: wide.mean)
    t.manual_seed(8)
    asked.numbers("expanded sample", wide.sample)
    asked.numbers("next random number", lambda: t.rand(2))
    return answers


def plain(value: Any) -> Any:
    """An answer as NumPy arrays and Python objects."""
    if hasattr(value, "detach"):
        return value.detach().numpy()
    if isinstance(value, (list, tuple)):
        return tuple(plain(v) for v in value)
    return value


# Relative differences, and differences beside the largest number of an array, that rounding explains.
LIMITS = {"float64": (1e-9, 1e-11), "float32": (2e-5, 2e-6)}


def same(mine: Any, other: Any) -> bool:
    """Whether two answers agree: floats to rounding, everything else exactly."""
    if isinstance(mine, tuple) and isinstance(other, tuple):
        return len(mine) == len(other) and all(same(a, b) for a, b in zip(mine, other, strict=True))
    if isinstance(mine, np.ndarray) and isinstance(other, np.ndarray):
        if mine.shape != other.shape or mine.dtype != other.dtype:
            return False
        if other.dtype.kind != "f":
            return bool((mine == other).all())
        rtol, atol = LIMITS[other.dtype.name]
        atol *= np.abs(other[np.isfinite(other)]).max(initial=1.0)
        return bool(np.isclose(mine, other, rtol, atol, equal_nan=True).all())
    if isinstance(mine, np.ndarray) or isinstance(other, np.ndarray):
        return False
    return bool(mine == other)
