"""torch._dynamo's names do what torch.compiler's do."""

import cotangent as torch


def test_reset_makes_functions_trace_again_and_disable_keeps_them_from_it() -> None:
    traced: list[bool] = []

    @torch.compile
    def double(x: torch.Tensor) -> torch.Tensor:
        traced.append(torch._dynamo.is_compiling())
        return x * 2

    for _ in range(2):
        assert double(torch.ones(2)).tolist() == [2.0, 2.0]
    before = len(traced)
    torch._dynamo.reset()
    double(torch.ones(2))
    assert len(traced) > before
    assert traced[-1]
    plain = torch._dynamo.disable(lambda x: torch._dynamo.is_compiling())
    assert plain(torch.ones(2)) is False


def test_settings_are_kept() -> None:
    torch._dynamo.config.suppress_errors = True
    try:
        assert torch._dynamo.config.suppress_errors is True
    finally:
        torch._dynamo.config.suppress_errors = False
