"""Random programs on both engines, with attributes, copies and collections between: the same bits."""

import copy
import gc
import pickle
import random
import threading

import pytest
import rustygrad

ENGINES = [rustygrad.get_backend("c").Value, rustygrad.get_backend("python").Value]
STEPS = [
    lambda x, y, n: x + y,
    lambda x, y, n: x - y,
    lambda x, y, n: x * y,
    lambda x, y, n: x / y,
    lambda x, y, n: n * x - y,
    lambda x, y, n: -x,
    lambda x, y, n: abs(x),
    lambda x, y, n: x**2,
    lambda x, y, n: x**n,
    lambda x, y, n: abs(x) ** y,
    lambda x, y, n: x.relu(),
    lambda x, y, n: x.tanh(),
    lambda x, y, n: x.sigmoid(),
    lambda x, y, n: (x * 0.1).exp(),
    lambda x, y, n: abs(x).log(),
    lambda x, y, n: abs(x).sqrt(),
    lambda x, y, n: x.sin() * y.cos(),
    lambda x, y, n: rustygrad.sum([x, y, n, x]),
    lambda x, y, n: rustygrad.mean([x, y, x]),
    lambda x, y, n: rustygrad.dot([x, y, n], [y, 2.0, x], x),
    lambda x, y, n: rustygrad.dot([x, y], [n, x]),
    lambda x, y, n: rustygrad.maximum(x, y, x),
    lambda x, y, n: rustygrad.minimum(x, n, y),
    lambda x, y, n: rustygrad.logsumexp([x, y, n]),
    lambda x, y, n: rustygrad.where(x > y, x, y),
]


def run(make, seed):
    """The numbers that a random program prints on one engine."""
    draw = random.Random(seed)
    pool = [make(draw.uniform(-2, 2)) for _ in range(4)]
    printed = []
    for _ in range(50):
        x, y = draw.choice(pool), draw.choice(pool)
        z = draw.choice(STEPS)(x, y, draw.uniform(-2, 3))
        pool.append(z)
        chance = draw.random()
        if chance < 0.1:
            del pool[draw.randrange(4, len(pool))]
        elif chance < 0.15:
            draw.choice(pool).tag = draw.choice(pool)
        elif chance < 0.25:
            z.backward(draw.uniform(-1, 1))
        elif chance < 0.28:
            pool.append(copy.deepcopy(z))
        elif chance < 0.31:
            pool.append(pickle.loads(pickle.dumps(z)))
        elif chance < 0.32:
            gc.collect()
        printed += [z.data, *(v.grad for v in pool)]
    return list(map(repr, printed))


@pytest.mark.parametrize("block", range(10))
def test_random_programs_give_the_same_bits(block):
    for seed in range(60 * block, 60 * (block + 1)):
        c, reference = (run(make, seed) for make in ENGINES)
        assert c == reference, f"the program of seed {seed} differs"


def test_threads_build_and_run_graphs_that_share_leaves():
    make = ENGINES[0]
    shared = make(1.5)
    results = []

    def work():
        for _ in range(20):
            node = make(1.0)
            for _ in range(300):
                node = node * 1.0001 + shared
            node.backward()
            results.append(node.data)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1
