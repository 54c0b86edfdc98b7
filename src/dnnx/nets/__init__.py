"""Plain networks, written for one network and one batch: no Lightning, no config, no seeds."""
