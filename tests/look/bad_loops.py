"""Training steps with one mistake each. The line that the doctor has to name says `# <-`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cotangent as torch
from cotangent import nn
from cotangent.nn import functional as F

Step = Callable[[], Any]
CASES: dict[str, tuple[str, Callable[[], Step]]] = {}


def case(kind: str) -> Callable[[Callable[[], Step]], Callable[[], Step]]:
    def enter(build: Callable[[], Step]) -> Callable[[], Step]:
        CASES[build.__name__] = (kind, build)
        return build

    return enter


def batch(n: int = 16, features: int = 4) -> tuple[Any, Any]:
    return torch.randn(n, features), torch.randint(0, 3, (n,))


def classifier(*more: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3), *more)


def loop(model: nn.Module, loss_of: Callable[[Any], Any]) -> Step:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()

    return step


# -- parameters that get no gradient ------------------------------------------------------------------


@case("unused")
def a_layer_that_forward_forgets() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 8)
            self.second = nn.Linear(8, 8)  # <-
            self.last = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            return self.last(self.first(x).tanh())

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("unused")
def a_head_whose_result_is_dropped() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(4, 8)
            self.classes = nn.Linear(8, 3)
            self.value = nn.Linear(8, 1)

        def forward(self, x: Any) -> Any:
            h = self.body(x).tanh()
            return self.classes(h), self.value(h)  # <-

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x)[0], y))


@case("unused")
def a_parameter_that_no_operation_reads() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)
            self.scale = nn.Parameter(torch.ones(3))  # <-

        def forward(self, x: Any) -> Any:
            return self.linear(x)

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


class Encoder(nn.Module):
    """Two layers; subclasses say what stands between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.last = nn.Linear(8, 3)


@case("detached")
def a_detach_between_the_layers() -> Step:
    class Net(Encoder):
        def forward(self, x: Any) -> Any:
            h = self.first(x).tanh()
            return self.last(h.detach())  # <-

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("detached")
def data_instead_of_the_tensor() -> Step:
    class Net(Encoder):
        def forward(self, x: Any) -> Any:
            h = self.first(x).tanh()
            h = h.data  # <-
            return self.last(h)

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("detached")
def a_way_through_numpy() -> Step:
    class Net(Encoder):
        def forward(self, x: Any) -> Any:
            h = self.first(x)
            clipped = np.clip(h.detach().numpy(), -1, 1)  # <-
            return self.last(torch.from_numpy(clipped))

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("detached")
def a_tensor_made_of_items() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Linear(1, 1)
            self.linear = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            factor = self.scale(torch.ones(1)).item()  # <-
            return self.linear(x) * factor

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("detached")
def a_loss_wrapped_anew() -> Step:
    x, y = batch()

    def loss_of(model: nn.Module) -> Any:
        loss = F.cross_entropy(model(x), y)
        return torch.tensor(loss.item(), requires_grad=True)  # <-

    return loop(classifier(), loss_of)


@case("no-grad")
def an_encoder_under_no_grad() -> Step:
    class Net(Encoder):
        def forward(self, x: Any) -> Any:
            with torch.no_grad():
                h = self.first(x).tanh()  # <-
            return self.last(h)

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("no-grad")
def a_whole_step_under_no_grad() -> Step:
    x, y = batch()
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    @torch.no_grad()
    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)  # <-
        loss.backward()
        optimizer.step()

    return step


@case("not-differentiable")
def a_loss_of_hard_decisions() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Linear(4, 1)
            self.linear = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            open_ = self.gate(x) > 0  # <-
            return self.linear(x) * open_.float()

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("zero-gradient")
def predictions_that_are_rounded() -> Step:
    x, y = torch.randn(16, 4), torch.randn(16, 1)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        loss = F.mse_loss(torch.round(model(x)), y)
        loss.backward()  # <-
        optimizer.step()

    return step


# -- modules and optimizers ---------------------------------------------------------------------------


@case("hidden")
def layers_in_a_list() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = [nn.Linear(4, 4) for _ in range(3)]  # <-
            self.last = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            for layer in self.hidden:
                x = layer(x).tanh()
            return self.last(x)

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("hidden")
def heads_in_a_dict() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(4, 8)
            self.heads = {"a": nn.Linear(8, 3), "b": nn.Linear(8, 3)}  # <-

        def forward(self, x: Any) -> Any:
            return self.heads["a"](self.body(x).tanh())

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("hidden")
def parameters_in_a_tuple() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)
            self.shifts = (nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3)))  # <-

        def forward(self, x: Any) -> Any:
            return self.linear(x) + self.shifts[0] - self.shifts[1]

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("not-in-optimizer")
def an_optimizer_of_the_last_layer_only() -> Step:
    x, y = batch()
    model: Any = classifier()
    optimizer = torch.optim.Adam(model[2].parameters())

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # <-

    return step


