"""W1 as a user of PyTorch writes it: the whole batch as tensors, eager, one thread."""

import random

import torch


def make_step(points, labels):
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    random.seed(1337)
    sizes = [2, 16, 16, 1]
    weights, biases = [], []
    for nin, nout in zip(sizes, sizes[1:]):
        rows = [[random.uniform(-1, 1) for _ in range(nin)] for _ in range(nout)]
        weights.append(torch.tensor(rows, requires_grad=True))
        biases.append(torch.zeros(nout, requires_grad=True))
    parameters = [*weights, *biases]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    inputs, targets = torch.tensor(points), torch.tensor(labels, dtype=torch.float64)

    def step():
        x = inputs
        for weight, bias in zip(weights[:-1], biases[:-1]):
            x = torch.relu(x @ weight.T + bias)
        scores = (x @ weights[-1].T + biases[-1]).squeeze(1)
        penalty = 1e-4 * sum((p * p).sum() for p in parameters)
        loss = torch.relu(1 - targets * scores).mean() + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
