/* Layers in one call: a stack of dense layers, from inputs to results.
 *
 * A call computes on contiguous numbers and makes the results alone. They are
 * folded: what lies between them and the inputs is a record of numbers, not
 * nodes. Backward goes through records in the order in which it would go
 * through the nodes, so gradients have the same bits. Whoever looks inside
 * (`_prev`, capture, pickle, a closure in the same graph) finds the nodes: they
 * are written out then, and the record is gone.
 *
 * Why the order is the same: the nodes of a record are visited when the first
 * of its results is, and nobody outside can reach them another way. So in the
 * order of nodes they stand right before that first result, and hand down right
 * after it: layer by layer, in each the last neuron first.
 */
#include "layers.h"
#include <string.h>

/* --- records --- */

Record *
record_new(State *state, Stack *stack)
{
    Record *record = stack->free_records;
    if (record != NULL) {
        stack->free_records = record->next;
        stack->free_words -= stack->room;
        (void)PyObject_InitVar((PyVarObject *)record, state->Record, stack->room);
    }
    else {
        record = PyObject_GC_NewVar(Record, state->Record, stack->room);
        if (record == NULL) {
            return NULL;
        }
        record->results = (Node **)(record->numbers + stack->size);
        record->inputs = record->results + stack->outputs;
    }
    memset(record->results, 0, stack->outputs * sizeof(Node *));
    record->stack = (Stack *)Py_NewRef(stack);
    record->mark = 0;
    record->with_nodes = 0;
    return record;
}

static void
record_dealloc(PyObject *self)
{
    Record *record = (Record *)self;
    Stack *stack = record->stack;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (record->with_nodes) {
        for (uint32_t j = 0; j < stack->inputs; j++) {
            Py_DECREF(record->inputs[j]);
        }
    }
    if (stack->free_words + stack->room <= FREE_WORDS_LIMIT) {
        record->next = stack->free_records;
        stack->free_records = record;
        stack->free_words += stack->room;
    }
    else {
        PyObject_GC_Del(record);
    }
    if (Py_REFCNT(stack) > 1) {
        Py_DECREF(stack);
    }
    else { /* its free records go with it, and its lists, which may hold anything */
        drop_outside(PyType_GetModuleState(type), (PyObject *)stack);
    }
    Py_DECREF(type);
}