@case("stale-optimizer")
def a_head_replaced_after_the_optimizer_was_made() -> Step:
    x, y = batch()
    model: Any = classifier()
    optimizer = torch.optim.Adam(model.parameters())
    model[2] = nn.Linear(8, 3)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # <-

    return step


@case("stale-optimizer")
def an_optimizer_of_a_model_built_twice() -> Step:
    x, y = batch()
    optimizer = torch.optim.SGD(classifier().parameters(), lr=0.1)
    model = classifier()

    def step() -> None:
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # <-

    return step


# -- losses -------------------------------------------------------------------------------------------


@case("broadcast")
def a_column_minus_a_row() -> Step:
    x, y = torch.randn(16, 4), torch.randn(16)

    def loss_of(model: nn.Module) -> Any:
        return ((model(x) - y) ** 2).mean()  # <-

    return loop(nn.Sequential(nn.Linear(4, 1)), loss_of)


@case("broadcast")
def mse_of_a_row_and_a_column() -> Step:
    x, y = torch.randn(16, 4), torch.randn(16, 1)

    def loss_of(model: nn.Module) -> Any:
        return F.mse_loss(model(x).squeeze(), y)  # <-

    return loop(nn.Linear(4, 1), loss_of)


@case("broadcast")
def the_l1_loss_as_a_module() -> Step:
    x, y = torch.randn(16, 4), torch.randn(16)
    criterion = nn.L1Loss()

    def loss_of(model: nn.Module) -> Any:
        return criterion(model(x), y)  # <-

    return loop(nn.Linear(4, 1), loss_of)


@case("double-softmax")
def a_softmax_layer_before_cross_entropy() -> Step:
    x, y = batch()
    criterion = nn.CrossEntropyLoss()

    def loss_of(model: nn.Module) -> Any:
        return criterion(model(x), y)  # <-

    return loop(classifier(nn.Softmax(dim=1)), loss_of)


@case("double-softmax")
def a_sigmoid_before_a_loss_of_logits() -> Step:
    x, y = torch.randn(16, 4), torch.rand(16, 1).round()

    def loss_of(model: nn.Module) -> Any:
        return F.binary_cross_entropy_with_logits(torch.sigmoid(model(x)), y)  # <-

    return loop(nn.Linear(4, 1), loss_of)


@case("nll-input")
def nll_loss_of_probabilities() -> Step:
    x, y = batch()

    def loss_of(model: nn.Module) -> Any:
        return F.nll_loss(F.softmax(model(x), dim=1), y)  # <-

    return loop(classifier(), loss_of)


@case("nll-input")
def nll_loss_of_logits() -> Step:
    x, y = batch()

    def loss_of(model: nn.Module) -> Any:
        return F.nll_loss(model(x), y)  # <-

    return loop(classifier(), loss_of)


@case("label-range")
def labels_counted_from_one() -> Step:
    x, y = torch.randn(16, 4), torch.arange(16) % 3 + 1

    def loss_of(model: nn.Module) -> Any:
        return F.cross_entropy(model(x), y)  # <-

    return loop(classifier(), loss_of)


@case("label-range")
def labels_of_minus_one() -> Step:
    x, y = torch.randn(16, 4), torch.arange(16) % 3 - 1
    criterion = nn.CrossEntropyLoss()

    def loss_of(model: nn.Module) -> Any:
        return criterion(model(x), y)  # <-

    return loop(classifier(), loss_of)


@case("target-range")
def targets_that_are_no_probabilities() -> Step:
    x, y = torch.randn(16, 4), torch.full((16, 1), 255.0)

    def loss_of(model: nn.Module) -> Any:
        return F.binary_cross_entropy_with_logits(model(x), y)  # <-

    return loop(nn.Linear(4, 1), loss_of)


@case("index-range")
def words_beyond_the_table() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 4)
            self.last = nn.Linear(4, 3)

        def forward(self, words: Any) -> Any:
            return self.last(self.table(words).mean(1))  # <-

    words, y = torch.randint(5, 12, (16, 6)), torch.randint(0, 3, (16,))
    words[0, 0] = 11
    return loop(Net(), lambda model: F.cross_entropy(model(words), y))


# -- the order of a step ------------------------------------------------------------------------------


@case("zero-grad-missing")
def no_zero_grad() -> Step:
    x, y = batch()
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # <-

    return step


@case("zero-grad-missing")
def an_update_by_hand_that_forgets_to_clear() -> Step:
    x, y = torch.randn(16, 4), torch.randn(16)
    w = torch.zeros(4, requires_grad=True)

    def step() -> None:
        loss = ((x @ w - y) ** 2).mean()
        loss.backward()  # <-
        with torch.no_grad():
            w.sub_(0.1 * w.grad)

    return step


