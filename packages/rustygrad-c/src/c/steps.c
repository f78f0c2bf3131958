/* The optimisers' steps: core's formulas (rustygrad/optim.py), in its order of operations.
 *
 * Each takes the list of parameters, and gives False where one of them is no plain Value of
 * this engine; nothing has changed then, and core goes its own way.
 */
#include "engine.h"
#include <math.h>

/* The parameters of a list; NULL where they are not all ours, one is there twice, or they are no
 * longer as many. */
static PyObject *const *
parameters_of(State *state, PyObject *list, Py_ssize_t count)
{
    PyObject *const *items = ((PyListObject *)list)->ob_item;
    if (PyList_GET_SIZE(list) != count) {
        return NULL;
    }
    uint64_t mark = next_marks(state, 1);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        Node *node = (Node *)items[i];
        if (!IS_OURS(state, node) || node->flags & FOLDED || node->mark == mark) {
            return NULL;
        }
        node->mark = mark;
    }
    return items;
}

static inline void
write_data(Node *parameter, double data)
{
    parameter->data = data;
    if (parameter->flags & OWNED) {
        parameter->owner->stale = 1;
    }
}

/* The numbers of a writable buffer of `count` doubles; NULL with an error for anything else. */
static double *
numbers_of(PyObject *object, Py_buffer *view, Py_ssize_t count)
{
    if (PyObject_GetBuffer(object, view, PyBUF_CONTIG | PyBUF_FORMAT) < 0) {
        return NULL;
    }
    if (view->format != NULL && view->format[0] == 'd' && view->format[1] == '\0' &&
        view->ndim == 1 && view->len == count * (Py_ssize_t)sizeof(double)) {
        return view->buf;
    }
    PyErr_Format(PyExc_ValueError, "an optimiser's state is a buffer of %zd doubles", count);
    PyBuffer_Release(view);
    return NULL;
}

/* zero_grad(parameters) */
PyObject *
engine_zero_grad(PyObject *module, PyObject *list)
{
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "parameters is a list of Values");
        return NULL;
    }
    State *state = PyModule_GetState(module);
    PyObject *const *items = parameters_of(state, list, PyList_GET_SIZE(list));
    for (Py_ssize_t i = 0; items != NULL && i < PyList_GET_SIZE(list); i++) {
        ((Node *)items[i])->grad = 0.0;
    }
    return PyBool_FromLong(items != NULL);
}

/* sgd(parameters, velocity or None, fresh, lr, momentum, weight_decay) */
PyObject *
engine_sgd(PyObject *module, PyObject *args)
{
    PyObject *list, *velocity_state;
    int fresh;
    double lr, momentum, decay, *velocity = NULL;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "O!Opddd:sgd", &PyList_Type, &list, &velocity_state, &fresh, &lr, &momentum,
                          &decay)) {
        return NULL;
    }
    Py_ssize_t count = PyList_GET_SIZE(list);
    if (velocity_state != Py_None) {
        velocity = numbers_of(velocity_state, &view, count);
        if (velocity == NULL) {
            return NULL;
        }
    }
    PyObject *const *items = parameters_of(PyModule_GetState(module), list, count);
    for (Py_ssize_t i = 0; items != NULL && i < count; i++) {
        Node *p = (Node *)items[i];
        double g = p->grad;
        if (decay != 0.0) {
            g = g + decay * p->data;
        }
        if (velocity != NULL) {
            g = fresh ? g : momentum * velocity[i] + g;
            velocity[i] = g;
        }
        write_data(p, p->data - lr * g);
    }
    if (velocity != NULL) {
        PyBuffer_Release(&view);
    }
    return PyBool_FromLong(items != NULL);
}

/* adam(parameters, mean, square, rate, spread, beta1, beta2, eps, weight_decay, shrink) */
PyObject *
engine_adam(PyObject *module, PyObject *args)
{
    PyObject *list, *mean_state, *square_state;
    double rate, spread, beta1, beta2, eps, decay, shrink;
    Py_buffer mean_view, square_view;
    if (!PyArg_ParseTuple(args, "O!OOddddddd:adam", &PyList_Type, &list, &mean_state,
                          &square_state, &rate, &spread, &beta1, &beta2, &eps, &decay, &shrink)) {
        return NULL;
    }
    Py_ssize_t count = PyList_GET_SIZE(list);
    double *mean = numbers_of(mean_state, &mean_view, count);
    if (mean == NULL) {
        return NULL;
    }
    double *square = numbers_of(square_state, &square_view, count);
    if (square == NULL) {
        PyBuffer_Release(&mean_view);
        return NULL;
    }
    PyObject *const *items = parameters_of(PyModule_GetState(module), list, count);
    for (Py_ssize_t i = 0; items != NULL && i < count; i++) {
        Node *p = (Node *)items[i];
        double x = p->data * shrink, g = p->grad;
        if (decay != 0.0) {
            g = g + decay * x;
        }
        mean[i] = beta1 * mean[i] + (1.0 - beta1) * g;
        square[i] = beta2 * square[i] + (1.0 - beta2) * g * g;
        write_data(p, x - rate * (mean[i] / (sqrt(square[i]) / spread + eps)));
    }
    PyBuffer_Release(&mean_view);
    PyBuffer_Release(&square_view);
    return PyBool_FromLong(items != NULL);
}
