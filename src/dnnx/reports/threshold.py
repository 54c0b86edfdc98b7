"""The threshold of a binary decision, where each seed chose its own on validation: what captions say of it."""

from dnnx.runs.run import Study

CHOSEN, AT_HALF = " At each seed's threshold.", " At the threshold 0.5."


def at_chosen(study: Study) -> str:
    """Return the sentence for figures of decisions above the chosen threshold, "" where none was chosen."""
    return CHOSEN if _is_chosen(study) else ""


def at_half(study: Study) -> str:
    """Return the sentence for figures of decisions above 0.5, "" where no threshold was chosen."""
    return AT_HALF if _is_chosen(study) else ""


def _is_chosen(study: Study) -> bool:
    return any("test/threshold" in run.results for run in study.runs)
