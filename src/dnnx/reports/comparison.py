"""Two arms compared: one test, chosen without a look at which is ahead, with one interval of the difference."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from dnnx.reports import binary
from dnnx.reports.levels import ALPHA, anytime_p, anytime_t, tries
from dnnx.reports.pooling import Pool
from dnnx.reports.ranks import exactly, rank_sum_p, signed_ranks
from dnnx.reports.scales import Scale

NO_TEST = "no test"
OF_FOLDS = " of folds (Nadeau and Bengio)"
MAX_INFINITE = 0.25  # share of pairs whose gap may be infinite in a t test of all others


@dataclass(frozen=True)
class Comparison:
    """Arm minus other arm, on the scale of the metric: of logarithms where ratios are compared.

    `low` and `high` bound the mean difference at the level that was asked for; nan where the test has no interval.
    `p` is two-sided. `sign` is the direction that was seen: 1, -1, or 0. `n` counts pairs, or the seeds of both arms.
    `lost` counts pairs that are left out, as the seed has no number in both arms. `sd` and `df` are those of one pair's
    difference, where a t test knows them. `gaps` are the single differences.
    """

    test: str
    n: int
    gap: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    sign: int = 0
    sd: float = np.nan
    df: float = np.nan
    gaps: tuple[float, ...] = ()
    correlation: float = np.nan
    paired: bool = True
    anytime: bool = False  # the interval holds however often one looks
    overlap: float = 0.0  # of a t test of folds: see `Scale`
    lost: int = 0

    @property
    def tested(self) -> bool:
        """Return whether there is a p-value."""
        return not np.isnan(self.p)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return the numbers of pairs in which the arm is higher, lower, and equal."""
        gaps = np.array(self.gaps)
        return int((gaps > 0).sum()), int((gaps < 0).sum()), int((gaps == 0).sum())


def compare(
    arm: pd.Series,
    than: pd.Series,
    scale: Scale,
    alpha: float = ALPHA,
    pool: Pool | None = None,
    earlier: int = 0,
) -> Comparison:
    """Compare two arms' values by seed: in pairs where the arms share seeds, else as two groups.

    nan is not measured and is left out. An infinite value is a seed that diverged or never arrived: it counts as worse
    than any number. A seed that is lost in both arms does not tell them apart, so a paired t test leaves it out.
    `alpha` is the share of false answers that this one comparison may have, such as 0.05 / 8.

    `earlier` is the number of results that were seen before seeds were added by hand. Then the paired t test is the
    anytime-valid one, and the j-th results of any other test have the level alpha / (j (j + 1)).
    """
    a, b = (scale.transform(values.dropna().astype(float)) for values in (arm, than))
    if (paired := in_pairs(a, b, scale)) is not None:
        found = _in_pairs(paired[0].to_numpy(), paired[1].to_numpy(), scale, alpha, pool, earlier)
        found = replace(found, lost=len(a.index.intersection(b.index)) - found.n)
    else:
        found = _tried(_as_groups(a.to_numpy(), b.to_numpy(), scale, alpha / tries(earlier)), earlier)
    return _possible(found, scale.widest)


def _possible(found: Comparison, widest: float) -> Comparison:
    """Return a comparison whose interval ends at the widest possible difference; an end at infinity stays.

    A mean difference of shares lies between -1 and 1, so what is cut off can hold no true value.
    """
    low, high = (end if np.isinf(end) else float(np.clip(end, -widest, widest)) for end in (found.low, found.high))
    return replace(found, low=low, high=high)


def pairs(a: pd.Series, b: pd.Series) -> pd.Index | None:
    """Return the seeds that two arms share, or None where they are too few to compare the arms in pairs."""
    shared = a.index.intersection(b.index)
    return shared if len(shared) >= max(2, min(len(a), len(b)) / 2) else None


def in_pairs(a: pd.Series, b: pd.Series, scale: Scale) -> tuple[pd.Series, pd.Series] | None:
    """Return both arms' values of the seeds that a paired comparison takes, or None where the arms are two groups.

    A seed that is lost in both arms is left out, unless all are, or ranks count it as a tie.
    """
    shared = pairs(a, b)
    if shared is None:
        return None
    a, b = a[shared], b[shared]
    is_lost = np.isinf(a) & (a == b)
    return (a, b) if scale.ranks or is_lost.all() else (a[~is_lost], b[~is_lost])


def _in_pairs(a: np.ndarray, b: np.ndarray, scale: Scale, alpha: float, pool: Pool | None, earlier: int) -> Comparison:
    gaps = np.subtract(a, b, out=np.zeros_like(a), where=a != b)
    finite = np.isfinite(a) & np.isfinite(b)
    told = Comparison(NO_TEST, a.size, _mean(gaps[finite]), gaps=tuple(gaps), correlation=_correlation(a, b))
    endless = np.sign(gaps[np.isinf(gaps)])
    one_way = abs(endless.sum()) == endless.size <= MAX_INFINITE * a.size and not (scale.ranks and endless.size)
    is_ranked = finite.sum() < 2 or not one_way or (finite.sum() < a.size and not endless.size)
    is_binary = scale.is_binary(a, b)
    if scale.overlap and (is_binary or is_ranked):
        return told  # exact tests take folds of the same rows for independent
    if is_binary:
        only_a, only_b = int((a > b).sum()), int((b > a).sum())
        p = binary.mcnemar_p(only_a, only_b)
        share = alpha / tries(earlier)
        low, high = binary.paired_interval(a, b, 1 - share)
        return _tried(_exact(told, "exact McNemar test", p, low, high, only_a - only_b, share), earlier)
    if is_ranked:
        p, side = signed_ranks(gaps)
        test = f"{exactly(int(np.count_nonzero(gaps)))}signed-rank test"
        return _tried(replace(told, test=test, p=p, sign=side), earlier)
    own = float(gaps[finite].std(ddof=1))
    floor = scale.floor(np.concatenate([a[finite], b[finite]]))
    if earlier:
        told = replace(told, anytime=True)
        test, sd, df = "paired anytime-valid t test", max(own, floor), float(finite.sum() - 1)
    elif pool is not None and not endless.size:
        test, sd, df = f"paired t test with the spread of {pool.arms} arms", max(own, pool.sd, floor), pool.df
    else:
        test, sd, df = "paired t test", max(own, floor), float(finite.sum() - 1)
    test += OF_FOLDS if scale.overlap else ""
    return _unbounded(_t(replace(told, test=test), sd, df, int(finite.sum()), alpha, scale.overlap), endless)


