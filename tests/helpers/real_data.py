"""The folder of the real data sets, which may be absent."""

import os
from pathlib import Path

REAL = Path(os.environ.get("DNNX_DATA_DIR") or Path(__file__).parents[3] / "shared" / "data")
