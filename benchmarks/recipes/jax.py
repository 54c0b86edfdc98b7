"""JAX: DenseNet5 by jit and scan over an epoch, several seeds by vmap; it needs an environment with jax alone."""

import os
from typing import Any

from benchmarks.rounds import LABELS, Rounds, options, splits

if os.environ.get("OMP_NUM_THREADS") == "1":
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
import jax
import jax.numpy as jnp

RATE, BETA1, BETA2, EPS = 4e-4, 0.9, 0.999, 1e-8
Layers = list[tuple[Any, Any]]


def init(key: Any, num_features: int) -> Layers:
    widths = [num_features, 100, 100, 100, 100, 100, len(LABELS)]
    keys = jax.random.split(key, len(widths) - 1)
    pairs = zip(keys, widths[:-1], widths[1:], strict=True)
    return [(jax.random.normal(k, (below, above)) * (2 / below) ** 0.5, jnp.zeros(above)) for k, below, above in pairs]


def loss(layers: Layers, x: Any, y: Any) -> Any:
    for weight, bias in layers[:-1]:
        x = jax.nn.elu(x @ weight + bias)
    log_p = jax.nn.log_softmax(x @ layers[-1][0] + layers[-1][1])
    return -jnp.take_along_axis(log_p, y[:, None], 1).mean()


def adam(layers: Layers, slopes: Layers, state: Any) -> tuple[Layers, Any]:
    means, squares, step = state
    step = step + 1
    means = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, means, slopes)
    squares = jax.tree.map(lambda s, g: BETA2 * s + (1 - BETA2) * g * g, squares, slopes)
    first, second = 1 - BETA1**step, 1 - BETA2**step
    layers = jax.tree.map(lambda p, m, s: p - RATE * (m / first) / (jnp.sqrt(s / second) + EPS), layers, means, squares)
    return layers, (means, squares, step)


def main(batch_size: int, steps: int | None, device: str, seeds: int) -> None:
    rounds = Rounds()
    images, labels = splits(steps, batch_size)["train"]
    x = jnp.asarray(images.reshape(len(images), -1).astype("float32") / 255)
    y = jnp.asarray(labels.astype("int32"))
    num = len(x) // batch_size

    def epoch(layers: Layers, state: Any, key: Any) -> Any:
        def step(carry: Any, index: Any) -> Any:
            value, slopes = jax.value_and_grad(loss)(carry[0], x[index], y[index])
            return adam(carry[0], slopes, carry[1]), value

        order = jax.random.permutation(key, len(x))[: num * batch_size].reshape(num, batch_size)
        return jax.lax.scan(step, (layers, state), order)

    def start(key: Any) -> Any:
        layers = init(key, x.shape[1])
        zeros = jax.tree.map(jnp.zeros_like, layers)
        return layers, (zeros, zeros, jnp.zeros(()))

    several = (lambda function: function) if seeds == 1 else jax.vmap
    run, key = jax.jit(several(epoch)), jax.random.key(0)
    layers, state = several(start)(key if seeds == 1 else jax.random.split(key, seeds))
    while True:
        rounds.next(num * batch_size * seeds)
        key, own = jax.random.split(key)
        (layers, state), losses = run(layers, state, own if seeds == 1 else jax.random.split(own, seeds))
        losses.block_until_ready()


if __name__ == "__main__":
    main(**options())
