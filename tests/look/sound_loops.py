"""Training steps without a mistake, of many kinds, some of which look like one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import cotangent as torch
from cotangent import nn
from cotangent.nn import functional as F

Step = Callable[[], Any]
SOUND: dict[str, Callable[[], Step]] = {}


def sound(build: Callable[[], Step]) -> Callable[[], Step]:
    SOUND[build.__name__] = build
    return build


def batch(n: int = 16) -> tuple[Any, Any]:
    return torch.randn(n, 4), torch.randint(0, 3, (n,))


@sound
def a_classifier() -> Step:
    x, y = batch()
    model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses: list[float] = []

    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    return step


@sound
def a_convolutional_net_with_evaluation() -> Step:
    x, y = torch.randn(8, 1, 8, 8), torch.randint(0, 3, (8,))
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.2), nn.Linear(72, 3),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

    def step() -> float:
        model.train()
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(x).argmax(1) == y).float().mean()
        return float(accuracy)

    return step


@sound
def a_recurrent_net_that_carries_its_state() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(20, 8)
            self.rnn = nn.LSTM(8, 16, batch_first=True)
            self.last = nn.Linear(16, 20)

        def forward(self, words: Any, state: Any) -> Any:
            out, state = self.rnn(self.table(words), state)
            return self.last(out), state

    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    words = torch.randint(0, 20, (4, 6))
    carried: dict[str, Any] = {"state": None}

    def step() -> None:
        optimizer.zero_grad()
        out, state = model(words[:, :-1], carried["state"])
        F.cross_entropy(out.reshape(-1, 20), words[:, 1:].reshape(-1)).backward()
        optimizer.step()
        carried["state"] = tuple(s.detach() for s in state)

    return step


@sound
def a_generator_and_its_adversary() -> Step:
    generator = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    adversary = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    of_generator = torch.optim.Adam(generator.parameters())
    of_adversary = torch.optim.Adam(adversary.parameters())
    real = torch.randn(16, 4)

    def step() -> None:
        noise = torch.randn(16, 4)
        with torch.no_grad():
            fake = generator(noise)
        of_adversary.zero_grad()
        says = adversary(torch.cat([real, fake]))
        truth = torch.cat([torch.ones(16, 1), torch.zeros(16, 1)])
        F.binary_cross_entropy_with_logits(says, truth).backward()
        of_adversary.step()
        of_generator.zero_grad()
        F.binary_cross_entropy_with_logits(adversary(generator(noise)), torch.ones(16, 1)).backward()
        of_generator.step()

    return step


@sound
def gradients_of_several_batches() -> Step:
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = [batch() for _ in range(3)]

    def step() -> None:
        for x, y in batches:
            (F.cross_entropy(model(x), y) / len(batches)).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


@sound
def lbfgs_with_its_closure() -> Step:
    x, y = torch.randn(16, 4), torch.randn(16, 1)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        return loss

    def step() -> float:
        return float(optimizer.step(closure))

    return step


@sound
def a_frozen_backbone() -> Step:
    backbone = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU()).eval().requires_grad_(False)
    head = nn.Linear(16, 3)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    x, y = batch()

    def step() -> None:
        optimizer.zero_grad()
        with torch.no_grad():
            features = backbone(x)
        F.cross_entropy(head(features), y).backward()
        optimizer.step()

    return step


@sound
def a_transformer_with_a_mask() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(12, 16)
            self.layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True)
            self.last = nn.Linear(16, 12, bias=False)
            self.last.weight = self.table.weight  # tied

        def forward(self, words: Any) -> Any:
            mask = nn.Transformer.generate_square_subsequent_mask(words.shape[1])
            return self.last(self.layer(self.table(words), src_mask=mask))

    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    words = torch.randint(0, 12, (4, 7))

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        out = model(words[:, :-1])
        F.cross_entropy(out.transpose(1, 2), words[:, 1:]).backward()
        optimizer.step()

    return step


@sound
def a_variational_autoencoder() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Linear(4, 8)
            self.mean, self.spread = nn.Linear(8, 2), nn.Linear(8, 2)
            self.decoder = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 4), nn.Sigmoid())

        def forward(self, x: Any) -> Any:
            h = self.encoder(x).relu()
            mean, spread = self.mean(h), self.spread(h)
            z = mean + torch.randn_like(spread) * (0.5 * spread).exp()
            return self.decoder(z), mean, spread

    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    x = torch.rand(16, 4)

    def step() -> None:
        optimizer.zero_grad()
        out, mean, spread = model(x)
        distance = -0.5 * (1 + spread - mean**2 - spread.exp()).sum()
        (F.binary_cross_entropy(out, x, reduction="sum") + distance).backward()
        optimizer.step()

    return step


@sound
def q_learning_with_a_target_net() -> Step:
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    target = copy.deepcopy(net)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3)
    states, following, reward = torch.randn(16, 4), torch.randn(16, 4), torch.randn(16)
    actions = torch.randint(0, 2, (16, 1))

    def step() -> None:
        with torch.no_grad():
            best = reward + 0.9 * target(following).max(1).values
        chosen = net(states).gather(1, actions).squeeze(1)
        loss = F.smooth_l1_loss(chosen, best)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for old, new in zip(target.parameters(), net.parameters(), strict=True):
            old.data.copy_(0.9 * old.data + 0.1 * new.data)

    return step


@sound
def an_actor_and_a_critic() -> Step:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(4, 16)
            self.policy, self.value = nn.Linear(16, 2), nn.Linear(16, 1)

        def forward(self, x: Any) -> Any:
            h = self.body(x).tanh()
            return F.softmax(self.policy(h), dim=-1), self.value(h)

    net = Net()
    optimizer = torch.optim.Adam(net.parameters())
    states, returns = torch.randn(16, 4), torch.randn(16)

    def step() -> None:
        chances, value = net(states)
        moves = torch.multinomial(chances.detach(), 1).squeeze(1)
        value = value.squeeze(-1)
        advantage = returns - value.detach()
        actor = -(chances.gather(1, moves.unsqueeze(1)).squeeze(1).log() * advantage).mean()
        optimizer.zero_grad()
        (actor + F.mse_loss(value, returns)).backward()
        optimizer.step()

    return step


@sound
def an_update_by_hand() -> Step:
    x, y = torch.randn(16, 4), torch.randn(16)
    w = torch.zeros(4, requires_grad=True)

    def step() -> None:
        loss = ((x @ w - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w.sub_(0.1 * w.grad)
        w.grad = None

    return step


@sound
def an_update_through_data_as_it_was_done_once() -> Step:
    x, y = torch.randn(16, 4), torch.randn(16, 1)
    model = nn.Linear(4, 1)

    def step() -> None:
        model.zero_grad()
        F.mse_loss(model(x), y).backward()
        for p in model.parameters():
            p.data.add_(p.grad.data, alpha=-0.1)

    return step


@sound
def all_pairs_on_purpose() -> Step:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(16, 4), torch.randn(16)

    def step() -> None:
        optimizer.zero_grad()
        score = model(x).squeeze(1)
        margins = (score[:, None] - score[None, :]) * (y[:, None] - y[None, :]).sign()
        F.relu(1 - margins).mean().backward()
        optimizer.step()

    return step


@sound
def classes_with_ignored_examples() -> Step:
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = batch()
    y[::4] = -100

    def step() -> None:
        optimizer.zero_grad()
        F.nll_loss(F.log_softmax(model(x), dim=1), y).backward()
        optimizer.step()

    return step


@sound
def sparse_gradients_of_an_embedding() -> Step:
    table, last = nn.Embedding(20, 8, sparse=True), nn.Linear(8, 3)
    optimizers = [torch.optim.SparseAdam(table.parameters()), torch.optim.Adam(last.parameters())]
    words, y = torch.randint(0, 20, (16, 4)), torch.randint(0, 3, (16,))

    def step() -> None:
        for optimizer in optimizers:
            optimizer.zero_grad()
        F.cross_entropy(last(table(words).mean(1)), y).backward()
        for optimizer in optimizers:
            optimizer.step()

    return step


@sound
def a_compiled_step() -> Step:
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = batch()

    @torch.compile
    def step() -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


@sound
def a_checkpointed_net() -> Step:
    block = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 4))
    last = nn.Linear(4, 3)
    optimizer = torch.optim.SGD([*block.parameters(), *last.parameters()], lr=0.1)
    x, y = batch()

    def step() -> None:
        optimizer.zero_grad()
        h = torch.utils.checkpoint.checkpoint(block, x, use_reentrant=False)
        F.cross_entropy(last(h), y).backward()
        optimizer.step()

    return step


@sound
def gradients_by_grad_and_clipping_by_hand() -> Step:
    model = nn.Linear(4, 3)
    optimizer = torch.optim.Adam(model.parameters())
    x, y = batch()

    def step() -> None:
        optimizer.zero_grad()
        gradients = torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))
        for p, g in zip(model.parameters(), gradients, strict=True):
            p.grad = g.clamp(-1, 1)
        optimizer.step()

    return step


@sound
def averaged_weights() -> Step:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))
    average = torch.optim.swa_utils.AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = batch()

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        average.eval()
        with torch.no_grad():
            right = (average(x).argmax(1) == y).float().mean()
        return right.item()

    return step
