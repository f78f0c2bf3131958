/* The traversal and the sweep.
 *
 * Depth first, operands in order, on a stack of our own; a number in the node
 * tells which traversal has seen it last. No Python runs during a traversal, so
 * a closure called in the sweep may itself call backward. The root keeps all of
 * the order alive: what a node loses during a walk, by being initialised again,
 * is kept until the walk ends.
 */
#include "engine.h"

#define SIGNALS_EVERY (1 << 16)

typedef struct {
    Node *node;
    uint32_t next;
} Frame;

static int
grow(void **items, Py_ssize_t *room, size_t size)
{
    Py_ssize_t wanted = *room ? *room * 2 : 256;
    void *larger = PyMem_Realloc(*items, wanted * size);
    if (larger == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *items = larger;
    *room = wanted;
    return 0;
}

/* A node is seen for the first time in a traversal that prepares a sweep. */
static inline void
reset(Order *order, Node *node, uint64_t mark)
{
    if (node->count > 0) { /* a leaf keeps its gradient, with a closure too */
        node->grad = 0.0;
    }
    else if (node->flags & FOLDED) {
        node->grad = 0.0;
        folded_reset(node, mark);
        order->stale |= folded_is_stale(node);
    }
}

/* One traversal. */
static int
list_nodes(State *state, Order *order, PyObject *const *roots, Py_ssize_t count, int leaves)
{
    Frame *stack = NULL;
    Py_ssize_t depth = 0, room = 0;
    uint64_t mark = ++state->traversals;
    *order = (Order){NULL, 0, 0, 0, 0, 0};
    for (Py_ssize_t r = 0; r < count; r++) {
        Node *node = (Node *)roots[r];
        uint32_t next = 0;
        if (node->mark == mark) {
            continue;
        }
        node->mark = mark;
        if (!leaves) {
            reset(order, node, mark);
        }
        for (;;) {
            uint32_t operand_count = node->count;
            Node **operands = node_operands(node);
            Node *below = NULL;
            if (node->flags & FOLDED) {
                operands = folded_inputs(node, &operand_count);
            }
            while (next < operand_count) {
                Node *x = operands[next++];
                if (!leaves && x->op == OP_leaf) {
                    if (x->flags & OWNED) {
                        node->flags |= TOUCHES;
                    }
                    continue;
                }
                if (x->mark != mark) {
                    below = x;
                    break;
                }
            }
            if (below != NULL) {
                if (depth == room && grow((void **)&stack, &room, sizeof(Frame)) < 0) {
                    goto fail;
                }
                stack[depth++] = (Frame){node, next};
                node = below;
                next = 0;
                node->mark = mark;
                if (!leaves) {
                    reset(order, node, mark);
                }
                continue;
            }
            if (order->count == order->room &&
                grow((void **)&order->nodes, &order->room, sizeof(Node *)) < 0) {
                goto fail;
            }
            order->nodes[order->count++] = node;
            order->opaque |= node->op == OP_opaque;
            order->folded |= node->op == OP_folded;
            if (depth == 0) {
                break;
            }
            node = stack[--depth].node;
            next = stack[depth].next;
        }
    }
    PyMem_Free(stack);
    return 0;
fail:
    PyMem_Free(stack);
    PyMem_Free(order->nodes);
    order->nodes = NULL;
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
            status = folded_write_out(state, order->nodes[i]);
        }
        PyMem_Free(order->nodes);
        order->nodes = NULL;
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
    for (Py_ssize_t i = order->count; i-- > 0;) {
        Node *node = order->nodes[i];
        PyObject *done;
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
        if (done == NULL || (i % SIGNALS_EVERY == SIGNALS_EVERY - 1 && PyErr_CheckSignals() < 0)) {
            Py_XDECREF(done);
            return -1;
        }
        Py_DECREF(done);
    }
    return 0;
}

static int
sweep(State *state, Order *order)
{
    int status = 0;
    for (Py_ssize_t i = order->count; i-- > 0 && status == 0;) {
        Node *node = order->nodes[i];
        if (i >= 8) {
            PREFETCH(order->nodes[i - 8]);
        }
        if (node->op == OP_folded) {
            folded_hand_down(state, node);
        }
        else {
            if (node->flags & TOUCHES) {
                blocks_close(state);
            }
            op_hand_down(node);
        }
        if (i % SIGNALS_EVERY == SIGNALS_EVERY - 1) {
            blocks_close(state);
            status = PyErr_CheckSignals();
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
    PyMem_Free(order.nodes);
    if (status < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* What `_backward` of a node of the op table is: one step of the sweep. */
PyObject *
value_hand_down(PyObject *self, PyObject *unused)
{
    Node *node = (Node *)self;
    if (folded_write_out(state_of(self), node) < 0) {
        return NULL;
    }
    if (node->op == OP_opaque) {
        return PyObject_CallMethod(node->pull, "pull", "O", node);
    }
    op_hand_down(node);
    Py_RETURN_NONE;
}
