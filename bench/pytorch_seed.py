"""The same program as examples/seed.grad in PyTorch, one thread: prints seconds for 1000 steps and the last loss."""
import json
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(1)
model = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, target = torch.tensor([[5.0, 3.0]]), torch.tensor([[8.0]])


def step():
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), target)
    loss.backward()
    optimizer.step()
    return loss


for _ in range(100):
    step()
start = time.perf_counter()
for _ in range(1000):
    loss = step()
seconds = time.perf_counter() - start
print(json.dumps({"ns_per_step": 1e6 * seconds, "loss": loss.item()}))
