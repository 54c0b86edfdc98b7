"""A small space of hyperparameters, and every sampler that a tuning can have, by seed."""

from collections.abc import Callable

from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, QMCSampler, RandomSampler, TPESampler

from dnnx.tuning.space import Space

Build = Callable[[int], BaseSampler]
FLOATS = Space({"net.a": "interval(0,1)", "net.b": "tag(log,interval(1e-3,1))", "net.c": "choice(x,y)"}, {})
SAMPLERS: dict[str, Build] = {
    "tpe": lambda seed: TPESampler(seed=seed, n_startup_trials=3),
    "random": lambda seed: RandomSampler(seed=seed),
    "gp": lambda seed: GPSampler(seed=seed, n_startup_trials=3),
    "qmc": lambda seed: QMCSampler(seed=seed, warn_independent_sampling=False),
    "cmaes": lambda seed: CmaEsSampler(seed=seed, warn_independent_sampling=False),
}
