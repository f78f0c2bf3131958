/* The type Value: construction, operators, methods, attributes. */
#include "engine.h"
#include <structmember.h>

int
value_is_subclass(PyTypeObject *type)
{
    for (; type != NULL; type = type->tp_base) {
        if (type->tp_dealloc == value_dealloc) {
            return 1;
        }
    }
    return 0;
}

static State *
state_of_type(PyTypeObject *type)
{
    while (type->tp_dealloc != value_dealloc) {
        type = type->tp_base;
    }
    PyObject *module = ((PyHeapTypeObject *)type)->ht_module;
    return module ? (State *)PyModule_GetState(module) : NULL;
}

State *
state_of(PyObject *value)
{
    return state_of_type(Py_TYPE(value));
}

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
            node_track((PyObject *)node);
        }
    }
    return node;
}

/* A new reference to a Value as it is, or to a constant made of a number. NULL without an
 * error set: neither. */
static Node *
value_operand(State *state, PyObject *x)
{
    if (IS_VALUE(x)) {
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
    State *state = state_of(IS_VALUE(a) ? a : b);
    Node *x = value_operand(state, a);
    Node *y = x ? value_operand(state, b) : NULL;
    if (y == NULL) {
        Py_XDECREF(x);
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_NotImplemented);
    }
    return binary_of(state, op, x, y, op_binary(op, x->data, y->data));
}

#define BINARY(name, op)                                                                         \
    static PyObject *value_##name(PyObject *a, PyObject *b)                                      \
    {                                                                                            \
        if (IS_EXACT(a) && IS_EXACT(b)) {                                                        \
            State *state = state_of_exact(a);                                                    \
            double data = op_binary(op, ((Node *)a)->data, ((Node *)b)->data);                   \
            return binary_of(state, op, (Node *)Py_NewRef(a), (Node *)Py_NewRef(b), data);       \
        }                                                                                        \
        return binary_slow(op, a, b);                                                            \
    }
BINARY(sub, OP_sub)
BINARY(mul, OP_mul)
BINARY(div, OP_div)

