"""`torch.distributions` against PyTorch: divergences, constraints, transforms, errors, transformations."""

import math
import pickle
import warnings

import pytest
from oracle.distribution_cases import FACTOR, MATRIX, plain, same

import cotangent

torch = pytest.importorskip("torch")

LIBRARIES = (cotangent, torch)


def told(library, question):
    """What a library answers: arrays, or the error or the warnings that came instead."""
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch's, of what it uses itself
            found = plain(question(library, library.distributions))
    except Exception as error:  # whatever PyTorch raises is what is asked for
        return type(error).__name__, str(error).replace("cotangent.", "torch.")
    said = [(w.category.__name__, str(w.message).replace("cotangent.", "torch.")) for w in heard]
    return found, [(kind, text) for kind, text in said if "Triggered internally" not in text]


def assert_same(question):
    ours, theirs = (told(library, question) for library in LIBRARIES)
    assert same(ours, theirs), (ours, theirs)


# Name of a family -> instances in double precision; the first is compared with all others' first, the
# second has another batch shape.
INSTANCES = {
    "Bernoulli": lambda d, p: (d.Bernoulli(p([0.2, 0.0, 1.0])), d.Bernoulli(p([[0.5], [1.0], [0.0]]))),
    "Beta": lambda d, p: (d.Beta(p([0.5, 2.0, 9.0]), p(1.5)), d.Beta(p([[0.7], [1.0]]), p(4.0))),
    "Binomial": lambda d, p: (d.Binomial(4, p([0.2, 0.4, 0.7])), d.Binomial(3, p([[0.5], [0.1]]))),
    "Categorical": lambda d, p: (d.Categorical(p([0.2, 0.0, 0.8])), d.Categorical(p([[0.5, 0.1, 0.0]]))),
    "Cauchy": lambda d, p: (d.Cauchy(p([0.2, 1.0, -2.0]), p(2.0)), d.Cauchy(p([[0.0], [3.0]]), p(0.3))),
    "ContinuousBernoulli": lambda d, p: (
        d.ContinuousBernoulli(p([0.2, 0.5, 0.8])),
        d.ContinuousBernoulli(p([[0.5001], [0.3]])),
    ),
    "Dirichlet": lambda d, p: (d.Dirichlet(p([0.5, 2.0, 9.0])), d.Dirichlet(p([[0.7, 1.0, 3.0]]))),
    "Exponential": lambda d, p: (d.Exponential(p([0.5, 2.0, 9.0])), d.Exponential(p([[0.7], [1.0]]))),
    "ExponentialFamily": lambda d, p: (d.Poisson(p([0.5, 2.0, 9.0])), d.Normal(p([[0.7], [1.0]]), p(2.0))),
    "Gamma": lambda d, p: (d.Gamma(p([0.5, 2.0, 9.0]), p(1.5)), d.Gamma(p([[0.7], [1.0]]), p(4.0))),
    "Geometric": lambda d, p: (d.Geometric(p([0.2, 0.4, 0.7])), d.Geometric(p([[0.5], [0.1]]))),
    "Gumbel": lambda d, p: (d.Gumbel(p([0.2, 1.0, -2.0]), p(2.0)), d.Gumbel(p([[0.0], [3.0]]), p(0.8))),
    "HalfNormal": lambda d, p: (d.HalfNormal(p([0.5, 2.0, 9.0])), d.HalfNormal(p([[0.7], [1.0]]))),
    "Independent": lambda d, p: (
        d.Independent(d.Normal(p([0.2, 1.0, -2.0]), p(2.0)), 1),
        d.Independent(d.Normal(p([[0.2], [1.0]]), p([1.0, 2.0, 3.0])), 1),
    ),
    "Laplace": lambda d, p: (d.Laplace(p([0.2, 1.0, -2.0]), p(2.0)), d.Laplace(p([[0.0], [3.0]]), p(0.8))),
    "LowRankMultivariateNormal": lambda d, p: (
        d.LowRankMultivariateNormal(p([0.5, -1.0]), p([[1.0], [2.0]]), p([0.3, 1.0])),
        d.LowRankMultivariateNormal(p([[0.0, 1.0]]), p([[1.0, 2.0], [0.5, 0.1]]), p([0.3, 1.0])),
    ),
    "MultivariateNormal": lambda d, p: (
        d.MultivariateNormal(p([0.5, -1.0]), p(MATRIX)),
        d.MultivariateNormal(p([[0.0, 1.0]] * 3), scale_tril=p([FACTOR])),
    ),
    "Normal": lambda d, p: (d.Normal(p([0.2, 1.0, -2.0]), p(2.0)), d.Normal(p([[0.0], [3.0]]), p(0.8))),
    "OneHotCategorical": lambda d, p: (
        d.OneHotCategorical(p([0.2, 0.0, 0.8])),
        d.OneHotCategorical(p([[0.5, 0.1, 0.0]])),
    ),
    "Pareto": lambda d, p: (d.Pareto(p([0.5, 2.0, 1.0]), p(1.5)), d.Pareto(p([[0.7], [1.0]]), p(4.0))),
    "Poisson": lambda d, p: (d.Poisson(p([0.5, 2.0, 9.0])), d.Poisson(p([[0.7], [1.0]]))),
    "TransformedDistribution": lambda d, p: (
        d.LogNormal(p([0.2, 1.0, -2.0]), p(2.0)),
        d.LogNormal(p([[0.0], [3.0]]), p(0.8)),
    ),
    "Uniform": lambda d, p: (
        d.Uniform(p([0.1, -1.0, 0.2]), p([0.5, 1.0, 2.0])),
        d.Uniform(p([[-2.0], [0.0]]), p(3.0)),
    ),
}  # fmt: skip
PAIRS = sorted((p.__name__, q.__name__) for p, q in torch.distributions.kl._KL_REGISTRY)