def _as_groups(a: np.ndarray, b: np.ndarray, scale: Scale, alpha: float) -> Comparison:
    finite_a, finite_b = a[np.isfinite(a)], b[np.isfinite(b)]
    told = Comparison(NO_TEST, a.size + b.size, _mean(finite_a) - _mean(finite_b), paired=False)
    is_ranked, is_binary = finite_a.size + finite_b.size < told.n, scale.is_binary(a, b)
    if min(a.size, b.size) < 2 or (scale.overlap and (is_ranked or is_binary)):
        return told
    if is_binary:
        low, high = binary.unpaired_interval(a, b, 1 - alpha)
        return _exact(told, "Fisher's exact test", binary.fisher_p(a, b), low, high, _sign(told.gap), alpha)
    if is_ranked:
        sign = _sign(
            np.sign(np.subtract.outer(a, b, where=np.not_equal.outer(a, b), out=np.zeros((a.size, b.size)))).sum()
        )
        return replace(told, test=f"{exactly(told.n)}rank-sum test", p=rank_sum_p(a, b), sign=sign)
    floor = scale.floor(np.concatenate([a, b])) / 2**0.5
    parts = np.array([max(x.std(ddof=1), floor) ** 2 * (1 / x.size + scale.overlap) for x in (a, b)])
    df = parts.sum() ** 2 / (parts**2 / (np.array([a.size, b.size]) - 1)).sum()
    test = f"Welch t test{OF_FOLDS if scale.overlap else ''}"
    found = _t(replace(told, test=test), float(np.sqrt(parts.sum() * told.n)), float(df), told.n, alpha)
    return replace(found, sd=np.nan, overlap=scale.overlap) if scale.overlap else found


def _t(told: Comparison, sd: float, df: float, n: int, alpha: float, overlap: float = 0.0) -> Comparison:
    """Return a comparison with the t interval of its gap, from the spread of one difference.

    Folds of the same rows share training rows, so their differences are correlated, and repeating the division never
    brings new rows. With `overlap`, the test rows as a share of the training rows, the variance of the mean is
    sd^2 (1 / n + overlap) (Nadeau & Bengio 2003, the corrected resampled t test): more seeds alone never decide.
    """
    error = sd * (1 / n + overlap) ** 0.5
    t = abs(told.gap) / error
    half = critical(n, df, alpha, told.anytime) * error
    p = anytime_p(t, n, df) if told.anytime else 2 * stats.t.sf(t, df)
    return replace(
        told, low=float(told.gap - half), high=float(told.gap + half), p=float(p), sign=_sign(told.gap),
        sd=np.nan if overlap else sd, df=df, overlap=overlap,
    )  # fmt: skip


def critical(n: int, df: float, alpha: float, anytime: bool = False) -> float:
    """Return the absolute t value from which a test rejects."""
    return anytime_t(n, df, alpha) if anytime else float(stats.t.ppf(1 - alpha / 2, df))


def _tried(found: Comparison, earlier: int) -> Comparison:
    """Return a comparison with the p-value of results that were looked at before."""
    return replace(found, p=min(1.0, found.p * tries(earlier))) if found.tested else found


def _unbounded(told: Comparison, endless: np.ndarray) -> Comparison:
    """Open the interval towards the side of infinite gaps.

    A bound on the other side stays valid: leaving out gaps that are all on one side can only hide a difference
    towards that side.
    """
    if not endless.size:
        return told
    side = int(endless[0])
    p = told.p if told.sign == side else 1.0
    bounds = (told.low, np.inf) if side > 0 else (-np.inf, told.high)
    return replace(told, low=bounds[0], high=bounds[1], p=p, sign=side, sd=np.nan)


def _exact(told: Comparison, test: str, p: float, low: float, high: float, sign: int, alpha: float) -> Comparison:
    """Return a comparison by an exact test, whose approximate interval holds 0 wherever the test does not reject."""
    if p >= alpha:
        low, high = min(low, 0.0), max(high, 0.0)
    return replace(told, test=test, low=low, high=high, p=p, sign=_sign(sign))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    finite = np.isfinite(a) & np.isfinite(b)
    a, b = a[finite], b[finite]
    return float(np.corrcoef(a, b)[0, 1]) if a.size > 2 and np.ptp(a) > 0 and np.ptp(b) > 0 else np.nan


def _mean(x: np.ndarray) -> float:
    return float(x.mean()) if x.size else np.nan


def _sign(x: float) -> int:
    return int(np.sign(np.nan_to_num(x)))
