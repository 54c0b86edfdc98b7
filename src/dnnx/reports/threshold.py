"""The decision threshold of a binary task, if each seed chose its own on validation: sentences for captions."""

from dnnx.runs.run import Study

CHOSEN, AT_HALF = " At each seed's threshold.", " At the threshold 0.5."


def at_chosen(study: Study) -> str:
    """Return the caption for figures that use the chosen threshold, or "" if none was chosen."""
    return CHOSEN if _is_chosen(study) else ""


def at_half(study: Study) -> str:
    """Return the caption for figures that use the threshold 0.5, or "" if no threshold was chosen."""
    return AT_HALF if _is_chosen(study) else ""


def _is_chosen(study: Study) -> bool:
    return any("test/threshold" in run.results for run in study.runs)
