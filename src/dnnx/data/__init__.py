"""Where bytes come from, how they are split, and how they reach the networks."""
