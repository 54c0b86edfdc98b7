"""Tasks: losses and metrics of classification, regression, reconstruction and pairs."""
