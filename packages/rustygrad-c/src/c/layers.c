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
#include "engine.h"
#include <stddef.h>
#include <string.h>
#include <structmember.h>

/* One layer of a stack. */
typedef struct {
    Block *block;
    int activation;     /* an operation of one operand, or OP_leaf for none */
    size_t numbers;     /* where its numbers begin in a record */
    uint32_t *scopes;   /* one a neuron */
    uint32_t scope;     /* of the layer itself */
} Layer;

/* A list that must hold these items, or the stack is out of date. */
typedef struct {
    PyObject *list;
    PyObject *items; /* a tuple */
} Watched;

struct Stack {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *mode;              /* it answers in this mode alone */
    PyObject *counter, *counted; /* a list of one number, and that number when it was made */
    Watched *watched;
    Py_ssize_t watching;
    Layer *layers;
    uint32_t depth;
    uint32_t inputs, outputs;
    int recording; /* the mode records how things are made */
    size_t size;     /* of a record, in numbers */
    Py_ssize_t room; /* the same with its pointers, in words */
    Record *free_records;
};

/* What one call computed. `numbers` holds the inputs' data and gradients, then for each layer
 * those of its dots, and those of its activations where it has any. What the results
 * themselves hold is theirs: the user may change it. */
struct Record {
    PyObject_VAR_HEAD
    Stack *stack;
    Node **results; /* borrowed; NULL for one that is gone */
    Node **inputs;
    int with_nodes; /* whether the inputs are nodes */
    uint64_t mark;  /* the traversal that has seen it last */
    Record *next;   /* in the list of free ones */
    double numbers[];
};

static inline size_t
width(const Layer *layer)
{
    return layer->block->outputs;
}

static inline int
is_last(const Stack *stack, const Layer *layer)
{
    return layer == stack->layers + stack->depth - 1;
}

/* --- records --- */

