"""Figures of a report. A file with `plan(study) -> list[Drawing]` is one; its `PLACE` (default 50) orders them."""
