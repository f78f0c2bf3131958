/* Stacks: dense layers as one function, for as long as they stay what they were.
 *
 * A stack is made from core's description of the layers. Each call looks whether
 * that still holds, takes the inputs over, and makes the results; what lies
 * between them is a record, see layers.c.
 */
#include "layers.h"
#include <stddef.h>
#include <string.h>
#include <structmember.h>

/* --- a call --- */

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
            (count > 0 &&
             memcmp(((PyListObject *)w->list)->ob_item, ((PyTupleObject *)w->items)->ob_item,
                    count * sizeof(PyObject *)) != 0)) {
            return 0;
        }
    }
    return 1;
}

/* Whether an item of the inputs is read without running Python. */
static inline int
is_plain(State *state, PyObject *item)
{
    return PyFloat_CheckExact(item) || IS_OURS(state, item);
}

/* The inputs as a list or tuple of floats and Values, a new reference: what has to be converted
 * may run Python, so that comes before anything else. NULL without an error set: not for us. */
static PyObject *
plain_inputs(State *state, PyObject *inputs)
{
    int listed = PyList_CheckExact(inputs) || PyTuple_CheckExact(inputs);
    Py_ssize_t j = 0;
    if (listed) {
        PyObject **items = PySequence_Fast_ITEMS(inputs);
        while (j < PySequence_Fast_GET_SIZE(inputs) && is_plain(state, items[j])) {
            j++;
        }
        if (j == PySequence_Fast_GET_SIZE(inputs)) {
            return Py_NewRef(inputs);
        }
    }
    else if (!PySequence_Check(inputs) || !PyObject_CheckBuffer(inputs)) {
        return NULL;
    }
    PyObject *list = PySequence_List(inputs);
    if (list == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear(); /* core says what is wrong with them */
    }
    for (j = 0; list != NULL && j < PyList_GET_SIZE(list); j++) {
        PyObject *item = Py_NewRef(PyList_GET_ITEM(list, j)), *number = NULL;
        double x;
        if (!is_plain(state, item)) {
            int known = IS_VALUE(state, item) ? 0 : number_of(state, item, &x);
            number = known > 0 ? PyFloat_FromDouble(x) : NULL;
            if (number == NULL || PyList_SetItem(list, j, number) < 0) {
                Py_CLEAR(list);
            }
        }
        Py_DECREF(item);
    }
    return list;
}

/* Take the inputs over, floats and Values. 1: done, 0: not for us, -1: error. */
static int
take_inputs(State *state, Stack *stack, Record *record, PyObject *inputs)
{
    uint32_t n = stack->inputs, values = 0;
    double *x = record->numbers;
    PyObject **items = PySequence_Fast_ITEMS(inputs);
    if (PySequence_Fast_GET_SIZE(inputs) != n) {
        return 0;
    }
    for (uint32_t j = 0; j < n; j++) { /* allocates nothing, so the items stay what they are */
        PyObject *item = items[j];
        record->inputs[j] = NULL;
        if (PyFloat_CheckExact(item)) {
            x[j] = PyFloat_AS_DOUBLE(item);
        }
        else if (IS_OURS(state, item) && !(((Node *)item)->flags & OWNED)) {
            record->inputs[j] = (Node *)item;
            x[j] = record->inputs[j]->data;
            values++;
        }
        else {
            return 0;
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
            record->inputs[j] = layers_node(state, OP_leaf, x[j], 0.0, stack->layers[0].scope);
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
            node_track(state, node);
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
    if (mode != stack->mode) {
        Py_RETURN_NONE;
    }
    PyObject *items = plain_inputs(state, inputs);
    if (items == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    Record *record = record_new(state, stack);
    PyObject *made = NULL;
    int taken = record ? take_inputs(state, stack, record, items) : -1;
    if (taken > 0 && up_to_date(stack)) { /* not before: the above may run Python */
        made = results(state, stack, record, record_compute(stack, record));
    }
    else if (taken >= 0) {
        made = Py_NewRef(Py_None);
    }
    Py_XDECREF(record);
    Py_DECREF(items);
    return made;
}

/* --- making --- */

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

/* The operation of one operand that follows the dots, OP_leaf for None; -1 with an error. */
static int
take_activation(State *state, PyObject *op)
{
    if (op == Py_None) {
        return OP_leaf;
    }
    PyObject *code = PyObject_GetAttrString(op, "code");
    long number = code ? PyLong_AsLong(code) : -1;
    Py_XDECREF(code);
    if (number > OP_opaque && number < OP_COUNT && state->arity[number] == 1 && number != OP_pow) {
        return (int)number;
    }
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "%R is no operation of one operand", op);
    }
    return -1;
}

/* Take one layer from its leaves and scopes, two tuples. 1: done, 0: it cannot be in a stack,
 * -1: error. */
static int
take_neurons(State *state, Layer *layer, unsigned int inputs, PyObject *leaves, PyObject *scopes)
{
    Py_ssize_t outputs = PyTuple_GET_SIZE(scopes);
    if (inputs < 1 || outputs < 1 || outputs > UINT32_MAX ||
        PyTuple_GET_SIZE(leaves) / outputs != (Py_ssize_t)inputs + 1 ||
        PyTuple_GET_SIZE(leaves) % outputs != 0) {
        PyErr_SetString(PyExc_ValueError, "a layer has a weight for each pair of input and "
                                          "output, and a bias and a scope for each output");
        return -1;
    }
    layer->scopes = PyMem_New(uint32_t, outputs);
    if (layer->scopes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < outputs; i++) {
        layer->scopes[i] = (uint32_t)PyLong_AsUnsignedLong(PyTuple_GET_ITEM(scopes, i));
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    layer->block = block_of(state, &PyTuple_GET_ITEM(leaves, 0), inputs, (uint32_t)outputs);
    return layer->block ? 1 : PyErr_Occurred() ? -1 : 0;
}

/* Take one layer from its record, (inputs, leaves, op or None, scope, scopes); as above.
 * Reading it may run Python, so the lists are copied after that. */
static int
take_layer(State *state, Layer *layer, PyObject *record)
{
    PyObject *leaves, *op, *scopes;
    unsigned int inputs;
    if (!PyTuple_Check(record)) {
        PyErr_Format(PyExc_TypeError, "a layer is a tuple, not %R", record);
        return -1;
    }
    if (!PyArg_ParseTuple(record, "IO!OIO!:layer", &inputs, &PyList_Type, &leaves, &op,
                          &layer->scope, &PyList_Type, &scopes)) {
        return -1;
    }
    layer->activation = take_activation(state, op);
    if (layer->activation < 0) {
        return -1;
    }
    leaves = PyList_AsTuple(leaves);
    scopes = leaves ? PyList_AsTuple(scopes) : NULL;
    int status = scopes ? take_neurons(state, layer, inputs, leaves, scopes) : -1;
    Py_XDECREF(leaves);
    Py_XDECREF(scopes);
    return status;
}

/* Keep the lists that the layers were read from, and what is in them. */
static int
watch(Stack *stack, PyObject *lists)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(lists); i++) {
        PyObject *list = PyTuple_GET_ITEM(lists, i);
        if (!PyList_Check(list)) {
            PyErr_Format(PyExc_TypeError, "only lists can be watched, not %R", list);
            return -1;
        }
        Watched *w = stack->watched + stack->watching;
        w->items = PyList_AsTuple(list);
        if (w->items == NULL) {
            return -1;
        }
        w->list = Py_NewRef(list);
        stack->watching++;
    }
    return 1;
}

