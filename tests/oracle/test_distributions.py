"""`torch.distributions` against PyTorch: values, gradients, random streams, printed form."""

import pytest
from oracle.distribution_cases import CASES, ask, plain, same

import cotangent

torch = pytest.importorskip("torch")

# PyTorch's Wishart changes a mask that its graph has saved, so its own samples cannot be differentiated, and
# it does not differentiate the incomplete gamma function in its first argument. Tests below check ours.
BEYOND_PYTORCH = {
    "Wishart": ("rsample, gradient", "rsample, curvature"),
    **dict.fromkeys(("Chi2", "Gamma", "InverseGamma"), ("cdf, gradient",)),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_distribution(name, dtype):
    ours, theirs = ask(cotangent, name, dtype), ask(torch, name, dtype)
    assert list(ours) == list(theirs)
    for what in BEYOND_PYTORCH.get(name.split()[0], ()):
        ours.pop(what, None)
        theirs.pop(what, None)
    wrong = {
        what: (plain(mine), plain(theirs[what]))
        for what, mine in ours.items()
        if not same(plain(mine), plain(theirs[what]))
    }
    assert not wrong


def test_every_distribution_has_a_case():
    d = torch.distributions
    families = {n for n in d.__all__ if isinstance(getattr(d, n), type)}
    families = {n for n in families if issubclass(getattr(d, n), d.Distribution)}
    assert families - {name.split()[0] for name in CASES} == {"Distribution", "ExponentialFamily"}
    assert set(d.__all__) <= set(cotangent.distributions.__all__)


def test_samples_of_wishart_move_with_the_covariance():
    """The derivative in the scale of the covariance, which is the sample itself: it is linear in it."""
    scale = cotangent.tensor(1.0, dtype=cotangent.float64, requires_grad=True)
    covariance = cotangent.tensor([[2.0, 0.6], [0.6, 1.0]], dtype=cotangent.float64)
    with pytest.warns(UserWarning, match="Singular sample"):
        drawn = cotangent.distributions.Wishart(5.0, scale * covariance).rsample()
    for entry in drawn.ravel():
        (moved,) = cotangent.autograd.grad(entry, scale, retain_graph=True)
        assert moved.item() == pytest.approx(entry.item(), rel=1e-9)


@pytest.mark.parametrize("name", ["Chi2", "Gamma", "InverseGamma"])
def test_gamma_probabilities_move_with_the_parameters(name):
    """The slope of a probability in the shape, which PyTorch does not have, against finite differences."""
    family = getattr(cotangent.distributions, name)
    more = () if name == "Chi2" else (cotangent.tensor([2.0, 0.7], dtype=cotangent.float64),)
    shape = cotangent.tensor([0.9, 6.0], dtype=cotangent.float64, requires_grad=True)
    value = cotangent.tensor([0.4, 1.1], dtype=cotangent.float64)
    assert cotangent.autograd.gradcheck(lambda a: family(a, *more).cdf(value), (shape,))
