"""Nanoseconds per training step in PyTorch: torch_step.py SECONDS '{"sizes":[784,128,10],"batch":64,...}' [--compile] [--losses FILE]

Keys: sizes (dense layers), "lenet": true or "gpt": true; batch; map: relu or tanh; loss: mse or cross_entropy; optimizer: sgd,
adam or adamw; clip; threads. One batch of rows that lies ready, as in bench/specs. Prints {"ns_per_step":...} for each line on standard input.
With --losses it prints the losses of five steps from the weights and rows in FILE, as bench/same_work writes it.
"""
import json
import sys

import torch
from torch import nn

import rows
import turns


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_layers = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.layers = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        batch, length, width = x.shape
        split = lambda y: y.view(batch, length, self.heads, -1).transpose(1, 2)
        q, k, v = map(split, self.qkv(self.before_attention(x)).chunk(3, dim=2))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.layers(self.before_layers(x))


class Gpt(nn.Module):
    """bench/specs/gpt.grad"""

    def __init__(self, characters=65, length=64, width=128, heads=4, layers=4):
        super().__init__()
        self.token, self.place = nn.Embedding(characters, width), nn.Parameter(torch.randn(length, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.RMSNorm(width)

    def forward(self, ids):
        x = self.norm(self.blocks(self.token(ids) + self.place))
        return (x @ self.token.weight.T).transpose(1, 2)


def build(row):
    if row.get("gpt"):
        return Gpt(), None, None
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
    if row.get("gpt"):
        x, target = torch.randint(0, 65, (2, row["batch"], 64))
        loss_of = nn.CrossEntropyLoss()
    elif row["loss"] == "mse":
        x, loss_of, target = torch.randn(row["batch"], *shape), nn.MSELoss(), torch.randn(row["batch"], outputs)
    else:
        x = torch.randn(row["batch"], *shape)
        loss_of, target = nn.CrossEntropyLoss(), torch.randint(0, outputs, (row["batch"],))
    file = open(sys.argv[sys.argv.index("--losses") + 1], "rb") if "--losses" in sys.argv else None
    if file:
        parameters, x, target = rows.drawn(row, file)
        x, target = torch.tensor(x), torch.tensor(target)
        target = target.long() if row["loss"] == "cross_entropy" else target
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), parameters, strict=True):
                parameter.copy_(torch.tensor(value))
    optimizers = {
        "sgd": lambda: torch.optim.SGD(model.parameters(), lr=0.0001),
        "adam": lambda: torch.optim.Adam(model.parameters(), lr=0.001),
        "adamw": lambda: torch.optim.AdamW(model.parameters(), lr=0.001, weight_decay=0.1),
    }
    optimizer = optimizers[row["optimizer"]]()

    def forward_backward():
        loss = loss_of(model(x), target)
        loss.backward()
        return loss

    run = torch.compile(forward_backward) if "--compile" in sys.argv else forward_backward

    def step():
        optimizer.zero_grad()
        loss = run()
        if row.get("clip"):
            nn.utils.clip_grad_norm_(model.parameters(), row["clip"])
        optimizer.step()
        return loss

    if file:
        print(json.dumps({"losses": [step().item() for _ in range(5)]}))
        return
    for _ in range(3):
        step()
    turns.serve(step, limit)


main()