/* How large a record is, and where each layer has its numbers there. */
static void
measure(Stack *stack)
{
    stack->inputs = stack->layers[0].block->inputs;
    stack->size = 2 * (size_t)stack->inputs;
    for (Layer *layer = stack->layers; layer < stack->layers + stack->depth; layer++) {
        layer->numbers = stack->size;
        stack->size += width(layer) * (layer->activation == OP_leaf ? 2 : 4);
        stack->outputs = layer->block->outputs;
    }
    stack->room = (Py_ssize_t)(stack->size + stack->inputs + stack->outputs);
}

/* Fill a new stack. 1: done, 0: these layers cannot be in one, -1: error. */
static int
fill(State *state, Stack *stack, PyObject *layers, PyObject *lists)
{
    Py_ssize_t depth = PyTuple_GET_SIZE(layers), watched = PyTuple_GET_SIZE(lists);
    stack->layers = PyMem_Calloc(depth, sizeof(Layer));
    stack->watched = PyMem_Calloc(watched ? watched : 1, sizeof(Watched));
    if (stack->layers == NULL || stack->watched == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t l = 0; l < depth; l++) {
        Layer *layer = stack->layers + stack->depth++;
        int status = take_layer(state, layer, PyTuple_GET_ITEM(layers, l));
        if (status <= 0) {
            return status;
        }
        if (l > 0 && layer->block->inputs != layer[-1].block->outputs) {
            return 0;
        }
    }
    return watch(stack, lists);
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
    if (recording < 0) {
        return NULL;
    }
    if (PyList_GET_SIZE(layers) < 1 || PyList_GET_SIZE(counter) != 1) {
        PyErr_SetString(PyExc_ValueError, "a stack has one layer or more, and one counter");
        return NULL;
    }
    PyObject *counted = Py_NewRef(PyList_GET_ITEM(counter, 0));
    layers = PyList_AsTuple(layers);
    watched = layers ? PyList_AsTuple(watched) : NULL;
    Stack *stack = watched ? PyObject_GC_New(Stack, state->Stack) : NULL;
    int status = -1;
    if (stack != NULL) {
        stack->call = stack_call;
        stack->mode = Py_NewRef(mode);
        stack->counter = Py_NewRef(counter);
        stack->counted = Py_NewRef(counted);
        stack->recording = recording;
        stack->free_records = NULL;
        stack->free_words = 0;
        stack->depth = 0;
        stack->watching = 0;
        status = fill(state, stack, layers, watched);
    }
    Py_DECREF(counted);
    Py_XDECREF(layers);
    Py_XDECREF(watched);
    if (status > 0) {
        measure(stack);
        PyObject_GC_Track(stack);
        return (PyObject *)stack;
    }
    Py_XDECREF(stack);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

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
