#!/usr/bin/env python3
"""Records layers, losses and optimizers as PyTorch computes them, in float32, on small inputs: parts.json.

    python3 tests/reference/record_parts.py > tests/reference/parts.json

A layer's case is one batch: its arguments, the results, and the gradients of sum(out * r) / batch, where x + shift is what
the layer sees, so that the gradient of `shift` is that of its input. An optimizer's case is 100 steps on the loss
sum((a * (w - target))^2).
"""
import json
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(7)
torch.set_num_threads(1)


def flat(tensor):
    return [float(f"{value:.9g}") for value in tensor.detach().reshape(-1).tolist()]


def shape_text(shape):
    return "f32[" + ", ".join(str(size) for size in shape) + "]"


def spec(shape, out_shape, call, rows, prelude):
    def literal(values, sizes):
        if not sizes:
            return f"{values[0]:.9g}"
        step = len(values) // sizes[0]
        return "[" + ", ".join(literal(values[k * step:(k + 1) * step], sizes[1:]) for k in range(sizes[0])) + "]"

    body = " ".join(
        "{ x = %s, r = %s }" % (literal(x, list(shape)), literal(r, list(out_shape))) for x, r in rows)
    return f"""language 1
{prelude}loss weighted(y: f32[..s], r: f32[..s]) {{ sum[..s] y[..s] * r[..s] }}
model m(x: {shape_text(shape)}) -> {shape_text(out_shape)} {{
  param shift: {shape_text(shape)} = 0
  let part = {call}
  part(x + shift)
}}
data d = rows {body}
train r: m on d {{
  loss weighted(out, r)
  optimizer sgd(lr = 0.1)
  batch {len(rows)}; steps 1; shuffle false
}}
"""


def layer_case(name, module, call, batch, shape, rename=lambda key: "part." + key, training=True,
               prelude=""):
    module.train(training)
    x = torch.randn(batch, *shape)
    shift = torch.zeros(*shape, requires_grad=True)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    out = module(x + shift)
    r = torch.randn_like(out)
    ((out * r).sum() / batch).backward()
    arguments = {"x": flat(x), "r": flat(r), "shift": flat(shift)}
    for key, value in before.items():
        if key != "num_batches_tracked":
            arguments[rename(key)] = flat(value)
    gradients = {"shift": flat(shift.grad)}
    for key, value in module.named_parameters():
        gradients[rename(key)] = flat(value.grad)
    states = {rename(key): flat(value) for key, value in module.named_buffers() if key != "num_batches_tracked"}
    rows = list(zip([flat(row) for row in x], [flat(row) for row in r]))
    return {"name": name, "training": training, "spec": spec(shape, out.shape[1:], call, rows, prelude), "arguments": arguments,
            "out": flat(out), "gradients": gradients, "states": states}


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def randomise(module):
    for parameter in module.parameters():
        parameter.data = torch.randn_like(parameter)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(torch.randn_like(buffer))
        if name.endswith("running_var"):
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    return module


