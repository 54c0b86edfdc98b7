"""Building blocks of nets: activations, initializers, norms, dropout."""
