"""What a run leaves for people: a CSV of losses, a JSON line per evaluation, and both as a picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path

LOSS_FIELDS = (
    "step", "samples", "minutes", "learning_rate", "total", "initial", "refinement", "volume", "epe",
    "gradient_norm", "skipped",
)  # fmt: skip
LOSS_FILE = "losses.csv"
EVALUATION_FILE = "evaluations.jsonl"
CURVES_FILE = "curves.png"


def append_losses(output: Path, row: dict[str, float]) -> None:
    """Adds one row, and the header first where the file is new."""
    path = output / LOSS_FILE
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, LOSS_FIELDS)
        if new:
            writer.writeheader()
        writer.writerow({name: f"{row[name]:.6g}" for name in LOSS_FIELDS})


def append_evaluation(output: Path, samples: int, figures: dict[str, dict[str, float]]) -> None:
    """Adds one line: pairs seen so far, and the figures of each group."""
    with (output / EVALUATION_FILE).open("a") as file:
        file.write(json.dumps({"samples": samples, "figures": figures}) + "\n")


def draw_curves(output: Path) -> Path:
    """Writes the loss and the bad2 of each evaluated group over the pairs seen; returns the picture's path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (loss_axes, error_axes) = pyplot.subplots(1, 2, figsize=(11, 4))
    with (output / LOSS_FILE).open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    for name in ("initial", "refinement", "volume"):
        loss_axes.plot([row["samples"] for row in rows], [row[name] for row in rows], label=name)
    loss_axes.set(xlabel="pairs seen", ylabel="loss (px; volume: nats)", yscale="log", title="training")
    loss_axes.legend(loc="upper right", fontsize="small")
    lines = _evaluations(output)
    for group in sorted({group for line in lines for group in line["figures"]}):
        points = [(line["samples"], line["figures"][group]["bad2"]) for line in lines if group in line["figures"]]
        error_axes.plot(*zip(*points), marker="o", label=group)
    error_axes.set(xlabel="pairs seen", ylabel="bad2, % of all truth pixels", title="averaged weights")
    if lines:
        error_axes.legend(loc="upper right", fontsize="small")
    figure.tight_layout()
    figure.savefig(output / CURVES_FILE, dpi=90)
    pyplot.close(figure)
    return output / CURVES_FILE


def _evaluations(output: Path) -> list[dict[str, dict[str, dict[str, float]]]]:
    path = output / EVALUATION_FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
