/* The cycles that users can make, and the collector.
 *
 * Value is a type that the collector knows, but its nodes start untracked.
 * Through operands a node only reaches older nodes, so no cycle can come of
 * them. The first time a user stores something in a node that may point back
 * (an attribute, a closure), that node is tracked, and all later nodes from
 * their birth. A plain program never pays.
 *
 * A cycle may lead through nodes that are older than that. Each cycle goes
 * through an object that the collector knows. So before a full collection,
 * the nodes that any such object holds are tracked, and all that is below them.
 */
#include "engine.h"
#include <string.h>

void
node_track(State *state, Node *node)
{
    if (node->flags & TRACKED) {
        return;
    }
    if (!PyObject_GC_IsTracked((PyObject *)node)) { /* Python itself may have tracked it */
        PyObject_GC_Track(node);
    }
    node->flags |= TRACKED;
    state->tracked += !(node->flags & FOREIGN);
    if (node->op == OP_layers) {
        layers_track(node);
    }
}

/* At its end; the state may be gone. */
void
node_untrack(State *state, Node *node)
{
    PyObject_GC_UnTrack(node);
    node->flags &= (uint8_t)~TRACKED;
    if (state != NULL) {
        state->tracked -= !(node->flags & FOREIGN);
    }
}

/* Whether there are nodes that the collector does not know. */
static inline int
are_untracked(State *state)
{
    return state->blocks - state->free_count > state->tracked;
}

/* Have the engine called before each full collection, while there is anything to do then; who
 * clears the list of callbacks clears ours. 0, or -1 with an error. */
int
cycles_watch(State *state)
{
    if (!are_untracked(state)) {
        return 0;
    }
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *callbacks = gc ? PyObject_GetAttrString(gc, "callbacks") : NULL;
    PyObject *module = ((PyHeapTypeObject *)state->Value)->ht_module;
    PyObject *ours = callbacks ? PyObject_GetAttrString(module, "before_collection") : NULL;
    int there = ours ? PySequence_Contains(callbacks, ours) : -1;
    PyObject *done = there == 0 ? PyObject_CallMethod(callbacks, "append", "O", ours) : NULL;
    Py_XDECREF(gc);
    Py_XDECREF(callbacks);
    Py_XDECREF(ours);
    Py_XDECREF(done);
    return there > 0 || done != NULL ? 0 : -1;
}

/* A user has stored something in a node that may point back. 0, or -1 with an error. */
int
cycles_possible(State *state, Node *holder)
{
    state->tracking = 1;
    node_track(state, holder);
    return cycles_watch(state);
}

/* Nodes that were just tracked, and what is below them not looked at yet. */
typedef struct {
    State *state;
    Node **nodes;
    Py_ssize_t count, room;
} Pending;

/* Track a node that something holds; a record holds its inputs. */
static int
track_held(PyObject *object, void *arg)
{
    Pending *pending = arg;
    if (Py_TYPE(object) == pending->state->Record) {
        return Py_TYPE(object)->tp_traverse(object, track_held, arg);
    }
    if (Py_TYPE(object) != pending->state->Value || ((Node *)object)->flags & TRACKED) {
        return 0;
    }
    if (pending->count == pending->room &&
        grow(&pending->nodes, &pending->room, sizeof(Node *)) < 0) {
        return -1;
    }
    node_track(pending->state, (Node *)object);
    pending->nodes[pending->count++] = (Node *)object;
    return 0;
}

/* before_collection(phase, info): track what a full collection has to know, see above. */
PyObject *
engine_before_collection(PyObject *module, PyObject *args)
{
    State *state = PyModule_GetState(module);
    const char *phase;
    PyObject *info;
    if (!PyArg_ParseTuple(args, "sO!:before_collection", &phase, &PyDict_Type, &info)) {
        return NULL;
    }
    PyObject *generation = PyDict_GetItemString(info, "generation");
    if (strcmp(phase, "start") != 0 || generation == NULL || PyLong_AsLong(generation) != 2 ||
        !are_untracked(state)) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *known = gc ? PyObject_CallMethod(gc, "get_objects", NULL) : NULL;
    Py_XDECREF(gc);
    if (known == NULL) {
        return NULL;
    }
    Pending pending = {.state = state};
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(known); i++) {
        PyObject *object = PyList_GET_ITEM(known, i);
        status = Py_TYPE(object)->tp_traverse(object, track_held, &pending);
        while (status == 0 && pending.count > 0) {
            status = node_visit_operands(pending.nodes[--pending.count], track_held, &pending);
        }
    }
    PyMem_Free(pending.nodes);
    Py_DECREF(known);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

int
node_visit_operands(Node *node, visitproc visit, void *arg)
{
    if (node->op == OP_layers) {
        Py_VISIT(node->record);
        return 0;
    }
    if (node->op == OP_chain) {
        return chain_visit(node, visit, arg);
    }
    Node **operands = node_operands(node);
    for (uint32_t i = 0; i < node->count; i++) {
        Py_VISIT(operands[i]);
    }
    if (node->op == OP_opaque) {
        Py_VISIT(node->pull);
    }
    return 0;
}

int
value_traverse(PyObject *self, visitproc visit, void *arg)
{
    Node *node = (Node *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(node->dict);
    return node_visit_operands(node, visit, arg);
}

int
value_clear(PyObject *self)
{
    Node *node = (Node *)self;
    Py_CLEAR(node->dict);
    node_drop_operands(state_of(self), node); /* initialised again, it may reach itself */
    return 0;
}
