"""The modules that results depend on, by path in src/dnnx: their group, and the tests that are run on their mutants."""

STATISTICS, REPLICAS, CHECKPOINT, SPLITS = "statistics", "replicas", "checkpoint", "splits"
# Tests of up to a minute, which are not run on mutants.
LONG = "trained_alone or percent or with_the_chance_alpha or as_promised or newcombe_covers or one_pair_misses"
OF_LAYERS = ("training/test_ways.py",)
MODULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "reports/statistics.py": (STATISTICS, ("reports/test_statistics.py",)),
    "reports/ranks.py": (STATISTICS, ("reports/test_ranks.py",)),
    "reports/binary.py": (STATISTICS, ("reports/test_binary.py",)),
    "reports/comparison.py": (STATISTICS, ("reports/test_comparison.py",)),
    "reports/pooling.py": (STATISTICS, ("reports/test_pooling.py",)),
    "reports/levels.py": (STATISTICS, ("reports/test_levels.py",)),
    "training/replicas.py": (REPLICAS, ("training/test_replicas.py", "training/test_probe.py")),
    "training/batched.py": (REPLICAS, (*OF_LAYERS, "training/test_probe.py")),
    "training/batched_layers.py": (REPLICAS, OF_LAYERS),
    "training/batched_images.py": (REPLICAS, OF_LAYERS),
    "data/replicas.py": (REPLICAS, ("data/test_replicas.py",)),
    "training/callbacks/checkpoint.py": (CHECKPOINT, ("training/callbacks/test_checkpoint.py",)),
    "training/callbacks/saving.py": (CHECKPOINT, ("training/callbacks/test_checkpoint.py",)),
    "data/splitting.py": (SPLITS, ("data/test_splitting.py", "data/test_arrays.py")),
    "data/folds.py": (SPLITS, ("data/test_folds.py",)),
    "data/repeated_folds.py": (SPLITS, ("data/test_repeated_folds.py",)),
}
