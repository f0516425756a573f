"""Write held-out canvases as a folder of images, for everything that reads one.

    python benchmarks/digits_folder.py --out digits --images 1000 --seed 0

Makes `digits/0` to `digits/9`, a class each, of grey PNG files: timm's ImageFolder. Names say
which canvas and which digit of the whole set it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from digits_canvases import CLASSES, draw_canvases, load_split
from PIL import Image
from rich.console import Console
from rich.progress import track


def write_folder(out: Path, count: int, *, seed: int, difficulty: float = 1.0) -> None:
    """Write canvases of held-out digits, one PNG each, in a folder for each class.

    Raises:
        FileExistsError: there is something in the folder: what was there would be mixed in.
    """
    if out.is_dir() and any(out.iterdir()):
        raise FileExistsError(f"{out}: is not empty; name a new folder, or empty this one")
    drawn = draw_canvases(load_split(held_out=True), count, seed=seed, difficulty=difficulty)
    for label in range(CLASSES):
        (out / str(label)).mkdir(parents=True, exist_ok=True)
    rows = zip(drawn.images, drawn.labels, drawn.sources[:, 0], strict=True)
    told = Console(stderr=True)
    for i, (image, label, source) in enumerate(
        track(rows, "writing", total=count, console=told, transient=True)
    ):
        Image.fromarray(image).save(out / str(label) / f"{i:05}-{source}.png")


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="A new folder.")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--difficulty", type=float, default=1.0, help="From 0 to 1.")
    args = parser.parse_args()
    try:
        write_folder(args.out, args.images, seed=args.seed, difficulty=args.difficulty)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(f"{args.out}: {args.images} canvases of held-out digits")


if __name__ == "__main__":
    main()
