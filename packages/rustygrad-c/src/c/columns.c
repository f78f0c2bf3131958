/* Capture and rebuilding: a graph leaves and enters the engine as columns of bytes. */
#include "engine.h"
#include <math.h>

enum { OP, OFFSETS, OPERANDS, ATTRIBUTE, DATA, GRAD, ROLE, SCOPE, COLUMNS };

/* A column as bytes with room for `count` entries; NULL on error. */
static PyObject *
column(Py_ssize_t count, size_t size)
{
    return PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)size);
}

/* Keep the text of what a node is called, a new reference or NULL; -1 on error. */
static int
take_text(PyObject *name, PyObject *texts, PyObject *index)
{
    int given = name ? PyObject_IsTrue(name) : 0;
    PyObject *text = given > 0 ? text_of(Py_NewRef(name)) : NULL;
    if (text != NULL && PyDict_SetItem(texts, index, text) < 0) {
        given = -1;
    }
    Py_XDECREF(text);
    Py_XDECREF(name);
    return given < 0 || PyErr_Occurred() ? -1 : 0;
}

/* columns(roots) -> (columns, labels, names, sources, outputs, nodes or None)
 *
 * The marks of the traversal are replaced by positions, so that an operand's index is
 * read from the operand itself. What may run Python, such as the collector, comes before
 * the traversal or after the last look at a mark. */
PyObject *
engine_columns(PyObject *module, PyObject *args)
{
    State *state = PyModule_GetState(module);
    PyObject *roots, *result = NULL, *labels = NULL, *names = NULL, *sources = NULL;
    PyObject *outputs = NULL, *list = NULL;
    PyObject *columns[COLUMNS] = {NULL};
    Order order = {0};
    int with_nodes = 0;
    if (!PyArg_ParseTuple(args, "O|p:columns", &roots, &with_nodes)) {
        return NULL;
    }
    roots = PySequence_Tuple(roots);
    if (roots == NULL) {
        return NULL;
    }
    state->walks++;
    PyObject **items = &PyTuple_GET_ITEM(roots, 0);
    Py_ssize_t given = PyTuple_GET_SIZE(roots);
    outputs = PyTuple_New(given);
    if (outputs == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < given; i++) {
        if (!IS_VALUE(state, items[i])) {
            PyErr_Format(PyExc_TypeError, "roots are Values of the backend 'c', not %R", items[i]);
            goto done;
        }
    }
    if (order_of(state, &order, items, given, 1, 1) < 0) {
        goto done;
    }
    Py_ssize_t edges = 0, count = order.count;
    uint64_t base = next_marks(state, (uint64_t)count);
    for (Py_ssize_t i = 0; i < count; i++) {
        edges += order.nodes[i]->count;
        order.nodes[i]->mark = base + (uint64_t)i;
    }
    const size_t sizes[COLUMNS] = {1, 8, 8, 8, 8, 8, 1, 4};
    for (int c = 0; c < COLUMNS; c++) {
        columns[c] = column(c == OPERANDS ? edges : c == OFFSETS ? count + 1 : count, sizes[c]);
        if (columns[c] == NULL) {
            goto done;
        }
    }
    uint8_t *op = (uint8_t *)PyBytes_AS_STRING(columns[OP]);
    uint8_t *role = (uint8_t *)PyBytes_AS_STRING(columns[ROLE]);
    uint64_t *offsets = (uint64_t *)PyBytes_AS_STRING(columns[OFFSETS]);
    uint64_t *operands = (uint64_t *)PyBytes_AS_STRING(columns[OPERANDS]);
    double *attribute = (double *)PyBytes_AS_STRING(columns[ATTRIBUTE]);
    double *data = (double *)PyBytes_AS_STRING(columns[DATA]);
    double *grad = (double *)PyBytes_AS_STRING(columns[GRAD]);
    uint32_t *scope = (uint32_t *)PyBytes_AS_STRING(columns[SCOPE]);
    uint64_t edge = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Node *node = order.nodes[i];
        Node **below = node_operands(node);
        op[i] = node->op;
        role[i] = node->role;
        data[i] = node->data;
        grad[i] = node->grad;
        scope[i] = (uint32_t)node->scope;
        attribute[i] = node->op == OP_pow ? node->attribute : NAN;
        offsets[i] = edge;
        for (uint32_t k = 0; k < node->count; k++) {
            uint64_t j = below[k]->mark - base;
            if (j >= (uint64_t)i) {
                Py_XDECREF(PyObject_CallMethod(state->helpers, "refuse_cycle", "O", node));
                goto done;
            }
            operands[edge++] = j;
        }
    }
    offsets[count] = edge;
    for (Py_ssize_t i = 0; i < given; i++) {
        PyObject *index = PyLong_FromUnsignedLongLong(((Node *)items[i])->mark - base);
        if (index == NULL) {
            goto done;
        }
        PyTuple_SET_ITEM(outputs, i, index);
    }
    labels = PyDict_New();
    names = PyDict_New();
    sources = PyDict_New();
    list = with_nodes ? PyList_New(count) : Py_NewRef(Py_None);
    if (labels == NULL || names == NULL || sources == NULL || list == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; with_nodes && i < count; i++) {
        PyList_SET_ITEM(list, i, Py_NewRef(order.nodes[i]));
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Node *node = order.nodes[i];
        if (IS_EXACT(node) && node->dict == NULL && node->op != OP_opaque) {
            continue;
        }
        PyObject *index = PyLong_FromSsize_t(i), *name = NULL;
        int status = index == NULL ? -1 : 0;
        if (status == 0 && !IS_EXACT(node)) { /* its class may have a label */
            status = take_text(PyObject_GetAttrString((PyObject *)node, "label"), labels, index);
        }
        else if (status == 0 && node->dict != NULL) {
            status = take_text(dict_find(node->dict, "label"), labels, index);
        }
        if (status == 0 && node->dict != NULL && node->op == OP_leaf) {
            status = take_text(dict_find(node->dict, "_path"), names, index);
        }
        if (status == 0 && node->dict != NULL) {
            status = take_text(dict_find(node->dict, "_source"), sources, index);
        }
        if (status == 0 && node->op == OP_opaque) {
            name = text_of(PyObject_GetAttrString(node->pull, "name"));
            status = name == NULL ? -1 : PyDict_SetItem(names, index, name);
        }
        Py_XDECREF(index);
        Py_XDECREF(name);
        if (status < 0) {
            goto done;
        }
    }
    result = Py_BuildValue("((OOOOOOOO)OOOOO)", columns[0], columns[1], columns[2], columns[3],
                           columns[4], columns[5], columns[6], columns[7], labels, names, sources,
                           outputs, list);
