/* The module: its state, its functions, and the op table that it checks itself against. */
#include "engine.h"

static const char *const NAMES[] = {
#define X(name) #name,
    OP_TABLE(X)
#undef X
};

static PyObject *
get(const char *from, const char *name)
{
    PyObject *source = PyImport_ImportModule(from);
    PyObject *found = source ? PyObject_GetAttrString(source, name) : NULL;
    Py_XDECREF(source);
    return found;
}

/* Take core's op table, and refuse one that this module was not written for. */
static int
take_table(State *state)
{
    PyObject *by_code = get("rustygrad.ops", "by_code");
    state->ops = PyTuple_New(OP_COUNT);
    if (by_code == NULL || state->ops == NULL) {
        Py_XDECREF(by_code);
        return -1;
    }
    for (int i = 0; i < OP_COUNT; i++) {
        PyObject *row = PyObject_CallFunction(by_code, "i", i);
        PyObject *name = row ? PyObject_GetAttrString(row, "name") : NULL;
        PyObject *arity = name ? PyObject_GetAttrString(row, "arity") : NULL;
        if (arity == NULL || PyUnicode_CompareWithASCIIString(name, NAMES[i]) != 0) {
            if (arity != NULL) {
                PyErr_Format(PyExc_ImportError,
                             "rustygrad-c was built for another op table: row %d is %R, not '%s'. "
                             "Install the versions of rustygrad-core and rustygrad-c that go "
                             "together.", i, name, NAMES[i]);
            }
            Py_XDECREF(row);
            Py_XDECREF(name);
            Py_XDECREF(arity);
            Py_DECREF(by_code);
            return -1;
        }
        state->arity[i] = arity == Py_None ? -1 : PyLong_AsSsize_t(arity);
        PyTuple_SET_ITEM(state->ops, i, row);
        Py_DECREF(name);
        Py_DECREF(arity);
    }
    Py_DECREF(by_code);
    return PyErr_Occurred() ? -1 : 0;
}

static int
engine_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    if (take_table(state) < 0) {
        return -1;
    }
    state->current = get("rustygrad.modes", "current");
    state->plain = get("rustygrad.modes", "PLAIN");
    state->as_float = get("rustygrad.convert", "as_float");
    state->helpers = PyImport_ImportModule("rustygrad_c.helpers");
    if (!state->current || !state->plain || !state->as_float || !state->helpers) {
        return -1;
    }
    const struct {
        PyTypeObject **type;
        PyType_Spec *spec;
    } types[] = {{&state->Value, &value_spec}, {&state->Block, &block_spec},
                 {&state->Stack, &stack_spec}, {&state->Record, &record_spec}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        *types[i].type = (PyTypeObject *)PyType_FromModuleAndSpec(module, types[i].spec, NULL);
        if (*types[i].type == NULL) {
            return -1;
        }
    }
    PyObject *empty = PyUnicode_FromString("");
    if (empty == NULL ||
        PyObject_SetAttrString((PyObject *)state->Value, "label", empty) < 0) {
        Py_XDECREF(empty);
        return -1;
    }
    Py_DECREF(empty);
    if (PyModule_AddObjectRef(module, "Stack", (PyObject *)state->Stack) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "Value", (PyObject *)state->Value);
}

static int
engine_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->Value);
    Py_VISIT(state->Block);
    Py_VISIT(state->Stack);
    Py_VISIT(state->Record);
    Py_VISIT(state->current);
    Py_VISIT(state->plain);
    Py_VISIT(state->mode);
    Py_VISIT(state->kept);
    Py_VISIT(state->ops);
    Py_VISIT(state->as_float);
    Py_VISIT(state->helpers);
    return 0;
}

/* Not a clear function: while the collector breaks the cycle of module and type, Values may
 * still be freed, and need the state. The type's own clear breaks it. */
static void
engine_free(void *module)
{
    State *state = PyModule_GetState(module);
    while (state->free_list != NULL) {
        Node *node = state->free_list;
        state->free_list = node->pair[0];
        PyObject_GC_Del(node);
    }
    PyMem_Free(state->listed.items);
    PyMem_Free(state->frames.items);
    Py_CLEAR(state->Value);
    Py_CLEAR(state->Block);
    Py_CLEAR(state->Stack);
    Py_CLEAR(state->Record);
    Py_CLEAR(state->current);
    Py_CLEAR(state->plain);
    Py_CLEAR(state->mode);
    Py_CLEAR(state->kept);
    Py_CLEAR(state->ops);
    Py_CLEAR(state->as_float);
    Py_CLEAR(state->helpers);
}

static PyMethodDef engine_methods[] = {
    {"apply", (PyCFunction)(void (*)(void))engine_apply, METH_FASTCALL,
     "apply($module, op, operands, attribute=None, /)\n--\n\n"
     "The node of any operation of the table, from Values and numbers."},
    {"opaque", engine_opaque, METH_VARARGS, "A node that is no operation of the table."},
    {"make_opaque", engine_make_opaque, METH_VARARGS, "Turn a node into an opaque one."},
    {"columns", engine_columns, METH_VARARGS, "The graph of some roots, in columns."},
    {"stack", engine_stack, METH_VARARGS, "Dense layers, to be evaluated in one call."},
    {"zero_grad", engine_zero_grad, METH_O, "Set the parameters' gradients to 0."},
    {"sgd", engine_sgd, METH_VARARGS, "A step of stochastic gradient descent."},
    {"adam", engine_adam, METH_VARARGS, "A step of Adam, or of AdamW."},
    {"before_collection", engine_before_collection, METH_VARARGS,
     "A callback of gc: track what a full collection has to know."},
    {"rebuild", engine_rebuild, METH_VARARGS, "One node from its record."},
    {NULL},
};

static PyModuleDef_Slot engine_slots[] = {
    {Py_mod_exec, engine_exec},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

struct PyModuleDef engine_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "rustygrad_c._engine",
    .m_doc = "The eager engine in C.",
    .m_size = sizeof(State),
    .m_methods = engine_methods,
    .m_slots = engine_slots,
    .m_traverse = engine_traverse,
    .m_free = engine_free,
};

PyMODINIT_FUNC
PyInit__engine(void)
{
    return PyModuleDef_Init(&engine_module);
}
