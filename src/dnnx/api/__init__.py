"""The Python API: fit networks, run studies, load finished runs. It does the same as the commands.

import dnnx
run = dnnx.fit(SmallConv, data=(x, y), seeds=5)
run.results; run.network(seed=0); run.predict(x)
study = dnnx.study(arms={"plain": [], "bn": ["net.norm=batch"]}, claims=["test/accuracy: bn > plain"])
"""

from dnnx.api.fitting import fit
from dnnx.api.loading import load
from dnnx.api.run import Run
from dnnx.api.study import Study
from dnnx.api.studying import study

__all__ = ["Run", "Study", "fit", "load", "study"]
