/* What makes nodes: the operators and methods of a Value, and any operation of the table. */
#include "engine.h"

/* --- numbers in --- */

/* 1: a number, 0: something else, -1: error. */
int
number_of(State *state, PyObject *x, double *number)
{
    if (PyFloat_CheckExact(x)) {
        *number = PyFloat_AS_DOUBLE(x);
        return 1;
    }
    if (PyLong_CheckExact(x)) {
        *number = PyLong_AsDouble(x);
        return *number == -1.0 && PyErr_Occurred() ? -1 : 1;
    }
    if (PyFloat_Check(x) || PyLong_Check(x)) { /* a subclass may have a __float__ of its own */
        PyObject *found = PyNumber_Float(x);
        if (found == NULL) {
            return -1;
        }
        *number = PyFloat_AS_DOUBLE(found);
        Py_DECREF(found);
        return 1;
    }
    if (state == NULL) {
        return torn_down();
    }
    PyObject *found = PyObject_CallMethod(state->helpers, "number", "(O)", x);
    if (found == NULL) {
        return -1;
    }
    int is_number = found != Py_None;
    if (is_number) {
        *number = PyFloat_AsDouble(found);
    }
    Py_DECREF(found);
    return is_number;
}

/* The float of what must be a number; core's as_float says what is wrong with the rest. */
int
as_double(State *state, PyObject *x, double *number)
{
    if (PyFloat_CheckExact(x)) {
        *number = PyFloat_AS_DOUBLE(x);
        return 0;
    }
    if (state == NULL) {
        return torn_down();
    }
    PyObject *found = PyObject_CallOneArg(state->as_float, x);
    if (found == NULL) {
        return -1;
    }
    *number = PyFloat_AsDouble(found);
    Py_DECREF(found);
    return 0;
}

static Node *
constant(State *state, double number)
{
    Node *node = node_new(state, OP_leaf, number);
    if (node != NULL) {
        node->role = ROLE_CONSTANT;
        if (state->tracking) {
            node_track(state, node);
        }
    }
    return node;
}

/* A new reference to a Value as it is, or to a constant made of a number. NULL without an
 * error set: neither. */
static Node *
value_operand(State *state, PyObject *x)
{
    if (state == NULL) {
        torn_down();
        return NULL;
    }
    if (IS_VALUE(state, x)) {
        return (Node *)Py_NewRef(x);
    }
    double number;
    return number_of(state, x, &number) == 1 ? constant(state, number) : NULL;
}

/* --- making nodes --- */

static PyObject *
unary(State *state, int op, PyObject *x)
{
    Node *node = node_new(state, op, op_unary(op, ((Node *)x)->data));
    if (node == NULL) {
        return NULL;
    }
    if (((Node *)x)->op == OP_add) {
        chain_absorb(state, (Node *)x);
    }
    node->pair[0] = (Node *)Py_NewRef(x);
    node->count = 1;
    return (PyObject *)node_finish(state, node);
}

/* Steals both operands. */
static inline PyObject *
binary_of(State *state, int op, Node *x, Node *y, double data)
{
    Node *node = node_new(state, op, data);
    if (node == NULL) {
        Py_DECREF(x);
        Py_DECREF(y);
        return NULL;
    }
    node->pair[0] = x;
    node->pair[1] = y;
    node->count = 2;
    return (PyObject *)node_finish(state, node);
}

static PyObject *
binary_slow(int op, PyObject *a, PyObject *b)
{
    State *state = state_of(IS_ANY_VALUE(a) ? a : b);
    Node *x = value_operand(state, a);
    Node *y = x ? value_operand(state, b) : NULL;
    if (y == NULL) {
        Py_XDECREF(x);
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_NotImplemented);
    }
    return binary_of(state, op, x, y, op_binary(op, x->data, y->data));
}

#define BINARY(name, op)                                                                         \
    PyObject *value_##name(PyObject *a, PyObject *b)                                             \
    {                                                                                            \
        if (IS_EXACT(a) && Py_TYPE(a) == Py_TYPE(b)) {                                           \
            State *state = state_of_exact(a);                                                    \
            double data = op_binary(op, ((Node *)a)->data, ((Node *)b)->data);                   \
            return binary_of(state, op, (Node *)Py_NewRef(a), (Node *)Py_NewRef(b), data);       \
        }                                                                                        \
        return binary_slow(op, a, b);                                                            \
    }
BINARY(sub, OP_sub)
BINARY(mul, OP_mul)
BINARY(div, OP_div)

PyObject *
value_add(PyObject *a, PyObject *b)
{
    if (IS_EXACT(a) && Py_TYPE(a) == Py_TYPE(b)) {
        State *state = state_of_exact(a);
        double data = ((Node *)a)->data + ((Node *)b)->data;
        if (state != NULL && ((Node *)a)->op == OP_add) {
            chain_absorb(state, (Node *)a);
        }
        return binary_of(state, OP_add, (Node *)Py_NewRef(a), (Node *)Py_NewRef(b), data);
    }
    if (PyLong_CheckExact(a) && PyLong_AsLong(a) == 0) { /* where sum() starts */
        return Py_NewRef(b);
    }
    PyErr_Clear(); /* an integer too large for a long is not 0 */
    return binary_slow(OP_add, a, b);
}

