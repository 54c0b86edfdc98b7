"""The search for good hyperparameters: its space, its sampler, its trials, and the storage that workers share."""
