/* The type Value: construction, attributes, what it shows. Its operators are in operators.c. */
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

/* --- construction --- */

static PyObject *
value_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (type->tp_flags & Py_TPFLAGS_IS_ABSTRACT) { /* object says what is missing */
        PyObject *nothing = PyTuple_New(0);
        PyObject *refused = nothing ? PyBaseObject_Type.tp_new(type, nothing, NULL) : NULL;
        Py_XDECREF(nothing);
        return refused;
    }
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
    else if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OOO:Value", names, &data, &children,
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
    node_drop_operands(state, node);
    node->role = ROLE_INPUT;
    node->data = number;
    node->grad = 0.0;
    if (state->tracking) {
        node_track(state, node);
    }
    if (children != NULL) {
        PyObject *made =
            PyObject_CallMethod(state->helpers, "by_hand", name ? "OOO" : "OO", self, children, name);
        if (made == NULL) {
            return -1;
        }
        Py_DECREF(made);
    }
    int named = name ? PyObject_IsTrue(name) : 0;
    if (named > 0 && node->op == OP_leaf) { /* a name for its origin */
        PyObject *dict = PyObject_GenericGetDict(self, NULL);
        named = dict ? PyDict_SetItemString(dict, "_op", name) : -1;
        Py_XDECREF(dict);
    }
    int labelled = label ? PyObject_IsTrue(label) : 0;
    if (named < 0 || labelled < 0) {
        return -1;
    }
    return labelled ? PyObject_SetAttrString(self, "label", label) : 0;
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
        if (!IS_VALUE(state, PyTuple_GET_ITEM(items, i))) {
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
        node_drop_operands(state, node);
    }
    if (status == 0) {
        exchange(node, &had);
    }
    node_let_go(state, &had);
    if (status < 0 || cycles_possible(state, node) < 0) {
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
        return text_of(PyObject_GetAttrString(node->pull, "name"));
    }
    if (node->op == OP_leaf && node->dict != NULL) { /* a leaf with a name for its origin */
        PyObject *name = dict_find(node->dict, "_op");
        if (name != NULL || PyErr_Occurred()) {
            return text_of(name);
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

/* Who has the dict may store past the attributes. */
static PyObject *
get_dict(PyObject *self, void *closure)
{
    State *state = state_of(self);
    if (state != NULL && cycles_watch(state) < 0) {
        return NULL;
    }
    return PyObject_GenericGetDict(self, closure);
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
    {"__dict__", get_dict, PyObject_GenericSetDict, NULL, NULL},
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
    if (value == NULL || !PyObject_IS_GC(value) || !stored) {
        return 0;
    }
    State *state = state_of(self);
    return state ? cycles_possible(state, (Node *)self) : 0;
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
    if (IS_ANY_VALUE(other)) {
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
