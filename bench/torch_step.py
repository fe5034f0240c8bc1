"""Nanoseconds per training step in PyTorch: torch_step.py SECONDS '{"sizes":[784,128,10],"batch":64,...}' [--compile]

Keys: sizes (dense layers) or "lenet": true; batch; map: relu or tanh; loss: mse or cross_entropy; optimizer: sgd or adam;
threads. One batch of rows that lies ready, as in bench/specs. Prints {"ns_per_step":...,"loss":...}.
"""
import json
import sys
import time

import torch
from torch import nn


def build(row):
    if row.get("lenet"):
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)), (1, 28, 28), 10
    layers, sizes = [], row["sizes"]
    for k in range(len(sizes) - 1):
        layers.append(nn.Linear(sizes[k], sizes[k + 1]))
        if k + 2 < len(sizes):
            layers.append(nn.Tanh() if row.get("map") == "tanh" else nn.ReLU())
    return nn.Sequential(*layers), (sizes[0],), sizes[-1]


def main():
    limit, row = float(sys.argv[1]), json.loads(sys.argv[2])
    torch.manual_seed(1)
    torch.set_num_threads(row.get("threads", 1))
    model, shape, outputs = build(row)
    x = torch.randn(row["batch"], *shape)
    if row["loss"] == "mse":
        loss_of, target = nn.MSELoss(), torch.randn(row["batch"], outputs)
    else:
        loss_of, target = nn.CrossEntropyLoss(), torch.randint(0, outputs, (row["batch"],))
    adam = row["optimizer"] == "adam"
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001) if adam else torch.optim.SGD(model.parameters(), lr=0.0001)

    def forward_backward():
        loss = loss_of(model(x), target)
        loss.backward()
        return loss

    run = torch.compile(forward_backward) if "--compile" in sys.argv else forward_backward

    def step():
        optimizer.zero_grad()
        loss = run()
        optimizer.step()
        return loss

    for _ in range(3):
        loss = step()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < limit:
        loss = step()
        count += 1
    print(json.dumps({"ns_per_step": 1e9 * (time.perf_counter() - start) / count, "loss": loss.item()}))


main()