static PyObject *
value_add(PyObject *a, PyObject *b)
{
    if (IS_EXACT(a) && IS_EXACT(b)) {
        State *state = state_of_exact(a);
        double data = ((Node *)a)->data + ((Node *)b)->data;
        if (((Node *)a)->op == OP_add) {
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

static PyObject *
value_power(PyObject *a, PyObject *b, PyObject *modulus)
{
    if (modulus != Py_None) {
        PyErr_SetString(PyExc_TypeError, "pow() of a Value takes no modulus");
        return NULL;
    }
    if (!IS_VALUE(a) || IS_VALUE(b)) {
        return binary_slow(OP_power, a, b);
    }
    State *state = state_of(a);
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
    static PyObject *value_##name(PyObject *self)                                                \
    {                                                                                            \
        return unary(state_of(self), OP_##name, self);                                           \
    }
UNARY(neg)
UNARY(abs)
#undef UNARY
#define UNARY(name)                                                                              \
    static PyObject *value_##name(PyObject *self, PyObject *unused)                              \
    {                                                                                            \
        return unary(state_of(self), OP_##name, self);                                           \
    }
UNARY(relu)
UNARY(tanh)
UNARY(sigmoid)
UNARY(exp)
UNARY(log)
UNARY(sqrt)
UNARY(sin)
UNARY(cos)

static PyObject *
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
        if (IS_EXACT(item)) {
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
    if (node != NULL && node_track_reachable(state, (PyObject *)node, pull) < 0) {
        Py_CLEAR(node); /* the pull is a user's function, which may lead back to the node */
    }
    return (PyObject *)node;
}

/* --- construction --- */

static PyObject *
value_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Node *node = node_of_type(state_of_type(type), type);
    if (node != NULL) {
        node->role = ROLE_INPUT;
    }
    return (PyObject *)node;
}

static int
value_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "_children", "_op", "label", NULL};
    State *state = state_of(self);
    Node *node = (Node *)self;
    PyObject *data, *children = NULL, *name = NULL, *label = NULL;
    double number = 0.0;
    if (kwargs == NULL && PyTuple_GET_SIZE(args) == 1) {
        data = PyTuple_GET_ITEM(args, 0);
    }
    else if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OUU:Value", names, &data, &children,
                                          &name, &label)) {
        return -1;
    }
    if (as_double(state, data, &number) < 0) {
        return -1;
    }
    int mode = engine_mode(state); /* not before: a thread that runs meanwhile has another one */
    if (mode < 0 || node_keep_operands(state, node) < 0) {
        return -1;
    }
    if (mode) { /* else it keeps that of its first initialisation, as the reference does */
        node->scope = state->mode_scope;
    }
    node_drop_operands(node);
    node->role = ROLE_INPUT;
    node->data = number;
    node->grad = 0.0;
    if (state->tracking) {
        node_track(self);
    }
    if (children != NULL) {
        PyObject *made = PyObject_CallMethod(state->helpers, "by_hand", "OOO", self, children,
                                             name ? name : Py_None);
        if (made == NULL) {
            return -1;
        }
        Py_DECREF(made);
    }
    if (name != NULL && PyUnicode_GET_LENGTH(name) && node->op == OP_leaf) {
        PyObject *dict = PyObject_GenericGetDict(self, NULL); /* a name for its origin */
        int status = dict ? PyDict_SetItemString(dict, "_op", name) : -1;
        Py_XDECREF(dict);
        if (status < 0) {
            return -1;
        }
    }
    if (label != NULL && PyUnicode_GET_LENGTH(label)) {
        return PyObject_SetAttrString(self, "label", label);
    }
    return 0;
}

static PyObject *
get_prev(PyObject *self, void *closure)
{
    Node *node = (Node *)self;
    PyObject *tuple;
    for (;;) { /* making the tuple may run the collector, and that Python, which changes the node */
        if (node_write_out(state_of(self), node) < 0) {
            return NULL;
        }
        tuple = PyTuple_New(node->count);
        if (tuple == NULL ||
            (PyTuple_GET_SIZE(tuple) == node->count && !(node->flags & FOLDED))) {
            break;
        }
        Py_DECREF(tuple);
    }
    for (uint32_t i = 0; tuple != NULL && i < node->count; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(node_operands(node)[i]));
    }
    return tuple;
}

/* Give a node another operation and its operands, for its own. */
static void
exchange(Node *node, Node *other)
{
    Node had = *node;
    node->op = other->op;
    node->role = ROLE_NONE;
    node->flags = (node->flags & (TRACKED | FOREIGN)) | other->flags;
    node->count = other->count;
    node->block = other->block;
    node->pull = other->pull;
    *other = had;
}

