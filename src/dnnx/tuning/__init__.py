"""The search for good settings: its space, its sampler, its trials, and the book of them that workers share."""
