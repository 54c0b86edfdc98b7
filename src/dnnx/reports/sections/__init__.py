"""Sections of a report. A file with `applies(found)` and `blocks(found)` is one; `PLACE` (default 50) orders them."""