@pytest.mark.parametrize("names", PAIRS, ids=lambda pair: "-".join(pair))
def test_divergence(names):
    def question(t, d):
        parameters = []

        def p(values):
            parameters.append(t.tensor(values, dtype=t.float64, requires_grad=True))
            return parameters[-1]

        found = []
        first, second = (INSTANCES[name](d, p) for name in names)
        for one, other in ((first[0], second[1]), (first[1], second[0])):
            # PyTorch fills in infinities with masks that have to be as large as the result.
            shape = t.broadcast_shapes(one.batch_shape, other.batch_shape)
            divergence = d.kl_divergence(one.expand(shape), other.expand(shape))
            finite = t.where(t.isfinite(divergence), divergence, 0.0)
            gradients = (
                t.autograd.grad(finite.sum(), parameters, allow_unused=True, retain_graph=True)
                if finite.requires_grad
                else None
            )
            found.append((divergence, gradients))
        return found

    assert_same(question)


def test_all_pairs_are_there():
    ours = {(p.__name__, q.__name__) for p, q in cotangent.distributions.kl._KL_REGISTRY}
    assert set(PAIRS) <= ours


def registered(t, d):
    """Dispatch among subclasses, PyTorch's warning where it is ambiguous."""

    class Base(d.Distribution):
        pass

    class Left(Base):
        pass

    class Right(Base):
        pass

    found = []
    d.register_kl(Base, Right)(lambda p, q: "base-right")
    d.register_kl(Left, Base)(lambda p, q: "left-base")
    for kinds in ((Base, Right), (Left, Base), (Right, Right), (Left, Left), (Left, Right)):
        p, q = (kind(validate_args=False) for kind in kinds)
        found.append(d.kl_divergence(p, q))
    found.append(d.kl_divergence(Right(validate_args=False), Left(validate_args=False)))
    return found


def x(t, *values):
    return t.tensor(values, dtype=t.float64)


