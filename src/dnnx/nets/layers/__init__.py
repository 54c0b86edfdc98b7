"""The parts that nets are made of."""
