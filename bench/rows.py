"""The rows of the benchmark: what each trains, in gradc's words (spec and constants) and in its peers' (row)."""

import math
import os

HERE = os.path.dirname(os.path.abspath(__file__))
CPP = ["-std=c++20", "-O3", "-march=native", "-fno-math-errno", "-ffp-contract=fast"]  # how the programs by hand are compiled


def spec(name):
    return os.path.join(HERE, "specs", name + ".grad")


def dense(sizes, batch, loss, optimizer, function="relu"):
    return {"sizes": sizes, "batch": batch, "loss": loss, "optimizer": optimizer, "map": function}


# name, spec, constants, the peers' row, and of steps that a chain of dependent operations limits its length: two fma into a
# hidden unit, relu, four for the output and its sum, error, factor 2, two products back, update.
STEPS = [
    ("adder 2-5-1, batch 1", spec("adder"), {"BATCH": 1}, dense([2, 5, 1], 1, "mse", "sgd"), 12),
    ("adder 2-5-1, batch 32", spec("adder"), {"BATCH": 32}, dense([2, 5, 1], 32, "mse", "sgd"), 0),
    ("adder 2-5-1, batch 1024", spec("adder"), {"BATCH": 1024}, dense([2, 5, 1], 1024, "mse", "sgd"), 0),
    *(
        (f"tanh 4-32-16-4, Adam, {rows} rows", spec("tanh_mlp"), {"BATCH": rows}, dense([4, 32, 16, 4], rows, "mse", "adam", "tanh"), 0)
        for rows in (200, 1000, 10000)
    ),
    ("64-32-10, Adam, batch 32", spec("classify"), {"INPUTS": 64, "HIDDEN": 32, "BATCH": 32}, dense([64, 32, 10], 32, "cross_entropy", "adam"), 0),
    ("784-128-10, Adam, batch 64", spec("classify"), {"INPUTS": 784, "HIDDEN": 128, "BATCH": 64}, dense([784, 128, 10], 64, "cross_entropy", "adam"), 0),
    (
        "784-512-512-10, Adam, batch 128",
        spec("classify"),
        {"INPUTS": 784, "HIDDEN": 512, "DEEP": 2, "BATCH": 128},
        dense([784, 512, 512, 10], 128, "cross_entropy", "adam"),
        0,
    ),
    ("LeNet-5, Adam, batch 64", spec("lenet"), {"BATCH": 64}, {"lenet": True, "batch": 64, "loss": "cross_entropy", "optimizer": "adam"}, 0),
    ("GPT of 4 layers, AdamW, batch 12", spec("gpt"), {}, {"gpt": True, "batch": 12, "loss": "cross_entropy", "optimizer": "adamw", "clip": 1}, 0),
]

# name, spec, constants, (M, N, K): gradc's time is that of the kernel that computes this product in a training step.
PRODUCTS = [
    ("product 1024 x 1024 x 1024", spec("grow"), {"WIDTH": 1024, "BATCH": 1024, "DEPTH": 1}, (1024, 1024, 1024)),
    ("product 128 x 512 x 784", spec("classify"), {"INPUTS": 784, "HIDDEN": 512, "BATCH": 128}, (128, 512, 784)),
]

GPT = {"characters": 65, "length": 64, "width": 128, "heads": 4, "layers": 4}


def shapes(row):
    """Of the parameters of a peer's row, in PyTorch's layouts and order: what bench/same_work writes and the peers read."""
    linear = lambda inputs, outputs: [(outputs, inputs), (outputs,)]
    if row.get("lenet"):
        return [(6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), *linear(400, 120), *linear(120, 84), *linear(84, 10)]
    if row.get("gpt"):
        width = GPT["width"]
        block = [(width,), (width,), (3 * width, width), (width, width), *linear(width, 4 * width), *linear(4 * width, width)]
        return [(GPT["length"], width), (GPT["characters"], width), *block * GPT["layers"], (width,)]
    return [shape for inputs, outputs in zip(row["sizes"], row["sizes"][1:]) for shape in linear(inputs, outputs)]


def drawn(row, file=None):
    """Parameters, inputs and targets of a peer's row as NumPy arrays: from a file of bench/same_work, or drawn."""
    import numpy

    random, batch = numpy.random.default_rng(1), row["batch"]

    def take(shape, draw):
        if file is None:
            return draw(shape).astype(numpy.float32)
        return numpy.frombuffer(file.read(4 * math.prod(shape)), numpy.float32).reshape(shape)

    def parameter(shape):  # a vector that scales, or one that is added, or a matrix
        scales = row.get("gpt") and shape == (GPT["width"],)
        return random.uniform(0.9, 1.1, shape) if scales else random.uniform(-1, 1, shape) / math.prod(shape[1:]) ** 0.5 / (1 if shape[1:] else 10)

    parameters = [take(shape, parameter) for shape in shapes(row)]
    integers = lambda shape, below: take(shape, lambda size: random.integers(0, below, size)).astype(numpy.int32)
    if row.get("gpt"):
        return parameters, *(integers((batch, GPT["length"]), GPT["characters"]) for _ in range(2))
    shape, outputs = ((1, 28, 28), 10) if row.get("lenet") else ((row["sizes"][0],), row["sizes"][-1])
    x = take((batch, *shape), lambda size: random.standard_normal(size))
    return parameters, x, take((batch, outputs), lambda size: random.standard_normal(size)) if row["loss"] == "mse" else integers((batch,), outputs)