QUESTIONS = {
    "register_kl": registered,
    "register_kl of no class": lambda t, d: d.register_kl(3, d.Normal),
    "divergence of nothing": lambda t, d: d.kl_divergence(d.VonMises(0.0, 1.0), d.Normal(0.0, 1.0)),
    "divergence of binomials": lambda t, d: d.kl_divergence(
        d.Binomial(2, x(t, 0.5)), d.Binomial(3, x(t, 0.5))
    ),
    "divergence of independents": lambda t, d: d.kl_divergence(
        d.Independent(d.Normal(t.zeros(2), 1.0), 1), d.Independent(d.Normal(t.zeros(2), 1.0), 0)
    ),
    "divergence of transformed": lambda t, d: d.kl_divergence(
        d.LogNormal(0.0, 1.0), d.TransformedDistribution(d.Normal(0.0, 1.0), [d.SigmoidTransform()])
    ),
    "divergence of families": lambda t, d: d.kl_divergence(d.Poisson(1.0), d.Dirichlet(t.ones(2))),
    "divergence of sizes": lambda t, d: d.kl_divergence(
        d.MultivariateNormal(t.zeros(2), t.eye(2)), d.MultivariateNormal(t.zeros(3), t.eye(3))
    ),
    "divergence of low ranks": lambda t, d: d.kl_divergence(
        d.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(2)),
        d.LowRankMultivariateNormal(t.zeros(3), t.ones(3, 1), t.ones(3)),
    ),
    "no parameter": lambda t, d: [d.Bernoulli()],
    "both parameters": lambda t, d: d.Binomial(3, 0.5, 0.5),
    "not a number": lambda t, d: d.Normal("0", 1.0),
    "scalar weights": lambda t, d: d.Categorical(t.tensor(1.0)),
    "scalar logits": lambda t, d: d.Categorical(logits=t.tensor(1.0)),
    "scalar concentration": lambda t, d: d.Dirichlet(t.tensor(1.0)),
    "negative scale": lambda t, d: d.Normal(t.zeros(2), t.tensor([1.0, -1.0])),
    "nan": lambda t, d: d.Normal(t.tensor([1.0, math.nan]), 1.0),
    "negative weights": lambda t, d: d.Categorical(t.tensor([-1.0, 2.0])),
    "low above high": lambda t, d: d.Uniform(1.0, t.zeros(2)),
    "certain failure": lambda t, d: d.Geometric(t.tensor([0.0, 0.5])),
    "probability of two": lambda t, d: d.ContinuousBernoulli(t.tensor(2.0), validate_args=True),
    "fractional count": lambda t, d: d.Binomial(t.tensor(1.5), 0.5),
    "varying counts": lambda t, d: d.Multinomial(t.tensor([1, 2]), t.ones(2)),
    "entropy of varying counts": lambda t, d: d.Binomial(t.tensor([1.0, 2.0]), 0.5).entropy(),
    "values of varying counts": lambda t, d: d.Binomial(t.tensor([1.0, 2.0]), 0.5).enumerate_support(),
    "matrix that is not symmetric": lambda t, d: d.MultivariateNormal(
        t.zeros(2), t.tensor([[1.0, 2.0], [0.0, 1.0]])
    ),
    "matrix that is not definite": lambda t, d: d.MultivariateNormal(t.zeros(2), -t.eye(2)),
    "factor that is not lower": lambda t, d: d.MultivariateNormal(t.zeros(2), scale_tril=t.ones(2, 2)),
    "two matrices": lambda t, d: d.MultivariateNormal(t.zeros(2), t.eye(2), t.eye(2)),
    "scalar mean": lambda t, d: d.MultivariateNormal(t.tensor(0.0), t.eye(2)),
    "vector covariance": lambda t, d: d.MultivariateNormal(t.zeros(2), t.ones(2)),
    "vector precision": lambda t, d: d.MultivariateNormal(t.zeros(2), precision_matrix=t.ones(2)),
    "vector factor": lambda t, d: d.MultivariateNormal(t.zeros(2), scale_tril=t.ones(2)),
    "low rank scalar": lambda t, d: d.LowRankMultivariateNormal(t.tensor(0.0), t.ones(2, 1), t.ones(2)),
    "low rank vector": lambda t, d: d.LowRankMultivariateNormal(t.zeros(2), t.ones(2), t.ones(2)),
    "low rank size": lambda t, d: d.LowRankMultivariateNormal(t.zeros(2), t.ones(3, 1), t.ones(2)),
    "low rank diagonal": lambda t, d: d.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(3)),
    "low rank batches": lambda t, d: d.LowRankMultivariateNormal(
        t.zeros(3, 2), t.ones(2, 2, 1), t.ones(2)
    ),
    "Wishart of two": lambda t, d: d.Wishart(3.0, t.eye(2), t.eye(2)),
    "Wishart of a vector": lambda t, d: d.Wishart(3.0, t.ones(2)),
    "Wishart of few": lambda t, d: d.Wishart(t.tensor(0.5), t.eye(2)),
    "Wishart of little": lambda t, d: repr(d.Wishart(t.tensor(1.5), t.eye(2))),
    "LKJ of one": lambda t, d: d.LKJCholesky(1),
    "mixture of what": lambda t, d: d.MixtureSameFamily(d.Normal(0.0, 1.0), d.Normal(t.zeros(2), 1.0)),
    "mixture of nothing": lambda t, d: d.MixtureSameFamily(d.Categorical(t.ones(2)), 3),
    "mixture of three": lambda t, d: d.MixtureSameFamily(d.Categorical(t.ones(2)), d.Normal(t.zeros(3), 1.0)),
    "mixture of batches": lambda t, d: d.MixtureSameFamily(
        d.Categorical(t.ones(3, 2)), d.Normal(t.zeros(4, 2), 1.0)
    ),
    "independent of too many": lambda t, d: d.Independent(d.Normal(0.0, 1.0), 1),
    "values of independents": lambda t, d: d.Independent(d.Bernoulli(t.ones(2)), 1).enumerate_support(),
    "transforms of what": lambda t, d: d.TransformedDistribution(d.Normal(0.0, 1.0), 3),
    "transforms of whats": lambda t, d: d.TransformedDistribution(d.Normal(0.0, 1.0), [3]),
    "transform of too little": lambda t, d: d.TransformedDistribution(
        d.Normal(0.0, 1.0), d.StickBreakingTransform()
    ),
    "value that is a number": lambda t, d: d.Normal(0.0, 1.0).log_prob(3),
    "value outside": lambda t, d: d.Exponential(t.ones(2)).log_prob(t.tensor([1.0, -1.0])),
    "value of another size": lambda t, d: d.Dirichlet(t.ones(2)).log_prob(t.ones(3)),
    "value of another shape": lambda t, d: d.Normal(t.zeros(3), 1.0).log_prob(t.zeros(2)),
    "class outside": lambda t, d: d.Categorical(t.ones(2)).log_prob(t.tensor(5)),
    "nothing to sample": lambda t, d: d.Categorical(t.ones(2)).rsample(),
    "no cdf": lambda t, d: d.Dirichlet(t.ones(2)).cdf(t.ones(2)),
    "no mode": lambda t, d: d.Distribution(validate_args=False).mode,
    "no constraints": lambda t, d: d.Distribution().batch_shape,
    "no expand": lambda t, d: d.Distribution(validate_args=False).expand((2,)),
    "set_default_validate_args": lambda t, d: d.Distribution.set_default_validate_args(3),
    "sample_n": lambda t, d: tuple(d.Normal(0.0, 1.0).sample_n(3).shape),
    "unchecked": lambda t, d: d.Normal(0.0, -1.0, validate_args=False).mean,
    "impossible classes": lambda t, d: (
        d.Categorical(x(t, 0.0, 1.0)).logits, d.Categorical(x(t, 0.0, 1.0)).entropy(),
        d.Multinomial(2, logits=x(t, -math.inf, 0.0)).log_prob(x(t, 0.0, 2.0)),
    ),
    "certain coins": lambda t, d: (
        d.Bernoulli(x(t, 0.0, 1.0)).log_prob(x(t, 0.0, 1.0)),
        d.Bernoulli(x(t, 0.0, 1.0)).entropy(),
        d.Geometric(x(t, 1.0)).log_prob(x(t, 0.0)),
        d.NegativeBinomial(x(t, 0.0), x(t, 0.5)).log_prob(x(t, 0.0)),
        d.Poisson(x(t, 0.0)).log_prob(x(t, 0.0)),
    ),
    "arg_constraints": lambda t, d: [repr(getattr(d, n).arg_constraints) for n in ("Gamma", "Dirichlet")],
    "support of a class": lambda t, d: [
        type(getattr(d, n).support).__name__ for n in ("Gamma", "Uniform", "Categorical", "Pareto")
    ],
    "dependent": lambda t, d: d.constraints.dependent.check(t.ones(2)),
    "dependent is discrete": lambda t, d: d.constraints.dependent.is_discrete,
    "dependent dimension": lambda t, d: d.constraints.dependent.event_dim,
    "dependent with a dimension": lambda t, d: d.constraints.dependent(event_dim=2).event_dim,
    "sequence of what": lambda t, d: d.constraints.cat([3]),
    "sequence of lengths": lambda t, d: d.constraints.cat([d.constraints.real], lengths=[1, 2]),
    "independent of what": lambda t, d: d.constraints.independent(3, 1),
    "independent of fewer": lambda t, d: d.constraints.independent(d.constraints.real, -1),
    "register of what": lambda t, d: d.biject_to.register(3, lambda c: c),
    "biject_to of what": lambda t, d: d.biject_to(d.constraints.lower_cholesky),
    "lazy_property": lambda t, d: isinstance(d.Bernoulli.logits, property),
    "triangles": lambda t, d: (
        d.utils.tril_matrix_to_vec(t.arange(9).view(3, 3), diag=1),
        d.utils.vec_to_tril_matrix(x(t, 1, 2, 3), diag=-1),
        d.utils.vec_to_tril_matrix(x(t, 1, 2, 3, 4, 5, 6, 7, 8), diag=1),
    ),
    "triangle outside": lambda t, d: d.utils.tril_matrix_to_vec(t.ones(2, 2), diag=2),
    "triangle of four": lambda t, d: d.utils.vec_to_tril_matrix(t.ones(4)),
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_answers(name):
    assert_same(QUESTIONS[name])


