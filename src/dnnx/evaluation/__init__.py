"""Measures of trained networks: accuracy, calibration, sparsity and cost."""
