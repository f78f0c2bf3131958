/* Blocks: the parameters of a layer, side by side.
 *
 * Parameters are Values of their own; what the user reads and writes is there.
 * A layer computes on contiguous numbers, so a block keeps a copy of the data,
 * made again when one of them has been written (`stale`), and gathers the
 * gradients while a sweep goes through the layer (`open`). Nothing outside the
 * sweep ever sees an open block.
 *
 * A leaf is in one block at most, and knows it. A leaf that turns into
 * something else breaks its block; what was computed with it is written out
 * before the next traversal, see layers.c.
 */
#include "engine.h"

static void
let_go(Block *block)
{
    for (size_t i = 0; i < block->count; i++) {
        block->nodes[i]->flags &= (uint8_t)~OWNED;
        block->nodes[i]->owner = NULL;
    }
}

/* The block of a leaf that stops being a plain one. */
void
block_break(Node *leaf)
{
    Block *block = leaf->owner;
    block->broken = 1;
    let_go(block);
}

static void
block_dealloc(PyObject *self)
{
    Block *block = (Block *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (!block->broken) {
        let_go(block);
    }
    for (size_t i = 0; i < block->count; i++) {
        Py_DECREF(block->nodes[i]);
    }
    PyMem_Free(block->nodes);
    PyMem_Free(block->rows);
    type->tp_free(self);
    Py_DECREF(type);
}

/* There is no clear: a cycle through a block goes through a dict or a list as well. */
static int
block_traverse(PyObject *self, visitproc visit, void *arg)
{
    Block *block = (Block *)self;
    Py_VISIT(Py_TYPE(self));
    for (size_t i = 0; i < block->count; i++) {
        Py_VISIT(block->nodes[i]);
    }
    return 0;
}

/* The block of these leaves, rows of weights before biases: the one that they are in already,
 * or a new one. NULL without an error set: they cannot be in one. */
Block *
block_of(State *state, PyObject *const *leaves, uint32_t inputs, uint32_t outputs)
{
    size_t weights = (size_t)inputs * outputs, count = weights + outputs;
    if (!IS_OURS(state, leaves[0])) {
        return NULL;
    }
    Block *known = ((Node *)leaves[0])->flags & OWNED ? ((Node *)leaves[0])->owner : NULL;
    for (size_t i = 0; i < count; i++) {
        Node *leaf = (Node *)leaves[i];
        if (known != NULL) {
            if (known->count != count || known->inputs != inputs || known->nodes[i] != leaf) {
                return NULL;
            }
        }
        else if (!IS_OURS(state, leaf) || leaf->op != OP_leaf || leaf->flags & OWNED) {
            return NULL;
        }
    }
    if (known != NULL) {
        return (Block *)Py_NewRef(known);
    }
    Block *block = PyObject_GC_New(Block, state->Block);
    if (block == NULL) {
        return NULL;
    }
    block->inputs = inputs;
    block->outputs = outputs;
    block->count = 0;
    block->stale = 1;
    block->broken = block->open = 0;
    block->next_open = NULL;
    block->nodes = PyMem_New(Node *, count);
    block->rows = PyMem_New(double, 3 * weights + 2 * (size_t)outputs);
    if (block->nodes == NULL || block->rows == NULL) {
        Py_DECREF(block);
        PyErr_NoMemory();
        return NULL;
    }
    block->columns = block->rows + weights;
    block->biases = block->columns + weights;
    block->row_grads = block->biases + outputs;
    block->bias_grads = block->row_grads + weights;
    for (size_t i = 0; i < count; i++) {
        Node *leaf = (Node *)Py_NewRef(leaves[i]);
        block->nodes[block->count++] = leaf;
        if (leaf->flags & OWNED || leaf->op != OP_leaf) { /* twice, or changed meanwhile */
            Py_DECREF(block);
            return NULL;
        }
        leaf->flags |= OWNED;
        leaf->owner = block;
    }
    PyObject_GC_Track(block);
    return block;
}

/* Copy the data again. */
void
block_refresh(Block *block)
{
    Node **node = block->nodes;
    for (uint32_t i = 0; i < block->outputs; i++) {
        for (uint32_t j = 0; j < block->inputs; j++) {
            double x = (*node++)->data;
            block->rows[(size_t)i * block->inputs + j] = x;
            block->columns[(size_t)j * block->outputs + i] = x;
        }
    }
    for (uint32_t i = 0; i < block->outputs; i++) {
        block->biases[i] = (*node++)->data;
    }
    block->stale = 0;
}

/* Gather the gradients: from here to blocks_close the block holds the right ones. */
void
block_open(State *state, Block *block)
{
    if (block->stale) {
        block_refresh(block);
    }
    for (size_t i = 0; i < block->count; i++) { /* the biases' follow the weights' */
        block->row_grads[i] = block->nodes[i]->grad;
    }
    block->open = 1;
    block->next_open = state->open_blocks;
    state->open_blocks = block;
}

/* Give the gradients back to the leaves. */
void
blocks_close(State *state)
{
    while (state->open_blocks != NULL) {
        Block *block = state->open_blocks;
        state->open_blocks = block->next_open;
        block->open = 0;
        for (size_t i = 0; i < block->count; i++) {
            block->nodes[i]->grad = block->row_grads[i];
        }
    }
}

static PyType_Slot block_slots[] = {
    {Py_tp_doc, "The parameters of a layer, side by side."},
    {Py_tp_dealloc, block_dealloc},
    {Py_tp_traverse, block_traverse},
    {0, NULL},
};

PyType_Spec block_spec = {
    .name = "rustygrad_c._engine.Block",
    .basicsize = sizeof(Block),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = block_slots,
};