/* make_opaque(value, pull, operands or None): turn a node into an opaque one, in place. */
PyObject *
engine_make_opaque(PyObject *module, PyObject *args)
{
    State *state = PyModule_GetState(module);
    PyObject *self, *pull, *operands;
    if (!PyArg_ParseTuple(args, "O!OO:make_opaque", state->Value, &self, &pull, &operands)) {
        return NULL;
    }
    Node *node = (Node *)self;
    PyObject *items = operands == Py_None ? get_prev(self, NULL) : PySequence_Tuple(operands);
    if (items == NULL) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(items);
    Node **block = PyMem_Malloc((count ? count : 1) * sizeof(Node *));
    if (block == NULL) {
        Py_DECREF(items);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!IS_VALUE(PyTuple_GET_ITEM(items, i))) {
            PyErr_SetString(PyExc_TypeError, "operands are Values of this backend");
            for (Py_ssize_t j = 0; j < i; j++) {
                Py_DECREF(block[j]);
            }
            PyMem_Free(block);
            Py_DECREF(items);
            return NULL;
        }
        block[i] = (Node *)Py_NewRef(PyTuple_GET_ITEM(items, i));
    }
    Py_DECREF(items);
    Node had = {.op = OP_opaque, .flags = BLOCK, .count = (uint32_t)count, .block = block,
                .pull = Py_NewRef(pull)};
    int status = node_keep_operands(state, node);
    if (status == 0 && node->flags & (FOLDED | OWNED)) { /* folded anew, by what ran meanwhile */
        node_drop_operands(node);
    }
    if (status == 0) {
        exchange(node, &had);
    }
    node_let_go(&had);
    if (status < 0 || node_track_reachable(state, self, pull) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- attributes --- */

static PyObject *
get_data(PyObject *self, void *closure)
{
    return PyFloat_FromDouble(((Node *)self)->data);
}

static int
refuse_delete(PyObject *value, const char *name)
{
    if (value == NULL) {
        PyErr_Format(PyExc_AttributeError, "cannot delete %s of a Value", name);
        return -1;
    }
    return 0;
}

static int
set_data(PyObject *self, PyObject *value, void *closure)
{
    if (refuse_delete(value, "data") < 0) {
        return -1;
    }
    Node *node = (Node *)self;
    if (as_double(state_of(self), value, &node->data) < 0) {
        return -1;
    }
    if (node->flags & OWNED) {
        node->owner->stale = 1;
    }
    return 0;
}

static PyObject *
get_grad(PyObject *self, void *closure)
{
    return PyFloat_FromDouble(((Node *)self)->grad);
}

static int
set_grad(PyObject *self, PyObject *value, void *closure)
{
    if (refuse_delete(value, "grad") < 0) {
        return -1;
    }
    Node *node = (Node *)self;
    State *state = state_of(self);
    double grad = 0.0;
    if (value != Py_None && as_double(state, value, &grad) < 0) {
        return -1;
    }
    if (node->op == OP_chain && node_write_out(state, node) < 0) { /* its parts keep theirs */
        return -1;
    }
    node->grad = grad;
    return 0;
}

static PyObject *
get_op(PyObject *self, void *closure)
{
    Node *node = (Node *)self;
    State *state = state_of(self);
    if (node_write_out(state, node) < 0) {
        return NULL;
    }
    if (node->op == OP_opaque) {
        return PyObject_GetAttrString(node->pull, "name");
    }
    if (node->op == OP_leaf && node->dict != NULL) { /* a leaf with a name for its origin */
        PyObject *name = dict_find(node->dict, "_op");
        if (name != NULL || PyErr_Occurred()) {
            return name;
        }
    }
    if (state == NULL) {
        torn_down();
        return NULL;
    }
    PyObject *row = PyTuple_GET_ITEM(state->ops, node->op);
    if (node->op == OP_pow) {
        return PyObject_CallMethod(row, "display", "d", node->attribute);
    }
    return PyObject_GetAttrString(row, "symbol");
}

static const char *const ROLES[] = {"", "input", "constant", "parameter"};

static PyObject *
get_role(PyObject *self, void *closure)
{
    return PyUnicode_FromString(ROLES[((Node *)self)->role]);
}

static int
set_role(PyObject *self, PyObject *value, void *closure)
{
    Node *node = (Node *)self;
    if (refuse_delete(value, "_role") < 0) {
        return -1;
    }
    for (int i = 1; i < 4 && PyUnicode_Check(value); i++) {
        if (PyUnicode_CompareWithASCIIString(value, ROLES[i]) == 0) {
            if (node->op == OP_leaf) {
                node->role = (uint8_t)i;
            }
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "a role is 'input', 'constant' or 'parameter', not %R", value);
    return -1;
}

static PyObject *
get_backward(PyObject *self, void *closure)
{
    Node *node = (Node *)self;
    if (node->op == OP_opaque) {
        PyObject *assigned = PyObject_GetAttrString(node->pull, "closure");
        if (assigned != Py_None) {
            return assigned;
        }
        Py_DECREF(assigned);
    }
    return PyObject_GetAttrString(self, "_hand_down");
}

static int
set_backward(PyObject *self, PyObject *value, void *closure)
{
    if (refuse_delete(value, "_backward") < 0) {
        return -1;
    }
    State *state = state_of(self);
    if (state == NULL) {
        return torn_down();
    }
    PyObject *done = PyObject_CallMethod(state->helpers, "assign_backward", "OO", self, value);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* The row of the op table. */
static PyObject *
get_rule(PyObject *self, void *closure)
{
    State *state = state_of(self);
    if (node_write_out(state, (Node *)self) < 0) {
        return NULL;
    }
    if (state == NULL) {
        torn_down();
        return NULL;
    }
    return Py_NewRef(PyTuple_GET_ITEM(state->ops, ((Node *)self)->op));
}

static PyObject *
get_scope(PyObject *self, void *closure)
{
    return PyLong_FromLong(((Node *)self)->scope);
}

static PyObject *
get_attribute(PyObject *self, void *closure)
{
    Node *node = (Node *)self;
    if (node_write_out(state_of(self), node) < 0) {
        return NULL;
    }
    switch (node->op) {
    case OP_leaf: return get_role(self, closure);
    case OP_opaque: return Py_NewRef(node->pull);
    case OP_pow: return PyFloat_FromDouble(node->attribute);
    default: Py_RETURN_NONE;
    }
}

static PyGetSetDef value_getset[] = {
    {"data", get_data, set_data, "The number, a float.", NULL},
    {"grad", get_grad, set_grad, "d(root)/d(this), as backward() of the root left it.", NULL},
    {"_prev", get_prev, NULL, "The operands, in order.", NULL},
    {"_op", get_op, NULL, "The operation that made this node; '' for a leaf.", NULL},
    {"_role", get_role, set_role, "What a leaf is.", NULL},
    {"_rule", get_rule, NULL, "The operation's row of the op table.", NULL},
    {"_scope", get_scope, NULL, "The number of the scope it was made in.", NULL},
    {"_attribute", get_attribute, NULL, "An exponent, a leaf's role, an opaque node's Pull.", NULL},
    {"_backward", get_backward, set_backward, "Hands the gradient to the operands.", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL},
};

static PyMemberDef value_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Node, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Node, weakrefs), READONLY, NULL},
    {NULL},
};