static Record *
record_new(State *state, Stack *stack)
{
    Record *record = stack->free_records;
    if (record != NULL) {
        stack->free_records = record->next;
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
    record->next = stack->free_records;
    stack->free_records = record;
    Py_DECREF(stack); /* which frees its records */
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
static const double *
compute(Stack *stack, Record *record)
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

/* Whether the stack is still what it was made for. */
static int
up_to_date(Stack *stack)
{
    if (PyList_GET_SIZE(stack->counter) != 1 ||
        PyList_GET_ITEM(stack->counter, 0) != stack->counted) {
        return 0;
    }
    for (uint32_t l = 0; l < stack->depth; l++) {
        if (stack->layers[l].block->broken) {
            return 0;
        }
    }
    for (Watched *w = stack->watched; w < stack->watched + stack->watching; w++) {
        Py_ssize_t count = PyTuple_GET_SIZE(w->items);
        if (PyList_GET_SIZE(w->list) != count ||
            memcmp(((PyListObject *)w->list)->ob_item, ((PyTupleObject *)w->items)->ob_item,
                   count * sizeof(PyObject *)) != 0) {
            return 0;
        }
    }
    return 1;
}

/* A node with its data and gradient, tracked where nodes are. */
static Node *
plain_node(State *state, int op, double data, double grad, uint32_t scope)
{
    Node *node = node_new(state, op, data);
    if (node != NULL) {
        node->grad = grad;
        node->scope = scope;
        if (state->tracking) {
            node_track((PyObject *)node);
        }
    }
    return node;
}

/* Whether it is a list or tuple of floats and Values: reading it runs no Python. */
static int
is_plain(PyObject *inputs)
{
    if (!PyList_CheckExact(inputs) && !PyTuple_CheckExact(inputs)) {
        return 0;
    }
    PyObject **items = PySequence_Fast_ITEMS(inputs);
    for (Py_ssize_t j = 0; j < PySequence_Fast_GET_SIZE(inputs); j++) {
        if (!PyFloat_CheckExact(items[j]) && !IS_EXACT(items[j])) {
            return 0;
        }
    }
    return 1;
}

/* Take the inputs over, numbers or Values. 1: done, 0: not for us, -1: error. */
static int
take_inputs(State *state, Stack *stack, Record *record, PyObject *const *items)
{
    uint32_t n = stack->inputs, values = 0;
    double *x = record->numbers;
    for (uint32_t j = 0; j < n; j++) { /* allocates nothing, so plain items stay what they are */
        record->inputs[j] = NULL;
        if (PyFloat_CheckExact(items[j])) {
            x[j] = PyFloat_AS_DOUBLE(items[j]);
        }
        else if (IS_EXACT(items[j]) && !(((Node *)items[j])->flags & OWNED)) {
            record->inputs[j] = (Node *)items[j];
            x[j] = record->inputs[j]->data;
            values++;
        }
        else {
            int is_number = IS_VALUE(items[j]) ? 0 : number_of(state, items[j], &x[j]);
            if (is_number <= 0) {
                return is_number;
            }
        }
    }
    if (values == 0) {
        memset(x + n, 0, n * sizeof(double));
        return 1;
    }
    for (uint32_t j = 0; j < n; j++) {
        Py_XINCREF(record->inputs[j]);
    }
    int status = 1;
    for (uint32_t j = 0; j < n && status > 0; j++) {
        if (record->inputs[j] == NULL) {
            record->inputs[j] = plain_node(state, OP_leaf, x[j], 0.0, stack->layers[0].scope);
            if (record->inputs[j] == NULL) {
                status = -1;
                break;
            }
            record->inputs[j]->role = ROLE_INPUT;
        }
    }
    for (uint32_t j = 0; j < n && status < 0; j++) {
        Py_XDECREF(record->inputs[j]);
    }
    record->with_nodes = status > 0;
    return status;
}

/* The result of one call: a Value, or a list where there are several. */
static PyObject *
results(State *state, Stack *stack, Record *record, const double *data)
{
    Layer *last = stack->layers + stack->depth - 1;
    PyObject *list = stack->outputs > 1 ? PyList_New(stack->outputs) : NULL;
    if (stack->outputs > 1 && list == NULL) {
        return NULL;
    }
    for (uint32_t k = 0; k < stack->outputs; k++) {
        Node *node = node_new(state, OP_leaf, data[k]);
        if (node == NULL) {
            Py_XDECREF(list);
            return NULL;
        }
        node->scope = last->scopes[k];
        if (stack->recording) {
            node->op = OP_layers;
            node->flags |= FOLDED;
            node->record = (Record *)Py_NewRef(record);
            node->position = k;
            record->results[k] = node;
        }
        else {
            node->role = ROLE_INPUT;
        }
        if (state->tracking) {
            node_track((PyObject *)node);
        }
        if (list == NULL) {
            return (PyObject *)node;
        }
        PyList_SET_ITEM(list, k, (PyObject *)node);
    }
    return list;
}

static PyObject *
stack_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Stack *stack = (Stack *)self;
    State *state = PyType_GetModuleState(Py_TYPE(self));
    if (PyVectorcall_NARGS(nargsf) != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "a stack takes one argument, the inputs");
        return NULL;
    }
    PyObject *mode, *inputs = args[0];
    if (state == NULL) { /* at the end of the interpreter; the error is set */
        return NULL;
    }
    if (PyContextVar_Get(state->current, NULL, &mode) < 0) {
        return NULL;
    }
    Py_DECREF(mode); /* modes live for ever */
    if (mode != stack->mode || !up_to_date(stack) ||
        !(PyList_CheckExact(inputs) || PyTuple_CheckExact(inputs) ||
          (PySequence_Check(inputs) && PyObject_CheckBuffer(inputs)))) {
        Py_RETURN_NONE;
    }
    Record *record = record_new(state, stack); /* first: making it may run the collector */
    if (record == NULL) {
        return NULL;
    }
    PyObject *items = is_plain(inputs) ? Py_NewRef(inputs) : PySequence_List(inputs);
    PyObject *made = NULL;
    int taken = 0;
    if (items != NULL && PySequence_Fast_GET_SIZE(items) == stack->inputs) {
        taken = take_inputs(state, stack, record, PySequence_Fast_ITEMS(items));
    }
    if (taken > 0) {
        made = results(state, stack, record, compute(stack, record));
    }
    else if (taken == 0 && (items != NULL || PyErr_ExceptionMatches(PyExc_TypeError))) {
        PyErr_Clear();
        made = Py_NewRef(Py_None); /* core says what is wrong with these inputs */
    }
    Py_DECREF(record);
    Py_XDECREF(items);
    return made;
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

/* One result; then, after the first one, the layers below it, in each the last neuron first. */
void
layers_hand_down(State *state, Node *node)
{
    Record *record = node->record;
    Stack *stack = record->stack;
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
            if (!(node->flags & FIRST)) {
                return;
            }
        }
        else {
            const double *grads = activations_backward(record, layer);
            for (size_t i = block->outputs; i-- > 0;) {
                neuron_backward(block, i, grads[i], x, x_grads, inputs);
            }
        }
        if (lowest) {
            return;
        }
    }
}

