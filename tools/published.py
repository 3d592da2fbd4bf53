"""The published programs that tools/run_published.py runs: their options, and the data made for them.

Programs are named by where they lie in checkouts of karpathy/nanoGPT, karpathy/minGPT and pytorch/examples.
None of their text is here. Options make them small enough for two cores; what is not named keeps the
program's default.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from sklearn import datasets

__all__ = ["PROGRAMS", "Program"]

NANOGPT, MINGPT, EXAMPLES = "nanoGPT", "minGPT", "examples"
DESCRIBED: Final = ("iris", "digits", "wine", "breast_cancer", "diabetes", "linnerud")


def text() -> str:
    """About 20,000 characters of English: what scikit-learn tells of its data."""
    return "\n".join(getattr(datasets, f"load_{name}")().DESCR for name in DESCRIBED)


def corpus(place: Path, sources: Path) -> None:
    """Three files of words for a language model."""
    lines = [line for line in text().splitlines() if line.strip()]
    cuts = {"train": slice(None, -40), "valid": slice(-40, -20), "test": slice(-20, None)}
    for name, cut in cuts.items():
        (place / f"{name}.txt").write_text("\n".join(lines[cut]) + "\n", encoding="utf-8")


def characters(place: Path, sources: Path) -> None:
    """One file of text."""
    (place / "input.txt").write_text(text(), encoding="utf-8")


def nanogpt_data(place: Path, sources: Path) -> None:
    """Characters as numbers, and beside them the files that train.py reads from where it is started."""
    shutil.copytree(sources / NANOGPT / "config", place / "config")
    shutil.copy(sources / NANOGPT / "configurator.py", place)
    data = place / "data" / "shakespeare_char"
    data.mkdir(parents=True)
    said = text()
    known = sorted(set(said))
    numbers = np.array([known.index(char) for char in said], np.uint16)
    cut = len(numbers) * 9 // 10
    numbers[:cut].tofile(data / "train.bin")
    numbers[cut:].tofile(data / "val.bin")
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(known)}))


def pictures(place: Path, sources: Path) -> None:
    """Digits in three colours as the contents, one of waves as the style."""
    digits = datasets.load_digits().images
    (place / "images" / "digits").mkdir(parents=True)
    for number in range(60):
        colours = np.stack([digits[3 * number + channel] for channel in range(3)], axis=-1)
        pixels = np.kron((colours * (255 / 16)).astype(np.uint8), np.ones((8, 8, 1), np.uint8))
        Image.fromarray(pixels).save(place / "images" / "digits" / f"{number:03d}.png")
    y, x = np.mgrid[:64, :64]
    waves = np.stack([np.sin(x / 5), np.sin(y / 7), np.sin((x + y) / 9)], axis=-1)
    Image.fromarray(((waves + 1) * 127).astype(np.uint8)).save(place / "style.png")


def results(place: Path, sources: Path) -> None:
    """A folder for pictures."""
    (place / "results").mkdir()


@dataclass(frozen=True)
class Program:
    """A program with its options.

    Attributes:
        name: what the table calls it.
        path: the program below the folder of checkouts.
        options: its command line.
        data: makes its data in the folder where it runs.
        first: options of an earlier run (or `first_path`, another program) that leaves files for this one.
        first_by: who runs that; None: whoever runs the program itself.
    """

    name: str
    path: str
    options: str = ""
    data: Callable[[Path, Path], None] | None = None
    first: str | None = None
    first_path: str | None = None
    first_by: str | None = None
    folders: tuple[str, ...] = field(default=())  # what else is imported from, below the folder of checkouts


def _nanogpt() -> list[Program]:
    path = f"{NANOGPT}/train.py"
    options = (
        "config/train_shakespeare_char.py --device=cpu --compile=False --eval_interval=10 --eval_iters=2 "
        "--log_interval=1 --block_size=64 --batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 "
        "--lr_decay_iters=2000 --always_save_checkpoint=True"
    )
    plain = Program("nanoGPT", path, f"{options} --max_iters=20 --dropout=0.0", nanogpt_data)
    dropping = Program("nanoGPT, dropout", path, f"{options} --max_iters=20 --warmup_iters=5", nanogpt_data)
    tied = [
        Program(
            f"nanoGPT, from {writer}'s checkpoint",
            path,
            f"{options} --max_iters=30 --dropout=0.0 --init_from=resume",
            nanogpt_data,
            first=f"{options} --max_iters=10 --dropout=0.0",
            first_by=writer,
        )
        for writer in ("torch", "cotangent")
    ]
    return [plain, dropping, *tied]


def _mingpt() -> list[Program]:
    common = "--trainer.max_iters=20 --trainer.num_workers=0"
    return [
        Program(
            f"minGPT, {name}",
            f"{MINGPT}/projects/{project}/{project}.py",
            f"{common} {more}".strip(),
            data,
            folders=(MINGPT,),
        )
        for name, project, more, data in (
            ("adder", "adder", "", None),
            ("adder, workers", "adder", "--data.ndigit=1 --trainer.num_workers=2", None),
            ("chargpt", "chargpt", "--model.model_type=gpt-nano --trainer.batch_size=16", characters),
        )
    ]


def _language_models() -> list[Program]:
    path = f"{EXAMPLES}/word_language_model/main.py"
    options = "--data . --epochs 5 --bptt 20 --log-interval 5"
    kinds = [
        Program(f"word_language_model, {kind}", path, f"{options} --model {kind} {more}", corpus)
        for kind, more in (
            ("LSTM", "--onnx-export lm.onnx"),
            # On so little text the default rate of 20 throws these about, until rounding shows.
            ("GRU", "--lr 5"),
            ("RNN_TANH", "--lr 1"),
            ("RNN_RELU", "--lr 1"),
            ("Transformer", "--lr 1"),
        )
    ]
    return [
        *kinds,
        Program(
            "word_language_model, tied, AdamW",
            path,
            f"{options} --tied --use-optimizer --lr 0.001 --dropout 0.5",
            corpus,
        ),
    ]


PROGRAMS: Final[tuple[Program, ...]] = (
    *_nanogpt(),
    *_mingpt(),
    Program("mnist", f"{EXAMPLES}/mnist/main.py", "--epochs 1 --test-batch-size 200 --save-model"),
    Program("mnist_rnn", f"{EXAMPLES}/mnist_rnn/main.py", "--epochs 1 --save-model"),
    Program(
        "mnist_forward_forward",
        f"{EXAMPLES}/mnist_forward_forward/main.py",
        "--epochs 20 --train_size 1400 --test_size 200 --log-interval 5",
    ),
    Program("vae", f"{EXAMPLES}/vae/main.py", "--epochs 2 --batch-size 100", results),
    *_language_models(),
    Program(
        "time_sequence_prediction",
        f"{EXAMPLES}/time_sequence_prediction/train.py",
        "--steps 2",
        first="",
        first_path=f"{EXAMPLES}/time_sequence_prediction/generate_sine_wave.py",
    ),
    Program("regression", f"{EXAMPLES}/regression/main.py"),
    Program("siamese_network", f"{EXAMPLES}/siamese_network/main.py", "--epochs 1 --batch-size 32"),
    Program("gcn", f"{EXAMPLES}/gcn/main.py", "--epochs 20"),
    Program("gat", f"{EXAMPLES}/gat/main.py", "--epochs 20 --num-heads 2"),
    Program(
        "reinforcement_learning, reinforce",
        f"{EXAMPLES}/reinforcement_learning/reinforce.py",
        "--log-interval 1",
    ),
    Program(
        "reinforcement_learning, actor_critic",
        f"{EXAMPLES}/reinforcement_learning/actor_critic.py",
        "--log-interval 1",
    ),
    Program(
        "fast_neural_style",
        f"{EXAMPLES}/fast_neural_style/neural_style/neural_style.py",
        "train --dataset images --style-image style.png --save-model-dir models --epochs 1 --batch-size 2 "
        "--image-size 64 --log-interval 1",
        pictures,
    ),
)