done:
    for (int c = 0; c < COLUMNS; c++) {
        Py_XDECREF(columns[c]);
    }
    Py_XDECREF(labels);
    Py_XDECREF(names);
    Py_XDECREF(sources);
    Py_XDECREF(outputs);
    Py_XDECREF(list);
    order_free(state, &order);
    walk_ends(state);
    Py_DECREF(roots);
    return result;
}

/* rebuild(cls, code, operands, data, grad, attribute or role or pull, scope): one node. */
PyObject *
engine_rebuild(PyObject *module, PyObject *args)
{
    State *state = PyModule_GetState(module);
    PyTypeObject *type;
    PyObject *operands, *extra;
    int op;
    unsigned int scope;
    double data, grad;
    if (!PyArg_ParseTuple(args, "O!iO!ddOI:rebuild", &PyType_Type, &type, &op, &PyTuple_Type,
                          &operands, &data, &grad, &extra, &scope)) {
        return NULL;
    }
    if (!PyType_IsSubtype(type, state->Value) || op < 0 || op >= OP_COUNT) {
        PyErr_SetString(PyExc_ValueError, "not the record of a node");
        return NULL;
    }
    Node *node = node_of_type(state, type);
    if (node == NULL) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(operands);
    node->data = data;
    node->grad = grad;
    node->scope = scope;
    node->role = ROLE_INPUT;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!IS_VALUE(state, PyTuple_GET_ITEM(operands, i))) {
            PyErr_SetString(PyExc_ValueError, "not the record of a node");
            Py_DECREF(node);
            return NULL;
        }
    }
    if (op == OP_leaf) {
        PyObject_SetAttrString((PyObject *)node, "_role", extra);
    }
    else {
        Py_ssize_t arity = state->arity[op];
        if (op != OP_opaque && (arity >= 0 ? count != arity : count == 0)) {
            PyErr_SetString(PyExc_ValueError, "not the record of a node");
            Py_DECREF(node);
            return NULL;
        }
        Node **place = node->pair;
        if (arity < 0 || count > 2) {
            place = PyMem_Malloc((count ? count : 1) * sizeof(Node *));
            if (place == NULL) {
                Py_DECREF(node);
                return PyErr_NoMemory();
            }
            node->block = place;
            node->flags |= BLOCK;
        }
        for (Py_ssize_t i = 0; i < count; i++) {
            place[i] = (Node *)Py_NewRef(PyTuple_GET_ITEM(operands, i));
        }
        node->count = (uint32_t)count;
        node->op = (uint8_t)op;
        node->role = ROLE_NONE;
        if (op == OP_opaque) {
            node->pull = Py_NewRef(extra);
        }
        else if (op == OP_pow) {
            node->attribute = PyFloat_AsDouble(extra);
        }
    }
    if (state->tracking) {
        node_track(state, node);
    }
    if (PyErr_Occurred() || (op == OP_opaque && cycles_possible(state, node) < 0)) {
        Py_CLEAR(node);
    }
    return (PyObject *)node;
}
