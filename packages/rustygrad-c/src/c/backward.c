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

/* Double the room of an array, given by its address. 0, or -1 with an error. */
int
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

/* Take memory over that a traversal left, if there is any. */
static void *
take(Scratch *scratch, Py_ssize_t *room)
{
    void *items = scratch->items;
    *room = items ? scratch->room : 0;
    scratch->items = NULL;
    return items;
}

/* Leave memory to the next traversal: new pages cost as much as the nodes that are listed there. */
static void
leave(Scratch *scratch, void *items, Py_ssize_t room)
{
    if (scratch->items == NULL && room <= FREE_LIST_LIMIT) {
        scratch->items = items;
        scratch->room = room;
    }
    else {
        PyMem_Free(items);
    }
}

void
order_free(State *state, Order *order)
{
    leave(&state->listed, order->nodes, order->room);
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

/* The next of some operands that has to be listed before the node; NULL if all have been. */
static inline Node *
next_of(Node *node, Node **operands, uint32_t count, uint32_t *next, uint64_t mark, int leaves)
{
    for (uint32_t i = *next; i < count; i++) {
        if (is_below(node, operands[i], mark, leaves)) {
            *next = i + 1;
            return operands[i];
        }
    }
    return NULL;
}

/* The same of all operands. Of most nodes there are two at the most, read from where they are
 * without a loop: each step down waits for memory. */
static inline Node *
next_below(Node *node, uint32_t *next, uint64_t mark, int leaves)
{
    uint32_t count = node->count;
    if (!(node->flags & (BLOCK | FOLDED))) {
        if (*next == 0 && count > 0 && is_below(node, node->pair[0], mark, leaves)) {
            *next = 1;
            return node->pair[0];
        }
        if (*next < 2 && count > 1 && is_below(node, node->pair[1], mark, leaves)) {
            *next = 2;
            return node->pair[1];
        }
        return NULL;
    }
    if (node->op == OP_chain) {
        for (uint32_t i = *next; i < 2 * count + 1; i++) {
            Node *x = chain_operand(node, i);
            if (is_below(node, x, mark, leaves)) {
                *next = i + 1;
                return x;
            }
        }
        return NULL;
    }
    if (node->op == OP_layers) {
        Node **inputs = layers_inputs(node, &count);
        return next_of(node, inputs, count, next, mark, leaves);
    }
    return next_of(node, node->block, count, next, mark, leaves);
}

/* One traversal. Inside a sweep, in a signal handler, it is guarded: it must not meet a folded
 * node that the sweep counts on. */
static Py_ALWAYS_INLINE inline int
traverse(State *state, Order *order, PyObject *const *roots, Py_ssize_t count, int leaves,
         int guarded)
{
    Py_ssize_t depth = 0, room;
    Frame *stack = take(&state->frames, &room);
    uint64_t mark = next_marks(state, 1);
    *order = (Order){.mark = mark};
    order->nodes = take(&state->listed, &order->room);
    for (Py_ssize_t r = 0; r < count; r++) {
        Node *node = (Node *)roots[r];
        uint32_t next = 0, from = 0;
        if (node->mark == mark) {
            continue;
        }
        if (guarded && node->flags & FOLDED && node_is_swept(state, node)) {
            goto fail;
        }
        meet(order, node, mark, leaves);
        for (;;) {
            Node *below = next_below(node, &next, mark, leaves);
            while (below != NULL) {
                uint32_t below_next = 0, before = (next - 2) / 2;
                if (guarded && below->flags & FOLDED && node_is_swept(state, below)) {
                    goto fail;
                }
                if (node->op == OP_chain && next > 3 && before > from) {
                    /* the pairs up to here come before what is below */
                    if (append(order, node, from, before) < 0) {
                        goto fail;
                    }
                    from = before;
                }
                meet(order, below, mark, leaves);
                Node *deeper = next_below(below, &below_next, mark, leaves);
                if (deeper == NULL) { /* a node of leaves and of what was listed before */
                    if (append(order, below, 0, below->count) < 0) {
                        goto fail;
                    }
                    below = next_below(node, &next, mark, leaves);
                    continue;
                }
                if (depth == room && grow(&stack, &room, sizeof(Frame)) < 0) {
                    goto fail;
                }
                stack[depth++] = (Frame){node, next, from};
                node = below;
                next = below_next;
                from = 0;
                below = deeper;
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
    leave(&state->frames, stack, room);
    return 0;
fail:
    leave(&state->frames, stack, room);
    order_free(state, order);
    return -1;
}

static int
list_nodes(State *state, Order *order, PyObject *const *roots, Py_ssize_t count, int leaves)
{
    return leaves || state->sweeps
               ? traverse(state, order, roots, count, leaves, state->sweeps != NULL)
               : traverse(state, order, roots, count, 0, 0); /* compiled for what is common */
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
        order_free(state, order);
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

/* Let signal handlers run, if it is time. */
static int
look_at_signals(State *state, Order *order, clock_t *looked)
{
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
    int status = PyErr_CheckSignals(); /* or the collector, and with it another thread */
    Sweep **place = &state->sweeps;
    while (*place != &here) { /* the sweep of another thread may have begun later */
        place = &(*place)->outer;
    }
    *place = here.outer;
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
        if (work >= SIGNALS_EVERY) {
            work = 0;
            status = look_at_signals(state, order, &looked);
        }
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
    order_free(state, &order);
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
