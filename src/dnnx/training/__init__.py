"""How networks are trained: replicas, the LightningModule, callbacks, the learning-rate search."""
