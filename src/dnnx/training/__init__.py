"""Training: replicas, the LightningModule, callbacks, the learning-rate search."""
