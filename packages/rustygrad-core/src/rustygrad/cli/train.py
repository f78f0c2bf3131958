"""``rustygrad train``: the moons demo, with its decision boundary drawn in the terminal."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from .. import datasets, functional, optim
from ..errors import ArgumentError
from ..modes import no_grad
from ..nn import MLP
from ..selection import backend_asked_for
from .console import console as make_console

__all__ = ["train"]

#: Side of the grid that the decision boundary is drawn on, in characters.
GRID: Final = 40
#: How each side of the boundary, and each sample, is drawn: by label.
AREA: Final = {-1: (".", "blue"), 1: ("*", "red")}
SAMPLE: Final = {-1: ("o", "bold bright_blue"), 1: ("x", "bold bright_red")}
#: Where samples of both labels fall on one character.
BOTH: Final = ("#", "bold bright_magenta")


def train(
    steps: Annotated[int, typer.Option(min=0, help="Training steps.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights.")] = 1337,
    backend: Annotated[
        str | None, typer.Option(help="The backend; by default the selected one.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the trained parameters to this JSON file.")
    ] = None,
) -> None:
    """Train a 2-16-16-1 network to tell two moons apart, and draw what it learned.

    It is the demo of micrograd: 100 samples, max-margin loss plus an L2 penalty
    of 1e-4, and a learning rate that falls from 1.0 to 0.1. The picture is 40 by
    40 characters, with spaces between them where the console is wide enough; #
    stands for samples of both classes in one place.
    """
    if save:
        _check_place(save)
    console = make_console()
    engine = backend_asked_for(backend, f"--backend {backend}")
    random.seed(seed)
    model = MLP(2, [16, 16, 1], backend=engine.name)
    points, labels = datasets.moons()
    console.print(f"{len(points)} samples, {len(model.parameters())} parameters")
    console.print(_engine(engine))
    started = time.perf_counter()
    for line in _watched(console, _training(model, points, labels, steps), steps):
        console.print(line)
    console.print(f"{steps} steps in {time.perf_counter() - started:.2f} s")
    picture = _picture(model, points, labels, " " if console.width >= 2 * GRID - 1 else "")
    console.print(picture)
    legend = Text.assemble(
        "  ", SAMPLE[-1], " and ", AREA[-1], " are -1, ", SAMPLE[1], " and ", AREA[1], " are 1"
    )
    if BOTH[0] in picture.plain:
        legend.append(", ").append(*BOTH).append(" is both")
    console.print(legend)
    if save:
        model.save(save)
        console.print(f"parameters written to {save}")


def _check_place(save: Path) -> None:
    """Refuse a file that could not be written, before the training."""
    if save.is_dir():
        raise ArgumentError(f"--save {save}: this is a folder; give the name of a file in it")
    folder = Path(os.path.realpath(save)).parent  # of the file itself, where this is a link
    if not folder.is_dir():
        raise ArgumentError(f"--save {save}: the folder {save.parent} does not exist")
    try:
        if save.exists():
            save.open("ab").close()
        if save.is_file() or not save.exists():  # and no device, which is written to in place
            tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ArgumentError(f"--save {save}: it cannot be written: {error.strerror}") from error


def _engine(engine: Any) -> str:
    if engine.name == "python":
        return "backend 'python', the reference: pure Python, no faster one is in use"
    return f"backend {engine.name!r}"


def _training(
    model: MLP, points: list[list[float]], labels: list[int], steps: int
) -> Iterator[tuple[int, float, float]]:
    """Train, and after each step give its number, its loss and its accuracy in percent."""
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    for step in range(steps):
        scores = [model(point) for point in points]
        penalty = 1e-4 * functional.sum([p * p for p in model.parameters()])
        loss = functional.hinge(scores, labels) + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.lr = 1.0 - 0.9 * step / steps
        optimizer.step()
        right = [(score.data > 0) == (y > 0) for score, y in zip(scores, labels, strict=True)]
        yield step + 1, loss.data, 100.0 * right.count(True) / len(right)


def _watched(
    console: Console, training: Iterator[tuple[int, float, float]], steps: int
) -> Iterator[str]:
    """The training as a live line in a terminal; one line a step in a pipe."""
    shown = "loss {:.4f}  accuracy {:3.0f} %"
    if not console.is_terminal:
        for step, loss, accuracy in training:
            yield f"step {step:{len(str(steps))}}  " + shown.format(loss, accuracy)
        return
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=steps, state="")
        for step, loss, accuracy in training:
            progress.update(task, completed=step, state=shown.format(loss, accuracy))


def _picture(model: MLP, points: list[list[float]], labels: list[int], gap: str = " ") -> Text:
    """The plane around the samples, GRID x GRID characters with gaps between them, y upwards."""
    axes = []
    for values in zip(*points, strict=True):
        low, high = min(values) - 0.25, max(values) + 0.25
        axes.append((low, (high - low) / GRID))
    (left, width), (bottom, height) = axes
    samples: dict[tuple[int, int], tuple[str, str]] = {}
    for (x, y), label in zip(points, labels, strict=True):
        place = int((x - left) / width), int((y - bottom) / height)
        mark = SAMPLE[label]
        samples[place] = mark if samples.get(place, mark) == mark else BOTH
    picture = Text(no_wrap=True)
    with no_grad():
        for row in reversed(range(GRID)):
            for column in range(GRID):
                if (column, row) in samples:
                    picture.append(*samples[column, row])
                else:
                    x, y = left + (column + 0.5) * width, bottom + (row + 0.5) * height
                    picture.append(*AREA[1 if model([x, y]).data > 0 else -1])
                picture.append(gap if column < GRID - 1 else "\n")
    picture.rstrip()
    return picture
