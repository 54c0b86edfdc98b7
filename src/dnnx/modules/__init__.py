"""LightningModules: what is learned, with loss and metrics per replica."""
