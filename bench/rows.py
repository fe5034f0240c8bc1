"""The rows of the benchmark: what each trains, in gradc's words (spec and constants) and in its peers' (row)."""

import os

HERE = os.path.dirname(os.path.abspath(__file__))


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