def test_subclasses_expand_themselves():
    def question(t, d):
        class Mine(d.Normal):
            def __init__(self, loc):
                super().__init__(loc, 1.0)

        class Plain(d.Normal):
            pass

        assert type(Plain(t.zeros(1), 1.0).expand((2,))) is Plain
        return Mine(t.zeros(1)).expand((2,))

    assert_same(question)


NUMBERS = [[-2.0, -1.0, -0.5], [0.0, 0.25, 0.75], [1.0, 1.0, 2.0]]
CONSTRAINTS = {
    "boolean": lambda c: c.boolean,
    "cat": lambda c: c.cat([c.positive, c.unit_interval], dim=-1, lengths=[1, 2]),
    "corr_cholesky": lambda c: c.corr_cholesky,
    "greater_than": lambda c: c.greater_than(0.25),
    "greater_than_eq": lambda c: c.greater_than_eq(0.25),
    "half_open_interval": lambda c: c.half_open_interval(-1.0, 0.75),
    "independent": lambda c: c.independent(c.positive, 1),
    "integer_interval": lambda c: c.integer_interval(-1, 1),
    "interval": lambda c: c.interval(-1.0, 0.75),
    "less_than": lambda c: c.less_than(0.25),
    "lower_cholesky": lambda c: c.lower_cholesky,
    "lower_triangular": lambda c: c.lower_triangular,
    "mixture": lambda c: c.MixtureSameFamilyConstraint(c.positive),
    "multinomial": lambda c: c.multinomial(4),
    "nonnegative": lambda c: c.nonnegative,
    "nonnegative_integer": lambda c: c.nonnegative_integer,
    "one_hot": lambda c: c.one_hot,
    "positive": lambda c: c.positive,
    "positive_definite": lambda c: c.positive_definite,
    "positive_integer": lambda c: c.positive_integer,
    "positive_semidefinite": lambda c: c.positive_semidefinite,
    "real": lambda c: c.real,
    "real_vector": lambda c: c.real_vector,
    "simplex": lambda c: c.simplex,
    "square": lambda c: c.square,
    "stack": lambda c: c.stack([c.positive, c.unit_interval, c.real], dim=-1),
    "symmetric": lambda c: c.symmetric,
    "unit_interval": lambda c: c.unit_interval,
}
SETS_OF_MATRICES = [
    NUMBERS,
    [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]],
    [[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 0.5]],
    [[0.25, 0.25, 0.5], [0.0, 0.0, 1.0], [1.0, 1.0, 2.0]],
]


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraint(name):
    def question(t, d):
        c = CONSTRAINTS[name](d.constraints)
        values = [x(t, *v) for v in SETS_OF_MATRICES]
        found = [c.check(v) for v in values]
        if name not in ("cat", "stack"):
            found.append(c.check(t.stack(values)))
        return found, repr(c) if name not in ("cat", "stack") else None, c.is_discrete, c.event_dim

    assert_same(question)


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_registry(name, registry):
    def question(t, d):
        transform = getattr(d, registry)(CONSTRAINTS[name](d.constraints))
        at = x(t, *NUMBERS).requires_grad_()
        y = transform(at)
        (slope,) = t.autograd.grad(y.sum(), at)
        return y, slope, transform.inv(y), repr(transform), transform.bijective

    assert_same(question)


