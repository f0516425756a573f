"""Train the model that is shipped: timm's ViT on handwritten digits in clutter.

    python benchmarks/train_digits.py --out data/models/digits_vit.safetensors
    python benchmarks/train_digits.py --out small.safetensors --steps 600 --plain 99 --decay 99

Deterministic for a seed, a number of workers and versions of the libraries: a step's canvases
come from the seed and the step's number, each worker takes a fixed share of a batch on one
thread, and shares are added in order. A run that was stopped, by `--minutes` or otherwise,
goes on with `--resume` from its last state, which lies beside the weights, and ends the same.

The accuracy printed is on fresh canvases of the held-out digits, at full difficulty. Lines on
the way show it for a few canvases; no weights are chosen by it, the last ones are kept.

Beside the weights lies a card of the same name, `.yaml`: how they were made and how good
they are. The optimiser is torch's Muon for the blocks' matrices, so torch 2.9 or newer.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import monotonic

import torch
from digits_canvases import draw_canvases, load_split
from digits_learning import Learner
from digits_model import predicted
from digits_scoring import score, write_card
from digits_stages import Course
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file

_SAVED_EVERY_S = 180.0
_TOLD_EVERY = 250
_TOLD_CANVASES = 200
_TEST_CANVASES = 4000
_TEST_SEED = 1_000_003


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="Weights, .safetensors.")
    parser.add_argument("--steps", type=int, default=7300)
    parser.add_argument("--plain", type=int, default=2000, help="Steps to full difficulty.")
    parser.add_argument("--decay", type=int, default=800, help="Last steps, all patches.")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="Threads that share a batch.")
    parser.add_argument("--minutes", type=float, help="Stop then, to be resumed.")
    parser.add_argument("--resume", action="store_true", help="Go on from the last state.")
    parser.add_argument("--canvases", type=int, default=_TEST_CANVASES, help="In the test.")
    return parser.parse_args()


def _tell(learner: Learner, console: Console) -> None:
    """A line on the way: loss, and accuracy at the difficulty that is taught just now."""
    level = learner.course.stage(learner.step - 1).difficulty
    seen = draw_canvases(load_split(held_out=True), _TOLD_CANVASES, seed=1, difficulty=level)
    right = predicted(learner.model.eval(), seen.images).numpy() == seen.labels
    console.print(
        f"step {learner.step}: loss {learner.recent_loss():.3f}, held out "
        f"{100 * right.mean():.1f} % at difficulty {level:.2f}, {learner.minutes:.1f} minutes"
    )


def _train(learner: Learner, state: Path, limit_s: float) -> bool:
    """Take steps until all are taken (true) or the time is over."""
    console = Console(stderr=True)
    columns = (
        *Progress.get_default_columns()[:-1],
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    start = saved = monotonic()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=learner.course.steps, loss="")
        while learner.step < learner.course.steps:
            loss = learner.take_step()
            progress.update(task, completed=learner.step, loss=f"loss {loss:.3f}")
            if learner.step % _TOLD_EVERY == 0:
                _tell(learner, console)
            over = monotonic() - start > limit_s
            if monotonic() - saved > _SAVED_EVERY_S:
                learner.save(state)
                saved = monotonic()
            if over:
                break
    learner.save(state)
    return learner.step == learner.course.steps


def main() -> None:
    """Train, test, and write the weights and their card."""
    args = _arguments()
    torch.set_num_threads(1)
    course = Course(args.steps, args.plain, args.decay, args.rate)
    learner = Learner(course, seed=args.seed, batch=args.batch, workers=args.workers)
    state = args.out.with_suffix(".state.pt")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.resume:
        try:
            learner.load(state)
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr)
            sys.exit(2)
    if not _train(learner, state, 60 * (args.minutes or float("inf"))):
        sys.exit(f"stopped at step {learner.step} of {args.steps}; go on with --resume")
    save_file(learner.model.state_dict(), args.out)
    found = score(learner.model.eval(), args.canvases, seed=_TEST_SEED)
    write_card(args.out, learner, found)
    state.unlink()  # nothing is left to go on with
    print(f"{args.out}: {found} on held-out digits")


if __name__ == "__main__":
    main()