/* Free attributes may point anywhere, so from here on the collector has to look. */
static int
value_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    if (PyObject_GenericSetAttr(self, name, value) < 0) {
        return -1;
    }
    int stored = ((Node *)self)->dict != NULL || !IS_EXACT(self); /* in a slot of a subclass */
    if (value != NULL && PyObject_IS_GC(value) && stored && state_of(self) != NULL) {
        return node_track_reachable(state_of(self), self, value);
    }
    return 0;
}

/* --- what a Value shows --- */

static PyObject *
value_repr(PyObject *self)
{
    PyObject *data = get_data(self, NULL), *grad = get_grad(self, NULL), *text = NULL;
    if (data != NULL && grad != NULL) {
        text = PyUnicode_FromFormat("Value(data=%R, grad=%R)", data, grad);
    }
    Py_XDECREF(data);
    Py_XDECREF(grad);
    return text;
}

static PyObject *
value_format(PyObject *self, PyObject *spec)
{
    if (PyUnicode_Check(spec) && PyUnicode_GET_LENGTH(spec) == 0) {
        return PyObject_Str(self);
    }
    PyObject *data = get_data(self, NULL);
    PyObject *text = data ? PyObject_Format(data, spec) : NULL;
    Py_XDECREF(data);
    return text;
}

