"""Made-up tables on disk: a .csv file with numbers, words, gaps and a target."""

from pathlib import Path

import numpy as np
import pandas as pd


def houses(path: Path, num: int = 90, gaps: bool = True) -> pd.DataFrame:
    """Write rows of rooms, age (with gaps), town (a word) and price, and return them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"rooms": rng.integers(1, 9, num), "age": rng.normal(50, 20, num).round(1)})
    frame["town"] = rng.choice(["Ayr", "Bath", "Cork"], num)
    frame["price"] = (frame["rooms"] * 10 + frame["age"] / 5 + 20 * (frame["town"] == "Bath")).round(2)
    frame.loc[[3, 40], "age"] = np.nan if gaps else 50.0
    frame.to_csv(path, index=False)
    return frame
