"""Policies that learn to balance a pole: the same losses as PyTorch's from the same seed.

The programs do what reinforce.py and actor_critic.py of pytorch/examples do; `tools/run_published.py` runs
those themselves.
"""

import numpy as np
import pytest
from doubles import gymnasium

import cotangent

torch = pytest.importorskip("torch")

UPDATES = 20
DISCOUNT = 0.99


def returns_of(t, rewards):
    """The discounted sums of what comes after each step, standardised."""
    found = []
    total = 0.0
    for reward in reversed(rewards):
        total = reward + DISCOUNT * total
        found.append(total)
    found = t.tensor(found[::-1])
    return (found - found.mean()) / (found.std() + np.finfo(np.float32).eps.item())


def episodes(t, act):
    """For each of UPDATES episodes, what `act(state)` kept at each step, and the rewards."""
    world = gymnasium.make("CartPole-v1")
    world.reset(seed=543)
    for _ in range(UPDATES):
        state, _ = world.reset()
        kept, rewards, over = [], [], False
        while not over:
            action, memory = act(t.from_numpy(state))
            state, reward, fallen, late, _ = world.step(action)
            kept.append(memory)
            rewards.append(reward)
            over = fallen or late
        yield kept, rewards


def reinforce(t):
    """R. J. Williams' rule: log probabilities times returns, with dropout in the policy."""
    t.manual_seed(543)
    policy = t.nn.Sequential(
        t.nn.Linear(4, 128), t.nn.Dropout(p=0.6), t.nn.ReLU(), t.nn.Linear(128, 2), t.nn.Softmax(dim=1)
    )
    optimizer = t.optim.Adam(policy.parameters(), lr=1e-2)

    def act(state):
        choice = t.distributions.Categorical(policy(state.unsqueeze(0)))
        action = choice.sample()
        return action.item(), choice.log_prob(action)

    for kept, rewards in episodes(t, act):
        loss = -(t.cat(kept) * returns_of(t, rewards)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield len(rewards), loss.item()


def actor_critic(t):
    """A second head of the network says what returns it expects; surprise takes the place of the return."""
    t.manual_seed(543)
    body = t.nn.Sequential(t.nn.Linear(4, 128), t.nn.ReLU())
    actor, critic = t.nn.Linear(128, 2), t.nn.Linear(128, 1)
    optimizer = t.optim.Adam(t.nn.ModuleList([body, actor, critic]).parameters(), lr=3e-2)

    def act(state):
        seen = body(state)
        choice = t.distributions.Categorical(t.softmax(actor(seen), -1))
        action = choice.sample()
        return action.item(), (choice.log_prob(action), critic(seen))

    for kept, rewards in episodes(t, act):
        losses = []
        for (log_prob, value), wanted in zip(kept, returns_of(t, rewards), strict=True):
            losses.append(-log_prob * (wanted - value.item()))
            losses.append(t.nn.functional.smooth_l1_loss(value, wanted.reshape(1)))
        loss = t.stack(losses).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield len(rewards), loss.item()


@pytest.mark.parametrize("program", [reinforce, actor_critic])
def test_losses(program):
    ours, theirs = (list(program(t)) for t in (cotangent, torch))
    assert len(ours) == UPDATES
    assert [steps for steps, _ in ours] == [steps for steps, _ in theirs]
    assert [loss for _, loss in ours] == pytest.approx([loss for _, loss in theirs], rel=1e-4, abs=1e-5)