/* There is no clear, as in block.c. */
static int
record_traverse(PyObject *self, visitproc visit, void *arg)
{
    Record *record = (Record *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(record->stack);
    for (uint32_t j = 0; record->with_nodes && j < record->stack->inputs; j++) {
        Py_VISIT(record->inputs[j]);
    }
    return 0;
}

/* A result lets go of its record. */
void
layers_release(Node *node)
{
    Record *record = node->record;
    node->flags &= (uint8_t)~(FOLDED | FIRST);
    node->op = OP_leaf;
    record->results[node->position] = NULL;
    node->record = NULL;
    node->position = 0;
    Py_DECREF(record);
}

/* The traversal that has seen its record last. */
uint64_t
layers_mark(const Node *node)
{
    return node->record->mark;
}

/* The nodes that a folded result is made of, as far as they are nodes. */
Node **
layers_inputs(Node *node, uint32_t *count)
{
    Record *record = node->record;
    *count = record->with_nodes ? record->stack->inputs : 0;
    return record->inputs;
}

/* The collector has to look at the record too. */
void
layers_track(Node *node)
{
    if (!PyObject_GC_IsTracked((PyObject *)node->record)) {
        PyObject_GC_Track(node->record);
    }
}

/* --- forward --- */

static inline void
layer_forward(const Layer *layer, const double *restrict x, double *restrict total)
{
    const Block *block = layer->block;
    size_t n = block->outputs;
    memcpy(total, block->biases, n * sizeof(double));
    for (uint32_t j = 0; j < block->inputs; j++) {
        const double *restrict w = block->columns + j * n;
        double factor = x[j];
        for (size_t i = 0; i < n; i++) {
            total[i] = total[i] + w[i] * factor;
        }
    }
}

static inline void
activate(int op, const double *restrict total, double *restrict out, size_t n)
{
    if (op == OP_relu) {
        for (size_t i = 0; i < n; i++) {
            out[i] = total[i] <= 0.0 ? 0.0 : total[i];
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = op_unary(op, total[i]);
    }
}

/* Where a layer keeps its numbers in a record: data and gradients of its dots, and of its
 * activations. */
static inline double *
dots(Record *record, const Layer *layer)
{
    return record->numbers + layer->numbers;
}

static inline double *
outs(Record *record, const Layer *layer)
{
    return dots(record, layer) + (layer->activation == OP_leaf ? 0 : 2 * width(layer));
}

/* Compute a record from its inputs' data; where the last numbers lie. */
const double *
record_compute(Stack *stack, Record *record)
{
    const double *x = record->numbers;
    for (Layer *layer = stack->layers; layer < stack->layers + stack->depth; layer++) {
        if (layer->block->stale) {
            block_refresh(layer->block);
        }
        double *total = dots(record, layer), *out = outs(record, layer);
        size_t n = width(layer);
        layer_forward(layer, x, total);
        memset(total + n, 0, n * sizeof(double));
        if (layer->activation != OP_leaf) {
            activate(layer->activation, total, out, n);
            memset(out + n, 0, n * sizeof(double));
        }
        x = out;
    }
    return x;
}

/* --- backward --- */

/* The traversal has come to a folded result: reset what it stands for. */
void
layers_reset(Node *node, uint64_t mark)
{
    Record *record = node->record;
    if (record->mark == mark) {
        node->flags &= (uint8_t)~FIRST;
        return;
    }
    record->mark = mark;
    node->flags |= FIRST;
    for (Layer *layer = record->stack->layers; !is_last(record->stack, layer); layer++) {
        memset(outs(record, layer) + width(layer), 0, width(layer) * sizeof(double));
    }
}

/* Whether the record must be written out before a sweep, because a parameter is no plain leaf
 * any more, or an input has become a parameter. */
int
layers_are_stale(Node *node)
{
    Record *record = node->record;
    for (uint32_t l = 0; l < record->stack->depth; l++) {
        if (record->stack->layers[l].block->broken) {
            return 1;
        }
    }
    for (uint32_t j = 0; record->with_nodes && j < record->stack->inputs; j++) {
        if (record->inputs[j]->flags & OWNED) {
            return 1;
        }
    }
    return 0;
}

/* Hand the gradient of one neuron's dot down. */
static inline void
neuron_backward(Block *block, size_t i, double g, const double *restrict x,
                double *restrict x_grads, Node **inputs)
{
    size_t n = block->inputs;
    const double *restrict w = block->rows + i * n;
    double *restrict w_grads = block->row_grads + i * n;
    if (inputs == NULL) {
        for (size_t j = 0; j < n; j++) {
            w_grads[j] += x[j] * g;
            x_grads[j] += w[j] * g;
        }
    }
    else { /* from the last, for one of them may be there twice */
        for (size_t j = n; j-- > 0;) {
            w_grads[j] += inputs[j]->data * g;
            inputs[j]->grad += w[j] * g;
        }
    }
    block->bias_grads[i] += g;
}

/* Hand the gradients of all activations of a layer to its dots; where those of the dots lie. */
static inline const double *
activations_backward(Record *record, const Layer *layer)
{
    double *total = dots(record, layer), *out = outs(record, layer);
    size_t n = width(layer);
    if (layer->activation == OP_relu) {
        for (size_t i = 0; i < n; i++) {
            total[n + i] = 0.0 + (total[i] > 0.0 ? out[n + i] : 0.0);
        }
    }
    else if (layer->activation != OP_leaf) {
        for (size_t i = 0; i < n; i++) {
            total[n + i] = 0.0 + op_unary_vjp(layer->activation, out[n + i], out[i], total[i]);
        }
    }
    return total + n;
}

/* One result; then, after the first one, the layers below it, in each the last neuron first.
 * How many operands have received gradients. */
uint64_t
layers_hand_down(State *state, Node *node)
{
    Record *record = node->record;
    Stack *stack = record->stack;
    uint64_t work = 0;
    for (Layer *layer = stack->layers + stack->depth - 1;; layer--) {
        Block *block = layer->block;
        int lowest = layer == stack->layers;
        Node **inputs = lowest && record->with_nodes ? record->inputs : NULL;
        double *x = lowest ? record->numbers : outs(record, layer - 1);
        double *x_grads = x + block->inputs;
        if (!block->open) {
            block_open(state, block);
        }
        if (is_last(stack, layer)) {
            double g = node->grad;
            if (layer->activation != OP_leaf) {
                double *total = dots(record, layer) + node->position;
                g = 0.0 + op_unary_vjp(layer->activation, g, node->data, *total);
                total[width(layer)] = g;
            }
            neuron_backward(block, node->position, g, x, x_grads, inputs);
            work += block->inputs;
            if (!(node->flags & FIRST)) {
                return work;
            }
        }
        else {
            const double *grads = activations_backward(record, layer);
            for (size_t i = block->outputs; i-- > 0;) {
                neuron_backward(block, i, grads[i], x, x_grads, inputs);
            }
            work += block->count;
        }
        if (lowest) {
            return work;
        }
    }
}

/* --- written out --- */

/* A node with its data and gradient, tracked where nodes are. */
Node *
layers_node(State *state, int op, double data, double grad, uint32_t scope)
{
    Node *node = node_new(state, op, data);
    if (node != NULL) {
        node->grad = grad;
        node->scope = scope;
        if (state->tracking) {
            node_track(state, node);
        }
    }
    return node;
}

/* The dot of a neuron; its operands are the bias, then pairs of weight and input. */
static Node *
dot_node(State *state, Block *block, size_t i, Node **x, double data, double grad, uint32_t scope)
{
    size_t n = block->inputs;
    Node **operands = PyMem_New(Node *, 2 * n + 1);
    Node *node = operands ? layers_node(state, OP_dot, data, grad, scope) : NULL;
    if (node == NULL) {
        if (operands == NULL) {
            PyErr_NoMemory();
        }
        PyMem_Free(operands);
        return NULL;
    }
    operands[0] = (Node *)Py_NewRef(block->nodes[n * block->outputs + i]);
    for (size_t j = 0; j < n; j++) {
        operands[2 * j + 1] = (Node *)Py_NewRef(block->nodes[i * n + j]);
        operands[2 * j + 2] = (Node *)Py_NewRef(x[j]);
    }
    node->block = operands;
    node->flags |= BLOCK;
    node->count = (uint32_t)(2 * n + 1);
    return node;
}

/* The outermost node of a neuron: its activation, or its dot where it has none. */
static Node *
neuron_node(State *state, Record *record, const Layer *layer, size_t i, Node **x)
{
    const double *total = dots(record, layer), *out = outs(record, layer);
    size_t n = width(layer);
    Node *node = dot_node(state, layer->block, i, x, total[i], total[n + i], layer->scopes[i]);
    if (node == NULL || layer->activation == OP_leaf) {
        return node;
    }
    int last = is_last(record->stack, layer); /* whose numbers are in the results */
    Node *outer = layers_node(state, layer->activation, last ? 0.0 : out[i],
                             last ? 0.0 : out[n + i], layer->scopes[i]);
    if (outer == NULL) {
        Py_DECREF(node);
        return NULL;
    }
    outer->pair[0] = node;
    outer->count = 1;
    return outer;
}

/* Let a folded result be the node that was written out for it. */
static void
take_over(Node *node, Node *written)
{
    layers_release(node);
    node->op = written->op;
    node->flags |= written->flags & BLOCK;
    node->count = written->count;
    node->pair[0] = written->pair[0];
    node->pair[1] = written->pair[1];
    written->op = OP_leaf;
    written->flags &= (uint8_t)~BLOCK;
    written->count = 0;
    written->pair[0] = written->pair[1] = NULL;
    Py_DECREF(written);
}

/* Write out the nodes that a folded result stands for, those of its record's other results
 * too. 0, or -1 with an error, and then nothing has changed. */
int
layers_write_out(State *state, Node *node)
{
    Record *record = node->record;
    Stack *stack = record->stack;
    size_t widest = stack->inputs;
    if (node_is_swept(state, node)) {
        return -1;
    }
    for (uint32_t l = 0; l < stack->depth; l++) {
        widest = Py_MAX(widest, width(&stack->layers[l]));
    }
    Node **below = PyMem_Calloc(2 * widest, sizeof(Node *)), **above = below + widest;
    size_t count = 0; /* of the nodes below */
    int status = below == NULL ? -1 : 0;
    if (below == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    Py_INCREF(record); /* allocating may run the collector, and user code with it */
    for (; status == 0 && count < stack->inputs; count++) {
        const double *x = record->numbers;
        below[count] = record->with_nodes
                           ? (Node *)Py_NewRef(record->inputs[count])
                           : layers_node(state, OP_leaf, x[count], x[stack->inputs + count],
                                        stack->layers[0].scope);
        if (below[count] == NULL) {
            status = -1;
            break;
        }
        if (!record->with_nodes) {
            below[count]->role = ROLE_INPUT;
        }
    }
    for (Layer *layer = stack->layers; status == 0 && layer < stack->layers + stack->depth;
         layer++) {
        size_t made = 0;
        for (; made < width(layer); made++) {
            above[made] = neuron_node(state, record, layer, made, below);
            if (above[made] == NULL) {
                status = -1;
                break;
            }
        }
        for (size_t j = 0; j < count; j++) {
            Py_DECREF(below[j]);
        }
        memcpy(below, above, made * sizeof(Node *));
        count = made;
    }
    for (size_t k = 0; k < count; k++) {
        Node *result = status == 0 ? record->results[k] : NULL;
        if (result == NULL) {
            Py_DECREF(below[k]);
        }
        else {
            take_over(result, below[k]);
        }
    }
    Py_DECREF(record);
    PyMem_Free(below);
    return status;
}

static PyType_Slot record_slots[] = {
    {Py_tp_doc, "What one call of a stack computed."},
    {Py_tp_dealloc, record_dealloc},
    {Py_tp_traverse, record_traverse},
    {0, NULL},
};

PyType_Spec record_spec = {
    .name = "rustygrad_c._engine.Record",
    .basicsize = sizeof(Record),
    .itemsize = sizeof(double),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = record_slots,
};