/* --- written out --- */

/* The dot of a neuron; its operands are the bias, then pairs of weight and input. */
static Node *
dot_node(State *state, Block *block, size_t i, Node **x, double data, double grad, uint32_t scope)
{
    size_t n = block->inputs;
    Node **operands = PyMem_New(Node *, 2 * n + 1);
    Node *node = operands ? plain_node(state, OP_dot, data, grad, scope) : NULL;
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
    Node *outer = plain_node(state, layer->activation, last ? 0.0 : out[i],
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
    if (node_is_swept(state, record->mark)) {
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
                           : plain_node(state, OP_leaf, x[count], x[stack->inputs + count],
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

/* --- stacks --- */

static void
stack_dealloc(PyObject *self)
{
    Stack *stack = (Stack *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    while (stack->free_records != NULL) {
        Record *record = stack->free_records;
        stack->free_records = record->next;
        PyObject_GC_Del(record);
    }
    for (uint32_t l = 0; l < stack->depth; l++) {
        Py_XDECREF(stack->layers[l].block);
        PyMem_Free(stack->layers[l].scopes);
    }
    for (Py_ssize_t i = 0; i < stack->watching; i++) {
        Py_XDECREF(stack->watched[i].list);
        Py_XDECREF(stack->watched[i].items);
    }
    PyMem_Free(stack->layers);
    PyMem_Free(stack->watched);
    Py_XDECREF(stack->mode);
    Py_XDECREF(stack->counter);
    Py_XDECREF(stack->counted);
    type->tp_free(self);
    Py_DECREF(type);
}

/* There is no clear, as in block.c: the lists and dicts in a cycle are cleared. */
static int
stack_traverse(PyObject *self, visitproc visit, void *arg)
{
    Stack *stack = (Stack *)self;
    Py_VISIT(Py_TYPE(self));
    for (uint32_t l = 0; l < stack->depth; l++) {
        Py_VISIT(stack->layers[l].block);
    }
    for (Py_ssize_t i = 0; i < stack->watching; i++) {
        Py_VISIT(stack->watched[i].list);
        Py_VISIT(stack->watched[i].items);
    }
    Py_VISIT(stack->mode);
    Py_VISIT(stack->counter);
    return 0;
}

/* Take one layer from its record, (inputs, leaves, op or None, scope, scopes).
 * 1: done, 0: it cannot be in a stack, -1: error. */
static int
take_layer(State *state, Layer *layer, PyObject *record)
{
    PyObject *leaves, *op, *scopes;
    unsigned int inputs, scope;
    if (!PyArg_ParseTuple(record, "IO!OIO!:layer", &inputs, &PyList_Type, &leaves, &op, &scope,
                          &PyList_Type, &scopes)) {
        return -1;
    }
    Py_ssize_t outputs = PyList_GET_SIZE(scopes);
    if (inputs < 1 || outputs < 1 || outputs > UINT32_MAX ||
        PyList_GET_SIZE(leaves) / outputs != (Py_ssize_t)inputs + 1 ||
        PyList_GET_SIZE(leaves) % outputs != 0) {
        PyErr_SetString(PyExc_ValueError, "a layer has a weight for each pair of input and "
                                          "output, and a bias and a scope for each output");
        return -1;
    }
    layer->activation = OP_leaf;
    if (op != Py_None) {
        PyObject *code = PyObject_GetAttrString(op, "code");
        long number = code ? PyLong_AsLong(code) : -1;
        Py_XDECREF(code);
        if (number <= OP_opaque || number >= OP_COUNT || state->arity[number] != 1 ||
            number == OP_pow) {
            if (!PyErr_Occurred()) {
                PyErr_Format(PyExc_ValueError, "%R is no operation of one operand", op);
            }
            return -1;
        }
        layer->activation = (int)number;
    }
    layer->scope = scope;
    layer->scopes = PyMem_New(uint32_t, outputs);
    if (layer->scopes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < outputs; i++) {
        layer->scopes[i] = (uint32_t)PyLong_AsUnsignedLong(PyList_GET_ITEM(scopes, i));
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(leaves); i++) {
        if (!IS_EXACT(PyList_GET_ITEM(leaves, i))) {
            return 0;
        }
    }
    layer->block = block_of(state, ((PyListObject *)leaves)->ob_item, inputs, (uint32_t)outputs);
    return layer->block ? 1 : PyErr_Occurred() ? -1 : 0;
}

/* stack(layers, watched, counter, mode) -> a stack; None: these layers cannot be in one. */
PyObject *
engine_stack(PyObject *module, PyObject *args)
{
    State *state = PyModule_GetState(module);
    PyObject *layers, *watched, *counter, *mode;
    if (!PyArg_ParseTuple(args, "O!O!O!O:stack", &PyList_Type, &layers, &PyList_Type, &watched,
                          &PyList_Type, &counter, &mode)) {
        return NULL;
    }
    PyObject *grad = PyObject_GetAttrString(mode, "grad");
    int recording = grad ? PyObject_IsTrue(grad) : -1;
    Py_XDECREF(grad);
    Py_ssize_t depth = PyList_GET_SIZE(layers), lists = PyList_GET_SIZE(watched);
    if (recording < 0) {
        return NULL;
    }
    if (depth < 1 || PyList_GET_SIZE(counter) != 1) {
        PyErr_SetString(PyExc_ValueError, "a stack has one layer or more, and one counter");
        return NULL;
    }
    Stack *stack = PyObject_GC_New(Stack, state->Stack);
    if (stack == NULL) {
        return NULL;
    }
    stack->call = stack_call;
    stack->mode = Py_NewRef(mode);
    stack->counter = Py_NewRef(counter);
    stack->counted = Py_NewRef(PyList_GET_ITEM(counter, 0));
    stack->recording = recording;
    stack->free_records = NULL;
    stack->depth = 0;
    stack->watching = 0;
    stack->layers = PyMem_Calloc(depth, sizeof(Layer));
    stack->watched = PyMem_Calloc(lists ? lists : 1, sizeof(Watched));
    int status = stack->layers && stack->watched ? 1 : -1;
    if (status < 0) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t l = 0; status > 0 && l < depth; l++) {
        Layer *layer = stack->layers + stack->depth++;
        status = take_layer(state, layer, PyList_GET_ITEM(layers, l));
        if (status > 0 && l > 0 && layer->block->inputs != layer[-1].block->outputs) {
            status = 0;
        }
    }
    for (Py_ssize_t i = 0; status > 0 && i < lists; i++) {
        Watched *w = stack->watched + stack->watching++;
        PyObject *list = PyList_GET_ITEM(watched, i);
        if (!PyList_Check(list)) {
            PyErr_SetString(PyExc_TypeError, "only lists can be watched");
            status = -1;
            break;
        }
        w->list = Py_NewRef(list);
        w->items = PyList_AsTuple(list);
        status = w->items ? 1 : -1;
    }
    if (status <= 0) {
        Py_DECREF(stack);
        return status < 0 ? NULL : Py_NewRef(Py_None);
    }
    stack->inputs = stack->layers[0].block->inputs;
    stack->size = 2 * (size_t)stack->inputs;
    for (Layer *layer = stack->layers; layer < stack->layers + depth; layer++) {
        layer->numbers = stack->size;
        stack->size += width(layer) * (layer->activation == OP_leaf ? 2 : 4);
        stack->outputs = layer->block->outputs;
    }
    stack->room = (Py_ssize_t)(stack->size + stack->inputs + stack->outputs);
    PyObject_GC_Track(stack);
    return (PyObject *)stack;
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

static PyObject *
stack_is_current(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(up_to_date((Stack *)self));
}

static PyMethodDef stack_methods[] = {
    {"is_current", stack_is_current, METH_NOARGS, "Whether nothing it was made from has changed."},
    {NULL},
};

static PyMemberDef stack_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Stack, call), READONLY, NULL},
    {NULL},
};

static PyType_Slot stack_slots[] = {
    {Py_tp_doc, "Dense layers, evaluated in one call."},
    {Py_tp_dealloc, stack_dealloc},
    {Py_tp_traverse, stack_traverse},
    {Py_tp_members, stack_members},
    {Py_tp_methods, stack_methods},
    {Py_tp_call, PyVectorcall_Call},
    {0, NULL},
};

PyType_Spec stack_spec = {
    .name = "rustygrad_c._engine.Stack",
    .basicsize = sizeof(Stack),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = stack_slots,
};