@case("zero-grad-misplaced")
def zero_grad_between_backward_and_step() -> Step:
    x, y = batch()
    model = classifier()
    optimizer = torch.optim.Adam(model.parameters())

    def step() -> None:
        F.cross_entropy(model(x), y).backward()
        optimizer.zero_grad()  # <-
        optimizer.step()

    return step


@case("step-before-backward")
def a_step_before_backward() -> Step:
    x, y = batch()
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        optimizer.step()  # <-
        loss.backward()

    return step


@case("step-missing")
def an_optimizer_that_never_steps() -> Step:
    x, y = batch()
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()  # <-

    return step


@case("backward-missing")
def a_step_without_backward() -> Step:
    x, y = batch()
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y)
        optimizer.step()  # <-

    return step


# -- what outlives a step -----------------------------------------------------------------------------


@case("graph-kept")
def a_total_of_tensors() -> Step:
    class Trainer:
        def __init__(self) -> None:
            self.x, self.y = batch()
            self.model = classifier()
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
            self.total: Any = 0.0

        def step(self) -> None:
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(self.x), self.y)
            loss.backward()
            self.optimizer.step()
            self.total += loss  # <-

    return Trainer().step


@case("graph-kept")
def a_history_of_losses() -> Step:
    x, y = batch()
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []

    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()  # <-
        optimizer.step()
        history.append(loss)

    return step


@case("graph-reused")
def a_hidden_state_with_its_history() -> Step:
    cell, last = nn.RNNCell(4, 8), nn.Linear(8, 3)
    x, y = batch()
    optimizer = torch.optim.SGD([*cell.parameters(), *last.parameters()], lr=0.1)
    state = {"h": torch.zeros(16, 8)}

    def step() -> None:
        optimizer.zero_grad()
        state["h"] = cell(x, state["h"])
        F.cross_entropy(last(state["h"]), y).backward()  # <-

    return step


@case("data-write")
def activations_clamped_through_data() -> Step:
    class Net(Encoder):
        def forward(self, x: Any) -> Any:
            h = self.first(x)
            h.data.clamp_(0.0, 1.0)  # <-
            return self.last(h)

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("data-write")
def weights_scaled_between_forward_and_backward() -> Step:
    x, y = batch()

    def loss_of(model: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        for p in model.parameters():
            p.data.mul_(0.5)  # <-
        return loss

    return loop(classifier(), loss_of)


@case("in-place")
def an_activation_overwritten() -> Step:
    class Net(Encoder):
        def forward(self, x: Any) -> Any:
            h = self.first(x).sigmoid()
            h += 1
            return self.last(h)

    x, y = batch()
    model = Net()

    def step() -> None:
        F.cross_entropy(model(x), y).backward()  # <-

    return step


# -- modes and layers ---------------------------------------------------------------------------------


@case("eval-mode")
def a_model_left_in_eval_mode() -> Step:
    x, y = batch()
    model = classifier(nn.Dropout(0.1)).eval()

    def loss_of(model: nn.Module) -> Any:
        return F.cross_entropy(model(x), y)  # <-

    return loop(model, loss_of)


@case("train-mode")
def an_evaluation_in_training_mode() -> Step:
    x, y = batch()
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> float:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        with torch.no_grad():
            right = (model(x).argmax(1) == y).float().mean()  # <-
        return float(right)

    return step


@case("dead-relu")
def a_relu_far_below_zero() -> Step:
    class Net(Encoder):
        def forward(self, x: Any) -> Any:
            return self.last(F.relu(self.first(x)))  # <-

    x, y = batch()
    model = Net()
    with torch.no_grad():
        model.first.bias.fill_(-100.0)
    return loop(model, lambda model: F.cross_entropy(model(x), y))


@case("vanishing")
def twenty_sigmoids() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(20)])
            self.last = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x).sigmoid()  # <-
            return self.last(x)

    x, y = batch()
    return loop(Net(), lambda model: F.cross_entropy(model(x), y))


@case("exploding")
def weights_drawn_from_a_wide_normal() -> Step:
    x, y = torch.randn(16, 32), torch.randn(16, 32)
    model = nn.Sequential(*(m for _ in range(6) for m in (nn.Linear(32, 32), nn.ReLU())))
    for p in model.parameters():
        nn.init.normal_(p, std=2.0)

    def loss_of(model: nn.Module) -> Any:
        return F.mse_loss(model(x), y)  # <-

    return loop(model, loss_of)


@case("not-finite")
def a_logarithm_of_zero() -> Step:
    x, y = torch.rand(16, 4), torch.zeros(16, 1)

    def loss_of(model: nn.Module) -> Any:
        p = model(x).relu() * 0.0
        return -(p.log() + y).mean()  # <-

    return loop(nn.Linear(4, 1), loss_of)


@case("no-grad")
def recording_switched_off_for_good() -> Step:
    x, y = batch()
    model = classifier()

    def step() -> None:
        torch.set_grad_enabled(False)  # <-
        F.cross_entropy(model(x), y).backward()

    return step