PyObject *
value_power(PyObject *a, PyObject *b, PyObject *modulus)
{
    if (modulus != Py_None) {
        PyErr_SetString(PyExc_TypeError, "pow() of a Value takes no modulus");
        return NULL;
    }
    State *state = state_of(IS_ANY_VALUE(a) ? a : b);
    if (state == NULL || !IS_VALUE(state, a) || IS_VALUE(state, b)) {
        return binary_slow(OP_power, a, b);
    }
    double exponent;
    int is_number = number_of(state, b, &exponent);
    if (is_number <= 0) {
        return is_number < 0 ? NULL : Py_NewRef(Py_NotImplemented);
    }
    Node *node = node_new(state, OP_pow, op_pow(((Node *)a)->data, exponent));
    if (node == NULL) {
        return NULL;
    }
    node->x = (Node *)Py_NewRef(a);
    node->attribute = exponent;
    node->count = 1;
    return (PyObject *)node_finish(state, node);
}

#define UNARY(name)                                                                              \
    PyObject *value_##name(PyObject *self)                                                       \
    {                                                                                            \
        return unary(state_of(self), OP_##name, self);                                           \
    }
UNARY(neg)
UNARY(abs)
#undef UNARY
#define UNARY(name)                                                                              \
    PyObject *value_##name(PyObject *self, PyObject *unused)                                     \
    {                                                                                            \
        return unary(state_of(self), OP_##name, self);                                           \
    }
UNARY_METHODS(UNARY)

PyObject *
value_pos(PyObject *self)
{
    return Py_NewRef(self);
}

/* Fill a node's operands from a list or tuple of Values and numbers; 0, or -1 with an error.
 * Converting a number may run Python, which may change the list. */
static int
fill(State *state, Node *node, PyObject *items, int block)
{
    Node **operands = node->pair;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
    if (count > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "a node takes fewer than 2**32 operands");
        return -1;
    }
    if (block || count > 2) {
        operands = PyMem_Malloc((count ? count : 1) * sizeof(Node *));
        if (operands == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        node->block = operands;
        node->flags |= BLOCK;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(items, i);
        if (IS_OURS(state, item)) {
            operands[i] = (Node *)Py_NewRef(item);
            node->count++;
            continue;
        }
        Py_INCREF(item);
        Node *x = value_operand(state, item);
        if (x == NULL && !PyErr_Occurred()) {
            Py_XDECREF(PyObject_CallMethod(state->helpers, "refuse", "(O)", item));
        }
        Py_DECREF(item);
        if (x == NULL) {
            return -1;
        }
        operands[i] = x;
        node->count++;
        if (PySequence_Fast_GET_SIZE(items) != count) {
            PyErr_SetString(PyExc_RuntimeError, "the list of operands changed while it was read");
            return -1;
        }
    }
    return 0;
}

/* apply(op, operands, attribute=None): the node of any operation of the table. */
PyObject *
engine_apply(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    State *state = PyModule_GetState(module);
    if (nargs < 2 || nargs > 3) {
        PyErr_SetString(PyExc_TypeError, "apply() takes op, operands and attribute");
        return NULL;
    }
    PyObject *code = PyObject_GetAttrString(args[0], "code");
    long op = code ? PyLong_AsLong(code) : -1;
    Py_XDECREF(code);
    if (op <= OP_opaque || op >= OP_COUNT) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_ValueError, "%R is no operation of the table", args[0]);
        }
        return NULL;
    }
    PyObject *items = PySequence_Fast(args[1], "operands is a sequence of Values and numbers");
    if (items == NULL) {
        return NULL;
    }
    Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
    Py_ssize_t arity = state->arity[op];
    Node *node = NULL;
    if (arity >= 0 ? count != arity : count == 0) {
        PyErr_Format(PyExc_ValueError, "%R takes %zd operands, not %zd", args[0], arity, count);
        goto done;
    }
    double attribute = 0.0;
    if (op == OP_pow && as_double(state, nargs > 2 ? args[2] : Py_None, &attribute) < 0) {
        goto done;
    }
    node = node_new(state, (int)op, 0.0);
    if (node == NULL || fill(state, node, items, arity < 0) < 0) {
        Py_CLEAR(node);
        goto done;
    }
    Node **operands = node_operands(node);
    if (op == OP_pow) {
        node->attribute = attribute;
        node->data = op_pow(operands[0]->data, attribute);
    }
    else if (arity == 1) {
        node->data = op_unary((int)op, operands[0]->data);
    }
    else if (arity == 2) {
        node->data = op_binary((int)op, operands[0]->data, operands[1]->data);
    }
    else {
        node->data = op_many((int)op, operands, node->count);
    }
    node = node_finish(state, node);
done:
    Py_DECREF(items);
    return (PyObject *)node;
}

/* opaque(pull, operands, data): a node that is no operation of the table. */
PyObject *
engine_opaque(PyObject *module, PyObject *args)
{
    State *state = PyModule_GetState(module);
    PyObject *pull, *operands;
    double data;
    if (!PyArg_ParseTuple(args, "OOd:opaque", &pull, &operands, &data)) {
        return NULL;
    }
    PyObject *items = PySequence_Fast(operands, "operands is a sequence of Values and numbers");
    if (items == NULL) {
        return NULL;
    }
    Node *node = node_new(state, OP_opaque, data);
    if (node != NULL) {
        node->pull = NULL;
        if (fill(state, node, items, 1) < 0) {
            Py_CLEAR(node);
        }
    }
    Py_DECREF(items);
    if (node == NULL) {
        return NULL;
    }
    node->pull = Py_NewRef(pull);
    node = node_finish(state, node);
    if (node != NULL && cycles_possible(state, node) < 0) {
        Py_CLEAR(node); /* the pull is a user's function, which may lead back to the node */
    }
    return (PyObject *)node;
}
