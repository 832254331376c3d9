"""Fit Muon's polynomials to the singular values that runs have; print them, and what they make of these.

    python benchmarks/muon_polynomials.py runs/NAME ... --results benchmarks/results/muon_polynomials.json

The runs are transformers trained with Muon; their checkpoints have the mean gradient of every matrix.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from measuring import save
from torch import Tensor

JORDAN = (3.4445, -4.7750, 2.0315)  # applied five times by Jordan et al. (2024)
AT_MOST, AT_LEAST, FROM = 1.25, 0.6, 0.15  # where polynomials should lie from 0 to 1, and from FROM to 1


def read_values(runs: Sequence[Path]) -> list[Tensor]:
    """The singular values of every matrix of these runs, in double precision."""
    values = []
    for run in runs:
        checkpoint = torch.load(run / "last.ckpt", map_location="cpu", weights_only=False)
        for state in checkpoint["optimizer_states"][0]["state"].values():
            matrix = state.get("momentum")
            if matrix is None:
                continue
            # Queries, keys and values are three matrices, one below the other.
            parts = matrix.chunk(3) if matrix.shape[0] == 3 * matrix.shape[1] else [matrix]
            values += [torch.linalg.svdvals(part.double()) for part in parts]
    return values


def apply(polynomials: Tensor, values: Tensor) -> Tensor:
    """a x + b x³ + c x⁵ for each (a, b, c), one after the other."""
    for a, b, c in polynomials:
        values = a * values + b * values**3 + c * values**5
    return values


def fit(values: Tensor, count: int) -> Tensor:
    """The polynomials that bring these values nearest to one, and keep all others in bounds."""
    grid = torch.linspace(0, 1, 401, dtype=torch.double)

    def loss(polynomials: Tensor) -> Tensor:
        everywhere = apply(polynomials, grid)
        above = (everywhere - AT_MOST).clamp(min=0).square().mean()
        below = (AT_LEAST - everywhere[grid >= FROM]).clamp(min=0).square().mean()
        return (apply(polynomials, values) - 1).square().mean() + 10 * (above + below)

    found = []
    for seed in range(6):
        random = torch.Generator().manual_seed(seed)
        start = torch.tensor([JORDAN] * count, dtype=torch.double)
        start = start * (1 + 0.1 * torch.randn(start.shape, generator=random, dtype=torch.double))
        polynomials = start.requires_grad_()
        search = torch.optim.LBFGS([polynomials], max_iter=400, line_search_fn="strong_wolfe")

        def closure(polynomials: Tensor = polynomials, search: torch.optim.Optimizer = search) -> Tensor:
            search.zero_grad()
            value = loss(polynomials)
            value.backward()  # type: ignore[no-untyped-call]
            return value.detach()

        search.step(closure)  # type: ignore[no-untyped-call]
        found.append(polynomials.detach())
    return min(found, key=lambda polynomials: float(loss(polynomials)))


def judge(polynomials: Tensor, values: Sequence[Tensor]) -> dict[str, object]:
    """Say how near U Vᵀ they bring U S Vᵀ: the mean cosine of the two, and where the singular values lie."""
    reached = [apply(polynomials, each) for each in values]
    cosines = [float(each.sum() / each.norm() / len(each) ** 0.5) for each in reached]
    pooled = torch.cat(reached)
    return {
        "polynomials": [[round(float(x), 4) for x in each] for each in polynomials],
        "cosine": round(sum(cosines) / len(cosines), 3),
        "percentiles": {str(p): round(float(pooled.quantile(p / 100)), 3) for p in (5, 10, 25, 50, 75, 90)},
        "highest": round(float(apply(polynomials, torch.linspace(0, 1, 1001, dtype=torch.double)).max()), 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", help="run directories with last.ckpt")
    parser.add_argument("--results", type=Path, help="also write a JSON file")
    options = parser.parse_args()
    values = read_values(options.runs)
    by_sum = [each / each.norm() for each in values]  # as Jordan et al. scale them
    by_eighth = [each / each.pow(8).sum() ** 0.125 for each in values]  # as muon.py does
    fitted = fit(torch.cat(by_eighth)[::5], 2).mul(100).round() / 100
    results = {
        "runs": [run.name for run in options.runs],
        "matrices": len(values),
        "five of Jordan et al.": judge(torch.tensor([JORDAN] * 5, dtype=torch.double), by_sum),
        "three of Jordan et al.": judge(torch.tensor([JORDAN] * 3, dtype=torch.double), by_sum),
        "two of Jordan et al.": judge(torch.tensor([JORDAN] * 2, dtype=torch.double), by_sum),
        "two fitted": judge(fitted, by_eighth),
    }
    for name, result in results.items():
        print(f"{name}: {result}")
    if options.results:
        save(options.results, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
