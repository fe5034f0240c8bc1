"""Nanoseconds per training step in JAX, the whole step under jit with donated state: jax_step.py SECONDS ROW

ROW as in torch_step.py, dense layers only. 50 steps run in one compiled loop, so that Python is not what is measured.
"""
import json
import os
import sys

row = json.loads(sys.argv[2])
if row.get("threads", 1) == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # newer versions take no notice of the flags
import jax
import jax.numpy as jnp

import turns

INNER = 50


def loss_of(parameters, x, target):
    for k, (weight, bias) in enumerate(parameters):
        x = x @ weight.T + bias
        if k + 1 < len(parameters):
            x = jnp.tanh(x) if row.get("map") == "tanh" else jax.nn.relu(x)
    if row["loss"] == "mse":
        return jnp.mean((x - target) ** 2)
    return jnp.mean(jax.nn.logsumexp(x, axis=1) - jnp.take_along_axis(x, target[:, None], axis=1)[:, 0])


def step(state, x, target):
    parameters, first, second, t = state
    loss, gradient = jax.value_and_grad(loss_of)(parameters, x, target)
    if row["optimizer"] == "adam":
        t = t + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        parameters = jax.tree.map(
            lambda p, m, v: p - 0.001 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), parameters, first, second)
    else:
        parameters = jax.tree.map(lambda p, g: p - 0.0001 * g, parameters, gradient)
    return (parameters, first, second, t), loss


def steps(state, x, target):
    return jax.lax.scan(lambda s, _: step(s, x, target), state, None, length=INNER)


def main():
    sizes, key = row["sizes"], jax.random.key(1)
    draw = lambda *shape: jax.random.uniform(key, shape, jnp.float32, -1, 1)
    parameters = [(draw(o, i) / i**0.5, draw(o) / i**0.5) for i, o in zip(sizes, sizes[1:])]
    zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
    x = draw(row["batch"], sizes[0])
    target = draw(row["batch"], sizes[-1]) if row["loss"] == "mse" else jnp.arange(row["batch"]) % sizes[-1]
    run = jax.jit(steps, donate_argnums=0)
    state, losses = run((parameters, zeros(), zeros(), jnp.float32(0)), x, target)
    jax.block_until_ready(losses)

    def inner():
        nonlocal state
        state, losses = run(state, x, target)
        jax.block_until_ready(losses)

    turns.serve(inner, float(sys.argv[1]), INNER)


main()