static PyObject *
value_richcompare(PyObject *self, PyObject *other, int how)
{
    if (how == Py_EQ || how == Py_NE) {
        Py_RETURN_NOTIMPLEMENTED; /* identity */
    }
    double x = ((Node *)self)->data, y;
    if (IS_VALUE(other)) {
        y = ((Node *)other)->data;
    }
    else {
        int is_number = number_of(state_of(self), other, &y);
        if (is_number <= 0) {
            return is_number < 0 ? NULL : Py_NewRef(Py_NotImplemented);
        }
    }
    Py_RETURN_RICHCOMPARE(x, y, how);
}

static Py_hash_t
value_hash(PyObject *self)
{
    return PyBaseObject_Type.tp_hash(self);
}

static PyObject *
value_helper(PyObject *self, const char *name)
{
    State *state = state_of(self);
    if (state == NULL) {
        torn_down();
        return NULL;
    }
    return PyObject_CallMethod(state->helpers, name, "O", self);
}

static PyObject *
value_copy(PyObject *self, PyObject *unused)
{
    return value_helper(self, "clone");
}

static PyObject *
value_reduce(PyObject *self, PyObject *protocol)
{
    return value_helper(self, "reduce");
}

static PyObject *
value_setstate(PyObject *self, PyObject *state)
{
    State *engine = state_of(self);
    if (engine == NULL) {
        torn_down();
        return NULL;
    }
    return PyObject_CallMethod(engine->helpers, "restore", "OO", self, state);
}

static PyMethodDef value_methods[] = {
    {"relu", value_relu, METH_NOARGS, "max(self, 0); its derivative at 0 is 0."},
    {"tanh", value_tanh, METH_NOARGS, "The hyperbolic tangent."},
    {"sigmoid", value_sigmoid, METH_NOARGS, "1 / (1 + exp(-self)), without overflow."},
    {"exp", value_exp, METH_NOARGS, "e to the power of self; inf where that is too large."},
    {"log", value_log, METH_NOARGS, "The natural logarithm; -inf at 0 and nan below."},
    {"sqrt", value_sqrt, METH_NOARGS, "The square root; nan below 0."},
    {"sin", value_sin, METH_NOARGS, "The sine of an angle in radians."},
    {"cos", value_cos, METH_NOARGS, "The cosine of an angle in radians."},
    {"backward", (PyCFunction)(void (*)(void))value_backward, METH_FASTCALL | METH_KEYWORDS,
     "backward($self, /, grad=1.0)\n--\n\n"
     "Fill in the gradient of everything that this Value was made of."},
    {"_hand_down", value_hand_down, METH_NOARGS, "Hand this node's gradient to its operands."},
    {"__format__", value_format, METH_O, NULL},
    {"__copy__", value_copy, METH_NOARGS, NULL},
    {"__reduce_ex__", value_reduce, METH_O, NULL},
    {"__setstate__", value_setstate, METH_O, NULL},
    {NULL},
};

static PyType_Slot value_slots[] = {
    {Py_tp_doc, "Value(data, _children=(), _op='', label='')\n--\n\n"
                "A real number that remembers how it was made."},
    {Py_tp_new, value_new},
    {Py_tp_init, value_init},
    {Py_tp_dealloc, value_dealloc},
    {Py_tp_free, PyObject_GC_Del},
    {Py_tp_traverse, value_traverse},
    {Py_tp_clear, value_clear},
    {Py_tp_getset, value_getset},
    {Py_tp_members, value_members},
    {Py_tp_methods, value_methods},
    {Py_tp_setattro, value_setattro},
    {Py_tp_repr, value_repr},
    {Py_tp_richcompare, value_richcompare},
    {Py_tp_hash, value_hash},
    {Py_nb_add, value_add},
    {Py_nb_subtract, value_sub},
    {Py_nb_multiply, value_mul},
    {Py_nb_true_divide, value_div},
    {Py_nb_power, value_power},
    {Py_nb_negative, value_neg},
    {Py_nb_positive, value_pos},
    {Py_nb_absolute, value_abs},
    {0, NULL},
};

PyType_Spec value_spec = {
    .name = "rustygrad_c._engine.Value",
    .basicsize = sizeof(Node),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = value_slots,
};
