/* The traversal and the sweep.
 *
 * Depth first, operands in order, on a stack of our own; a number in the node
 * tells which traversal has seen it last. No Python runs during a traversal, so
 * a closure called in the sweep may itself call backward. The root keeps all of
 * the order alive: what a node loses during a walk, by being initialised again,
 * is kept until the walk ends.
 */
#include "engine.h"
#include <time.h>

/* How often a sweep looks at signals: after so many gradients handed on, and where that means
 * giving the gradients of a block back, not before so much time has gone by. */
#define SIGNALS_EVERY (1 << 17)
#define SIGNALS_APART (CLOCKS_PER_SEC / 20)

typedef struct {
    Node *node;
    uint32_t next; /* of its operands */
    uint32_t from; /* the first pair of a chain that the order does not hold yet */
} Frame;

static int
grow(void *items, Py_ssize_t *room, size_t size)
{
    Py_ssize_t wanted = *room ? *room * 2 : 256;
    void *larger = PyMem_Realloc(*(void **)items, wanted * size);
    if (larger == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *(void **)items = larger;
    *room = wanted;
    return 0;
}

static inline int
is_segment(Node *entry)
{
    return (uintptr_t)entry & 1;
}

static inline Segment *
segment_of(Order *order, Node *entry)
{
    return order->segments + ((uintptr_t)entry >> 1);
}

void
order_free(Order *order)
{
    PyMem_Free(order->nodes);
    PyMem_Free(order->segments);
    order->nodes = NULL;
    order->segments = NULL;
}

/* Append a node, or of a chain the pairs in a range. */
static inline int
append(Order *order, Node *node, uint32_t from, uint32_t to)
{
    if (order->count == order->room && grow(&order->nodes, &order->room, sizeof(Node *)) < 0) {
        return -1;
    }
    order->opaque |= node->op == OP_opaque;
    order->folded |= node->flags & FOLDED;
    if (node->op == OP_chain && (from > 0 || to < node->count)) {
        if (order->segment_count == order->segment_room &&
            grow(&order->segments, &order->segment_room, sizeof(Segment)) < 0) {
            return -1;
        }
        order->segments[order->segment_count] = (Segment){node, from, to};
        node = (Node *)(uintptr_t)(2 * order->segment_count++ + 1);
    }
    order->nodes[order->count++] = node;
    return 0;
}

/* A traversal sees a node for the first time. Without leaves it prepares a sweep. */
static inline void
meet(Order *order, Node *node, uint64_t mark, int leaves)
{
    node->mark = mark;
    if (leaves) {
        return;
    }
    if (node->count > 0) { /* a leaf keeps its gradient, with a closure too */
        node->grad = 0.0;
    }
    else if (node->op == OP_layers) {
        node->grad = 0.0;
        layers_reset(node, mark);
        order->stale |= layers_are_stale(node);
    }
}

/* Whether an operand has to be listed before its node. */
static inline int
is_below(Node *node, Node *x, uint64_t mark, int leaves)
{
    if (!leaves && x->op == OP_leaf) {
        if (x->flags & OWNED) {
            node->flags |= TOUCHES;
        }
        return 0;
    }
    return x->mark != mark;
}

/* The next operand that has to be listed before the node; NULL if all have been. */
static inline Node *
next_below(Node *node, uint32_t *next, uint64_t mark, int leaves)
{
    uint32_t count = node->count, i = *next;
    Node **operands = node_operands(node);
    if (node->op == OP_chain) {
        for (; i < 2 * count + 1; i++) {
            Node *x = chain_operand(node, i);
            if (is_below(node, x, mark, leaves)) {
                *next = i + 1;
                return x;
            }
        }
        return NULL;
    }
    if (node->op == OP_layers) {
        operands = layers_inputs(node, &count);
    }
    for (; i < count; i++) {
        if (is_below(node, operands[i], mark, leaves)) {
            *next = i + 1;
            return operands[i];
        }
    }
    return NULL;
}

/* Whether a folded node must not be met, because a sweep around this traversal counts on it. */
static inline int
is_taken(State *state, const Node *node)
{
    return node->flags & FOLDED && state->sweeps != NULL && node_is_swept(state, node);
}

/* One traversal. */
static int
list_nodes(State *state, Order *order, PyObject *const *roots, Py_ssize_t count, int leaves)
{
    Frame *stack = NULL;
    Py_ssize_t depth = 0, room = 0;
    uint64_t mark = next_marks(state, 1);
    *order = (Order){.mark = mark};
    for (Py_ssize_t r = 0; r < count; r++) {
        Node *node = (Node *)roots[r];
        uint32_t next = 0, from = 0;
        if (node->mark == mark) {
            continue;
        }
        if (is_taken(state, node)) {
            goto fail;
        }
        meet(order, node, mark, leaves);
        for (;;) {
            Node *below = next_below(node, &next, mark, leaves);
            if (below != NULL && is_taken(state, below)) {
                goto fail;
            }
            if (below != NULL) {
                if (node->op == OP_chain && next > 3 && (next - 2) / 2 > from) {
                    /* the pairs up to here come before what is below */
                    if (append(order, node, from, (next - 2) / 2) < 0) {
                        goto fail;
                    }
                    from = (next - 2) / 2;
                }
                if (depth == room && grow(&stack, &room, sizeof(Frame)) < 0) {
                    goto fail;
                }
                stack[depth++] = (Frame){node, next, from};
                node = below;
                next = from = 0;
                meet(order, node, mark, leaves);
                continue;
            }
            if (append(order, node, from, node->count) < 0) {
                goto fail;
            }
            if (depth == 0) {
                break;
            }
            node = stack[--depth].node;
            next = stack[depth].next;
            from = stack[depth].from;
        }
    }
    PyMem_Free(stack);
    return 0;
fail:
    PyMem_Free(stack);
    order_free(order);
    return -1;
}

/* List what the roots depend on, operands before results. Without leaves it prepares a sweep:
 * gradients are reset. Where Python looks at the nodes, now or in a closure, none of them
 * may stay folded: they are written out, and listed again. */
int
order_of(State *state, Order *order, PyObject *const *roots, Py_ssize_t count, int leaves,
         int looked_at)
{
    int status = list_nodes(state, order, roots, count, leaves);
    while (status == 0 && order->folded && (looked_at || order->opaque || order->stale)) {
        for (Py_ssize_t i = 0; i < order->count && status == 0; i++) {
            Node *entry = order->nodes[i];
            status = node_write_out(state, is_segment(entry) ? segment_of(order, entry)->chain : entry);
        }
        order_free(order);
        if (status == 0) {
            status = list_nodes(state, order, roots, count, leaves);
        }
    }
    return status;
}

/* Sweep where Python runs: closures, vjps, the checks of anomaly(). */
static int
sweep_calling(State *state, Order *order, int check)
{
    uint64_t work = 0;
    for (Py_ssize_t i = order->count; i-- > 0;) {
        Node *node = order->nodes[i];
        PyObject *done;
        work += 1 + node->count;
        if (check) {
            done = PyObject_CallMethod(state->helpers, "check_backward", "O", node);
        }
        else if (node->op == OP_opaque) {
            done = PyObject_CallMethod(node->pull, "pull", "O", node);
        }
        else {
            op_hand_down(node);
            done = Py_NewRef(Py_None);
        }
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
        if (work >= SIGNALS_EVERY) {
            if (PyErr_CheckSignals() < 0) {
                return -1;
            }
            work = 0;
        }
    }
    return 0;
}

/* Let signal handlers run, if it is time. The work counts from the last look. */
static int
look_at_signals(State *state, Order *order, uint64_t *work, clock_t *looked)
{
    if (*work < SIGNALS_EVERY) {
        return 0;
    }
    *work = 0;
    if (state->open_blocks != NULL) {
        clock_t now = clock();
        if (*looked == 0) { /* the first time */
            *looked = now;
        }
        if (now - *looked < SIGNALS_APART) {
            return 0;
        }
        *looked = now;
        blocks_close(state);
    }
    Sweep here = {order->mark, state->sweeps};
    state->sweeps = &here;
    int status = PyErr_CheckSignals();
    state->sweeps = here.outer;
    return status;
}

/* Sweep without Python. */
static int
sweep(State *state, Order *order)
{
    int status = 0;
    uint64_t work = 0;
    clock_t looked = 0;
    for (Py_ssize_t i = order->count; i-- > 0 && status == 0;) {
        Node *node = order->nodes[i];
        uint32_t from = 0, to = UINT32_MAX;
        if (i >= 8) {
            PREFETCH(order->nodes[i - 8]);
        }
        if (is_segment(node)) {
            Segment *segment = segment_of(order, node);
            node = segment->chain;
            from = segment->from;
            to = segment->to;
        }
        if (node->flags & TOUCHES) {
            blocks_close(state);
        }
        if (node->op == OP_layers) {
            work += layers_hand_down(state, node);
        }
        else if (node->op == OP_chain) {
            to = Py_MIN(to, node->count);
            chain_hand_down(node, from, to);
            work += to - from;
        }
        else {
            op_hand_down(node);
            work += node->count;
        }
        status = look_at_signals(state, order, &work, &looked);
    }
    blocks_close(state);
    return status;
}

PyObject *
value_backward(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = state_of(self);
    Node *root = (Node *)self;
    Py_ssize_t given = nargs + (names ? PyTuple_GET_SIZE(names) : 0);
    double seed = 1.0;
    if (given > 1 ||
        (names && PyTuple_GET_SIZE(names) &&
         PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "grad") != 0)) {
        PyErr_SetString(PyExc_TypeError, "backward() takes one argument, grad");
        return NULL;
    }
    if (given && as_double(state, args[0], &seed) < 0) {
        return NULL;
    }
    int mode = engine_mode(state);
    if (mode < 0) {
        return NULL;
    }
    int check = mode && state->mode_anomaly;
    Order order;
    state->walks++;
    int status = order_of(state, &order, &self, 1, 0, check);
    if (status == 0) {
        root->grad += seed;
        status = order.opaque || check ? sweep_calling(state, &order, check)
                                       : sweep(state, &order);
    }
    walk_ends(state);
    order_free(&order);
    if (status < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* What `_backward` of a node without a closure is: its own rule, one step of the sweep. */
PyObject *
value_hand_down(PyObject *self, PyObject *unused)
{
    Node *node = (Node *)self;
    State *state = state_of(self);
    int status = node_write_out(state, node);
    for (uint32_t i = 0; status == 0 && i < node->count; i++) {
        Node *x = (Node *)Py_NewRef(node_operands(node)[i]); /* the node may lose it meanwhile */
        if (x->op == OP_chain) { /* no sweep follows: its parts keep what they have */
            status = node_write_out(state, x);
        }
        Py_DECREF(x);
    }
    if (status < 0) {
        return NULL;
    }
    if (node->op == OP_opaque) {
        return PyObject_CallMethod(node->pull, "hand_down", "O", node);
    }
    op_hand_down(node);
    Py_RETURN_NONE;
}