class Attention(nn.Module):
    """Several heads, each place looks at itself and before; weights laid out by head."""

    def __init__(self, heads, dim):
        super().__init__()
        self.wq = nn.Parameter(torch.randn(heads, dim, dim // heads))
        self.wk = nn.Parameter(torch.randn(heads, dim, dim // heads))
        self.wv = nn.Parameter(torch.randn(heads, dim, dim // heads))
        self.wo = nn.Parameter(torch.randn(heads, dim // heads, dim))

    def forward(self, x):
        q, k, v = (torch.einsum("btd,hdk->bhtk", x, w) for w in (self.wq, self.wk, self.wv))
        c = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return torch.einsum("bhtk,hkd->btd", c, self.wo)


layers = []
for stride in (1, 2):
    for pad in (0, 1, 2):
        layers.append(layer_case(f"conv2d, stride {stride}, pad {pad}", nn.Conv2d(2, 3, 3, stride, pad),
                                 f"conv2d(3, 3, stride = {stride}, pad = {pad})", 2, (2, 6, 5)))
layers.append(layer_case("conv2d, 1 x 1", nn.Conv2d(3, 2, 1), "conv2d(2, 1)", 2, (3, 3, 3)))
layers.append(layer_case("max_pool", nn.MaxPool2d(2), "max_pool(2)", 2, (2, 5, 4)))
layers.append(layer_case("avg_pool", nn.AvgPool2d(2), "avg_pool(2)", 2, (2, 5, 4)))
layers.append(layer_case("layer_norm", randomise(nn.LayerNorm(6)), "layer_norm()", 3, (4, 6)))
layers.append(layer_case("rms_norm", randomise(nn.RMSNorm(6)), "rms_norm()", 3, (4, 6)))
layers.append(layer_case("batch_norm, training", randomise(nn.BatchNorm2d(3)), "batch_norm()", 4, (3, 2, 2)))
layers.append(layer_case("batch_norm, one axis", randomise(nn.BatchNorm1d(3)), "batch_norm()", 4, (3,)))
layers.append(layer_case("batch_norm, not training", randomise(nn.BatchNorm2d(3)), "batch_norm()", 4, (3, 2, 2),
                         training=False))
layers.append(layer_case("attention", Attention(2, 4), "attention(2)", 2, (5, 4)))
losses = []


def loss_case(name, call, function, y, target):
    y.requires_grad_(True)
    value = function(y, target)
    value.backward()
    losses.append({"name": name, "call": call, "shape": list(y.shape[1:]), "y": flat(y), "target": flat(target.float()),
                   "target_shape": list(target.shape[1:]), "loss": flat(value), "gradient": flat(y.grad)})


y = lambda *shape: 3 * torch.randn(*shape)
loss_case("mse", "mse(out, target)", F.mse_loss, y(3, 4), y(3, 4))
loss_case("mae", "mae(out, target)", F.l1_loss, y(3, 4), y(3, 4))
loss_case("huber", "huber(out, target, delta = 1.5)", lambda a, b: F.huber_loss(a, b, delta=1.5), y(3, 4), y(3, 4))
loss_case("cross_entropy", "cross_entropy(out, target)", F.cross_entropy, y(4, 5), torch.randint(0, 5, (4,)))
loss_case("cross_entropy, many places", "cross_entropy(out, target)",
          lambda a, b: F.cross_entropy(a.reshape(-1, 5), b.reshape(-1)), y(2, 3, 5), torch.randint(0, 5, (2, 3)))
loss_case("binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits(out, target)",
          F.binary_cross_entropy_with_logits, y(3, 4), torch.randint(0, 2, (3, 4)).float())

optimizers = []
start = torch.randn(6)
scale = torch.tensor([0.5, 1.0, 1.5, 2.0, 0.1, 1.0])
goal = torch.randn(6)


def optimizer_case(name, make, call, clip=0.0):
    w = start.clone().requires_grad_(True)
    optimizer = make([w])
    trace = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = ((scale * (w - goal)) ** 2).sum()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_([w], clip)
        optimizer.step()
        trace.append(float(f"{loss.item():.9g}"))
    optimizers.append({"name": name, "call": call, "loss": trace, "w": flat(w)})


O = torch.optim
optimizer_case("sgd", lambda p: O.SGD(p, 0.01), "sgd(lr = 0.01)")
optimizer_case("sgd, momentum", lambda p: O.SGD(p, 0.01, 0.9), "sgd(lr = 0.01, momentum = 0.9)")
optimizer_case("sgd, nesterov, decay", lambda p: O.SGD(p, 0.01, 0.9, nesterov=True, weight_decay=0.1),
               "sgd(lr = 0.01, momentum = 0.9, nesterov = true, weight_decay = 0.1)")
optimizer_case("adam", lambda p: O.Adam(p, 0.02), "adam(lr = 0.02)")
optimizer_case("adam, decay", lambda p: O.Adam(p, 0.02, (0.8, 0.99), weight_decay=0.1),
               "adam(lr = 0.02, beta1 = 0.8, beta2 = 0.99, weight_decay = 0.1)")
optimizer_case("adamw", lambda p: O.AdamW(p, 0.02, weight_decay=0.1), "adamw(lr = 0.02, weight_decay = 0.1)")
optimizer_case("adamw, clip", lambda p: O.AdamW(p, 0.02, weight_decay=0.1),
               "adamw(lr = 0.02, weight_decay = 0.1, clip = 0.5)", clip=0.5)
optimizer_case("rmsprop", lambda p: O.RMSprop(p, 0.01), "rmsprop(lr = 0.01)")
optimizer_case("rmsprop, momentum, decay", lambda p: O.RMSprop(p, 0.003, 0.9, momentum=0.5, weight_decay=0.1),
               "rmsprop(lr = 0.003, alpha = 0.9, momentum = 0.5, weight_decay = 0.1)")
optimizer_case("adagrad", lambda p: O.Adagrad(p, 0.1), "adagrad(lr = 0.1)")
optimizer_case("adagrad, decays", lambda p: O.Adagrad(p, 0.1, 0.01, weight_decay=0.1),
               "adagrad(lr = 0.1, lr_decay = 0.01, weight_decay = 0.1)")


def lion(w_start, lr, beta1, beta2, decay):
    """Not in PyTorch: the algorithm of the paper (Chen and others, 2023), in PyTorch's float32."""
    w, m, trace = w_start.clone(), torch.zeros(6), []
    for _ in range(100):
        g = 2 * scale * scale * (w - goal)
        trace.append(float(f"{((scale * (w - goal)) ** 2).sum().item():.9g}"))
        w = w - lr * (torch.sign(beta1 * m + (1 - beta1) * g) + decay * w)
        m = beta2 * m + (1 - beta2) * g
    optimizers.append({"name": "lion", "call": "lion(lr = 0.01, weight_decay = 0.1)", "loss": trace, "w": flat(w)})


lion(start, 0.01, 0.9, 0.99, 0.1)

functions = [("relu", F.relu), ("leaky_relu", F.leaky_relu), ("sigmoid", torch.sigmoid), ("gelu", F.gelu), ("silu", F.silu),
             ("softplus", F.softplus), ("elu", F.elu)]
for name, function in functions:
    layers.append(layer_case(name, Apply(lambda x, f=function: f(3 * x)), f"tripled_{name}()", 4, (8,),
                             prelude=f"layer tripled_{name}()(x: f32[n]) -> f32[n] {{ {name}(3 * x) }}\n"))
print(json.dumps({"torch": torch.__version__, "layers": layers, "losses": losses, "optimizers": optimizers,
                  "start": flat(start), "scale": flat(scale), "goal": flat(goal)}, separators=(",", ":")))
