"""Nanoseconds per training step in JAX, the whole step under jit with donated state: jax_step.py SECONDS ROW [--losses FILE]

ROW and --losses as in torch_step.py. Steps of small networks run 50 at a time in one compiled loop, so that Python is not what is
measured.
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

import rows
import turns

INNER = 50 if "sizes" in row else 1


def dense(parameters, x):
    for k in range(0, len(parameters), 2):
        x = x @ parameters[k].T + parameters[k + 1]
        if k + 2 < len(parameters):
            x = jnp.tanh(x) if row.get("map") == "tanh" else jax.nn.relu(x)
    return x


def pool(x):
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))


def lenet(parameters, x):
    """Channels last and pooling by reshape: of the four ways of writing this the fastest on a processor, by measurement."""
    weight1, bias1, weight2, bias2, *rest = parameters
    layout = "NHWC", "OIHW", "NHWC"
    convolve = lambda x, weight, bias, pad: jax.lax.conv_general_dilated(x, weight, (1, 1), pad, dimension_numbers=layout) + bias
    x = pool(jax.nn.relu(convolve(x.transpose(0, 2, 3, 1), weight1, bias1, "SAME")))
    x = pool(jax.nn.relu(convolve(x, weight2, bias2, "VALID")))
    return dense(rest, x.transpose(0, 3, 1, 2).reshape(row["batch"], -1))


def norm(x, weight):
    return weight * (x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + jnp.finfo(jnp.float32).eps))


def attention(x, qkv, out, heads=rows.GPT["heads"]):
    batch, length, width = x.shape
    q, k, v = ((x @ qkv.T).reshape(batch, length, 3, heads, -1).transpose(2, 0, 3, 1, 4))
    scores = q @ k.swapaxes(2, 3) / (width // heads) ** 0.5
    scores = jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -jnp.inf)
    return (jax.nn.softmax(scores) @ v).swapaxes(1, 2).reshape(batch, length, width) @ out.T


def gpt(parameters, ids):
    place, token, *rest = parameters
    x = token[ids] + place
    while len(rest) > 1:
        before_attention, before_layers, qkv, out, weight1, bias1, weight2, bias2, *rest = rest
        x = x + attention(norm(x, before_attention), qkv, out)
        x = x + jax.nn.gelu(norm(x, before_layers) @ weight1.T + bias1, approximate=False) @ weight2.T + bias2
    return norm(x, rest[0]) @ token.T


MODEL = gpt if row.get("gpt") else lenet if row.get("lenet") else dense


def loss_of(parameters, x, target):
    y = MODEL(parameters, x)
    if row["loss"] == "mse":
        return jnp.mean((y - target) ** 2)
    return jnp.mean(jax.nn.logsumexp(y, axis=-1) - jnp.take_along_axis(y, target[..., None], axis=-1)[..., 0])


def step(state, x, target):
    parameters, first, second, t = state
    loss, gradient = jax.value_and_grad(loss_of)(parameters, x, target)
    if row.get("clip"):
        length = jnp.sqrt(sum(jnp.sum(g * g) for g in gradient))
        gradient = [g * jnp.minimum(1, row["clip"] / (length + 1e-6)) for g in gradient]
    if row["optimizer"] == "sgd":
        parameters = jax.tree.map(lambda p, g: p - 0.0001 * g, parameters, gradient)
    else:
        decay = 0.1 if row["optimizer"] == "adamw" else 0
        t = t + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        parameters = jax.tree.map(
            lambda p, m, v: (1 - 0.001 * decay) * p - 0.001 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8),
            parameters, first, second)
    return (parameters, first, second, t), loss


def steps(state, x, target):
    if INNER == 1:  # convolutions in a loop are several times slower
        return step(state, x, target)
    return jax.lax.scan(lambda s, _: step(s, x, target), state, None, length=INNER)


def main():
    file = open(sys.argv[4], "rb") if "--losses" in sys.argv else None
    parameters, x, target = map(lambda part: jax.tree.map(jnp.asarray, part), rows.drawn(row, file))
    zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
    run = jax.jit(steps, donate_argnums=0)
    state = parameters, zeros(), zeros(), jnp.float32(0)
    if file:
        losses = []
        while len(losses) < 5:
            state, more = run(state, x, target)
            losses += jnp.atleast_1d(more).tolist()
        print(json.dumps({"losses": losses[:5]}))
        return
    state, losses = run(state, x, target)
    jax.block_until_ready(losses)

    def inner():
        nonlocal state
        state, losses = run(state, x, target)
        jax.block_until_ready(losses)

    turns.serve(inner, float(sys.argv[1]), INNER)


main()
