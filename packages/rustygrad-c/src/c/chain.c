/* Chains: sums of products without a node for each of them.
 *
 * Most scalar programs add up products, `total = total + w * x`. Of each turn
 * nobody keeps the product, nor the total of the turn before: the only
 * reference to them is that of the new total. Where that is so, the total takes
 * the two factors over and lets the nodes go, and a neuron of sixteen inputs is
 * one node with a block of pairs in place of 32. A chain is folded, as the
 * results of layers.c are: whoever looks inside finds the nodes, written out at
 * that moment.
 *
 * In the order of nodes a product and its total stand after everything that is
 * visited for their factors. So where a factor is met for the first time here,
 * and is no leaf, the order holds the chain in segments, with what is below the
 * factor between them.
 */
#include "engine.h"
#include <math.h>

/* Whether a gradient is as a new node has it; -0.0 was written. */
static inline int
is_untouched(double grad)
{
    return grad == 0.0 && !signbit(grad);
}

/* Whether a node is held by one other node alone, and has nothing that would be lost with it. */
static inline int
is_passing(const Node *node, const Node *holder)
{
    return Py_REFCNT(node) == 1 && node->dict == NULL && node->weakrefs == NULL &&
           node->scope == holder->scope && node->mark == 0 && is_untouched(node->grad) &&
           IS_EXACT(node);
}

/* Make a chain of a sum whose last term is a product that only the sum holds. Where there is no
 * memory for it, it stays as it is. */
void
chain_absorb(State *state, Node *sum)
{
    Node *start = sum->pair[0], *product = sum->pair[1];
    if (product->op != OP_mul || !is_untouched(sum->grad) || !is_passing(product, sum)) {
        return;
    }
    Pair *pairs = NULL;
    uint32_t count = 0;
    if (start->op == OP_chain && start->count < LONGEST_CHAIN && is_passing(start, sum)) {
        pairs = start->pairs;
        count = start->count;
        if (count == 1 || count == 4 || (count > 8 && (count & (count - 1)) == 0)) { /* full */
            pairs = PyMem_Realloc(pairs, (count < 8 ? 4 : 2) * count * sizeof(Pair));
            if (pairs == NULL) {
                return;
            }
            start->pairs = pairs;
        }
        pairs[count - 1].sum = start->data;
        sum->pair[0] = start->start;
        node_recycle(state, start);
    }
    else {
        pairs = PyMem_Malloc(sizeof(Pair));
        if (pairs == NULL) {
            return;
        }
    }
    pairs[count] = (Pair){product->pair[0], product->pair[1], product->data, 0.0};
    node_recycle(state, product);
    sum->op = OP_chain;
    sum->flags |= FOLDED;
    sum->pairs = pairs;
    sum->count = count + 1;
}

/* Let go of all operands. */
void
chain_release(State *state, Node *node)
{
    Node *start = node->start;
    Pair *pairs = node->pairs;
    uint32_t count = node->count;
    node->op = OP_leaf;
    node->flags &= (uint8_t)~FOLDED;
    node->count = 0;
    node->pair[0] = node->pair[1] = NULL;
    node_drop(state, start);
    for (uint32_t k = 0; k < count; k++) { /* the youngest last, see node_let_go */
        node_drop(state, pairs[k].w);
        node_drop(state, pairs[k].x);
    }
    PyMem_Free(pairs);
}

int
chain_visit(Node *node, visitproc visit, void *arg)
{
    Py_VISIT(node->start);
    for (uint32_t k = 0; k < node->count; k++) {
        Py_VISIT(node->pairs[k].w);
        Py_VISIT(node->pairs[k].x);
    }
    return 0;
}

/* Hand the gradient to the factors of some pairs, the last first. What the chain starts with gets
 * its own from the first total, right before the factors of the first product. */
void
chain_hand_down(Node *node, uint32_t from, uint32_t to)
{
    double g = 0.0 + node->grad; /* what each product and each total before the last one gets */
    for (uint32_t k = to; k-- > from;) {
        Node *w = node->pairs[k].w, *x = node->pairs[k].x;
        if (k == 0) {
            node->start->grad += node->count > 1 ? g : node->grad;
        }
        double dw = x->data * g, dx = w->data * g;
        w->grad += dw;
        x->grad += dx;
    }
}

/* Write out the nodes that a chain stands for. 0, or -1 with an error, and then nothing has
 * changed. */
int
chain_write_out(State *state, Node *node)
{
    uint32_t count = node->count;
    double g = 0.0 + node->grad;
    if (node_is_swept(state, node)) {
        return -1;
    }
    Node **made = PyMem_Calloc(2 * (size_t)count, sizeof(Node *));
    if (made == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t k = 0; k < 2 * count - 1; k++) { /* a product, its total, the next product ... */
        made[k] = node_new(state, k % 2 ? OP_add : OP_mul, 0.0);
        if (made[k] == NULL) {
            while (k-- > 0) {
                Py_DECREF(made[k]);
            }
            PyMem_Free(made);
            return -1;
        }
    }
    /* Making nodes may run the collector, and Python, which looks inside and folds the node anew. */
    if (node->op == OP_chain && node->count == count) {
        Node *total = node->start;
        for (uint32_t k = 0; k < count; k++) {
            Pair *pair = node->pairs + k;
            Node *product = made[2 * k], *next = k < count - 1 ? made[2 * k + 1] : node;
            product->data = pair->product;
            product->pair[0] = pair->w;
            product->pair[1] = pair->x;
            product->count = 2;
            if (next != node) {
                next->data = pair->sum;
                next->count = 2;
            }
        }
        PyMem_Free(node->pairs);
        for (uint32_t k = 0; k < count; k++) {
            Node *next = k < count - 1 ? made[2 * k + 1] : node;
            next->pair[0] = total;
            next->pair[1] = made[2 * k];
            total = next;
        }
        node->op = OP_add;
        node->flags &= (uint8_t)~FOLDED;
        node->count = 2;
        for (uint32_t k = 0; k < 2 * count - 1; k++) {
            made[k]->grad = g;
            made[k]->scope = node->scope;
            if (state->tracking) {
                node_track(state, made[k]);
            }
        }
    }
    else {
        for (uint32_t k = 0; k < 2 * count - 1; k++) {
            Py_DECREF(made[k]);
        }
    }
    PyMem_Free(made);
    return node->op == OP_chain ? chain_write_out(state, node) : 0;
}