TRANSFORMS = {
    "abs": lambda t, d, **k: d.AbsTransform(**k),
    "affine": lambda t, d, **k: d.AffineTransform(x(t, 1.0, 2.0, 3.0), x(t, [2.0], [-1.0], [0.5]), **k),
    "affine of numbers": lambda t, d, **k: d.AffineTransform(1.0, -2, event_dim=1, **k),
    "affine of vectors": lambda t, d, **k: d.AffineTransform(x(t, 1.0), x(t, 1.0, 2.0, -3.0), 1, **k),
    "cat": lambda t, d, **k: d.CatTransform(
        [d.ExpTransform(), d.identity_transform], dim=1, lengths=[1, 2], **k
    ),
    "cat of vectors": lambda t, d, **k: d.CatTransform(
        [d.ExpTransform(), d.AffineTransform(0.0, 2.0, event_dim=1)], dim=0, lengths=[1, 2], **k
    ),
    "cdf": lambda t, d, **k: d.CumulativeDistributionTransform(d.Normal(x(t, 0.5), x(t, 2.0)), **k),
    "chain": lambda t, d, **k: d.ComposeTransform(
        [d.AffineTransform(0.5, 2.0), d.StickBreakingTransform()], **k
    ),
    "corr_cholesky": lambda t, d, **k: d.CorrCholeskyTransform(**k),
    "exp": lambda t, d, **k: d.ExpTransform(**k),
    "identity": lambda t, d, **k: d.identity_transform.with_cache(**k) if k else d.identity_transform,
    "independent": lambda t, d, **k: d.IndependentTransform(d.ExpTransform(), 1, **k),
    "lower_cholesky": lambda t, d, **k: d.LowerCholeskyTransform(**k),
    "positive_definite": lambda t, d, **k: d.PositiveDefiniteTransform(**k),
    "power": lambda t, d, **k: d.ComposeTransform([d.ExpTransform(), d.PowerTransform(x(t, 2.0, 0.5, -1.0))]),
    "reshape": lambda t, d, **k: d.ReshapeTransform((3,), (3, 1), **k),
    "sigmoid": lambda t, d, **k: d.SigmoidTransform(**k),
    "softmax": lambda t, d, **k: d.SoftmaxTransform(**k),
    "softplus": lambda t, d, **k: d.SoftplusTransform(**k),
    "stack": lambda t, d, **k: d.StackTransform(
        [d.ExpTransform(), d.identity_transform, d.SigmoidTransform()], dim=1, **k
    ),
    "stick breaking": lambda t, d, **k: d.StickBreakingTransform(**k),
    "tanh": lambda t, d, **k: d.TanhTransform(**k),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transform(name):
    def question(t, d):
        f = TRANSFORMS[name](t, d)
        at = x(t, *NUMBERS).requires_grad_()
        y = f(at)
        found = [y, f.inv(y.detach()), repr(f), repr(f.inv), f.bijective, f == TRANSFORMS[name](t, d)]
        found += [f == d.ExpTransform(), f.inv == f.inv, f.inv.inv is f]
        for read in (
            lambda: f.log_abs_det_jacobian(at, y),
            lambda: t.autograd.grad(f.log_abs_det_jacobian(at, y).sum(), at),
            lambda: f.inv.log_abs_det_jacobian(y, at),
            lambda: (f.domain.event_dim, f.codomain.event_dim, f.event_dim),
            lambda: (type(f.domain).__name__, type(f.codomain).__name__),
            lambda: f.sign,
            lambda: (tuple(f.forward_shape(at.shape)), tuple(f.inverse_shape(y.shape))),
            lambda: tuple(f.forward_shape(t.Size(()))),
            lambda: tuple(f.inverse_shape(t.Size((4, 2)))),
            lambda: f(x(t, 1.0)[0]),
            lambda: f.with_cache(2),
        ):
            try:
                found.append(plain(read()))
            except Exception as error:
                found.append((type(error).__name__, str(error).replace("cotangent.", "torch.")))
        return found

    assert_same(question)
    kept = TRANSFORMS[name](cotangent, cotangent.distributions, cache_size=1)
    at = x(cotangent, *NUMBERS)
    y = kept(at)
    assert name == "identity" or kept(at) is y or isinstance(kept, cotangent.distributions.ComposeTransform)
    assert kept.inv(y) is at or name == "power"
    # A lambda or a distribution apart, transforms survive a pickle, without the link to their inverse.
    assert pickle.loads(pickle.dumps(kept))._inv is None


def test_gamma_kernels():
    """Sampling and slopes over all branches of the approximations."""

    def question(t, d):
        t.manual_seed(3)
        shapes = t.randn(40, 25, dtype=t.float64) ** 4 + 0.01
        found = []
        for dtype in (t.float32, t.float64):
            a = shapes.to(dtype)
            drawn, parts = t._standard_gamma(a), t._sample_dirichlet(a)
            near = a * (1 + 0.1 * t.randn(40, 25, dtype=dtype)).clamp(min=0.1)
            total = a.double().sum(-1, keepdim=True).expand(a.shape)
            found += [drawn, parts, t._standard_gamma_grad(a, drawn), t._standard_gamma_grad(a, near)]
            found.append(t._dirichlet_grad(parts.double(), a.double(), total))
            two = t.distributions.Beta(a[:20].double(), a[20:].double()).sample()
            found.append(t._dirichlet_grad(two, a[:20].double(), (a[:20].double() + a[20:].double())))
        return found

    assert_same(question)


TRANSFORMED = {
    "vmap of normal": lambda t, d: t.func.vmap(lambda c: d.Normal(c, c + 1).log_prob(c))(x(t, 1.0, 2.0)),
    "vmap of gamma": lambda t, d: t.func.vmap(lambda c: d.Gamma(c, c).log_prob(c))(x(t, 1.0, 2.0)),
    "vmap of dirichlet": lambda t, d: t.func.vmap(lambda c: d.Dirichlet(c).log_prob(c / c.sum()))(
        x(t, [1.0, 2.0], [3.0, 1.0])
    ),
    "vmap of mvn": lambda t, d: t.func.vmap(
        lambda c: d.MultivariateNormal(c, t.eye(2, dtype=c.dtype), validate_args=False).log_prob(c)
    )(x(t, [1.0, 2.0], [3.0, 1.0])),
    "grad of beta": lambda t, d: t.func.grad(lambda c: d.Beta(c, c * 2).log_prob(x(t, 0.3)).sum())(x(t, 1.5)),
    "jacrev of weibull": lambda t, d: t.func.jacrev(lambda c: d.Weibull(c, 2.0).icdf(x(t, 0.3)))(x(t, 1.5)),
    "jvp of laplace": lambda t, d: t.func.jvp(
        lambda c: d.Laplace(c, c).cdf(x(t, 0.3)), (x(t, 1.5),), (x(t, 1.0),)
    ),
    "vmap of gradients": lambda t, d: t.func.vmap(t.func.grad(lambda c: d.StudentT(c).log_prob(c)))(
        x(t, 1.5, 3.0)
    ),
    "hessian of kl": lambda t, d: t.func.hessian(
        lambda c: d.kl_divergence(d.Gamma(c, c), d.Gamma(x(t, 1.0), x(t, 2.0))).sum()
    )(x(t, 1.5)),
    "vmap outside": lambda t, d: t.func.vmap(lambda c: d.Exponential(c).log_prob(-c))(x(t, 1.0, 2.0)),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_transformed(name):
    assert_same(TRANSFORMED[name])


MOVED = {
    "Gamma": lambda c: cotangent.distributions.Gamma(c, c),
    "Beta": lambda c: cotangent.distributions.Beta(c, c + 1),
    "Normal": lambda c: cotangent.distributions.Normal(c, c),
}


@pytest.mark.parametrize("name", MOVED)
def test_gradients_of_samples_under_func(name):
    """`grad` over `rsample` moves samples as backward does, also of Beta, where PyTorch refuses."""
    make = MOVED[name]
    at = x(cotangent, 0.7, 3.0)
    cotangent.manual_seed(5)
    by_grad = cotangent.func.grad(lambda c: make(c).rsample().sum())(at)
    cotangent.manual_seed(5)
    at.requires_grad_()
    make(at).rsample().sum().backward()
    assert by_grad.tolist() == at.grad.tolist()
    at.requires_grad_(False)
    if name != "Beta":
        slope = cotangent.func.grad(lambda c: make(c).rsample().sum())
        assert cotangent.func.vmap(slope, randomness="different")(at).shape == (2,)


RANDOM = {
    "poisson": lambda t, c: t.poisson(c),
    "bernoulli": lambda t, c: t.bernoulli(c),
    "multinomial": lambda t, c: t.multinomial(c, 3, True),
    "normal": lambda t, c: t.normal(c, c[0]),
    "normal of a number": lambda t, c: t.normal(1.0, c),
    "binomial": lambda t, c: t.binomial(t.ones(2) * 3, c),
    "gamma": lambda t, c: t._standard_gamma(c),
    "Categorical": lambda t, c: t.distributions.Categorical(c).sample((2,)),
    "Exponential": lambda t, c: t.distributions.Exponential(c).rsample(),
    "Gamma": lambda t, c: t.distributions.Gamma(c, c).rsample(),
}


@pytest.mark.parametrize("randomness", ["error", "same", "different"])
@pytest.mark.parametrize("name", RANDOM)
def test_random_numbers_of_batched_parameters(name, randomness):
    def question(t, d):
        t.manual_seed(0)
        weights = t.tensor([[0.3, 0.5], [0.2, 0.9], [0.8, 0.1]])
        twice = t.stack([weights, 1 - weights])
        one = lambda c: RANDOM[name](t, c)  # noqa: E731
        mapped = t.func.vmap(one, randomness=randomness)
        return mapped(weights), t.func.vmap(mapped, in_dims=1, randomness=randomness)(twice.movedim(0, 1))

    assert_same(question)
