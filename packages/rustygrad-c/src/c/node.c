/* Making and freeing nodes.
 *
 * Nodes of the exact type come from a free list in the module's state, so a
 * training loop reuses the same memory in the order in which it was used.
 * Freeing nodes never recurses: what a dying one held alone waits in a list.
 *
 * Freeing may run Python: finalisers, callbacks of weak references. While it
 * does, the list is empty and nobody waits, so what dies there is freed at
 * once, whichever thread it is in.
 */
#include "engine.h"

/* The interpreter is being finalised: the type has lost its module, and so its state. */
int
torn_down(void)
{
    PyErr_SetString(PyExc_RuntimeError, "the backend 'c' is being torn down with the interpreter");
    return -1;
}

/* A new reference; NULL without an error set: not there. */
PyObject *
dict_find(PyObject *dict, const char *key)
{
    PyObject *name = PyUnicode_FromString(key);
    PyObject *found = name ? Py_XNewRef(PyDict_GetItemWithError(dict, name)) : NULL;
    Py_XDECREF(name);
    return found;
}

/* The text of an object; takes its reference over, NULL with an error. */
PyObject *
text_of(PyObject *object)
{
    PyObject *text = object ? PyObject_Str(object) : NULL;
    Py_XDECREF(object);
    return text;
}

/* Read the mode of this thread into the state. 1: not plain, 0: plain, -1: error. */
int
engine_mode(State *state)
{
    PyObject *mode;
    if (state == NULL) {
        return torn_down();
    }
    if (PyContextVar_Get(state->current, NULL, &mode) < 0) {
        return -1;
    }
    if (mode == state->plain || mode == state->mode) {
        Py_DECREF(mode);
        return mode != state->plain;
    }
    long said[3];
    const char *names[3] = {"scope", "special", "anomaly"};
    for (int i = 0; i < 3; i++) {
        PyObject *attribute = PyObject_GetAttrString(mode, names[i]);
        said[i] = attribute ? PyLong_AsLong(attribute) : -1;
        Py_XDECREF(attribute);
        if (PyErr_Occurred()) {
            Py_DECREF(mode);
            return -1;
        }
    }
    Py_XSETREF(state->mode, mode);
    state->mode_scope = (uint32_t)said[0];
    state->mode_special = (int)said[1];
    state->mode_anomaly = (int)said[2];
    return 1;
}

/* Memory for a node of the exact type, where the free list has none; NULL with an error. */
Node *
node_allocate(State *state)
{
    if (state == NULL) {
        torn_down();
        return NULL;
    }
    Node *node = PyObject_GC_New(Node, state->Value);
    state->blocks += node != NULL;
    return node;
}

/* The same for a subclass too: a leaf, whose memory Python provides, and tracks. */
Node *
node_of_type(State *state, PyTypeObject *type)
{
    if (type->tp_dealloc == value_dealloc) {
        return node_new(state, OP_leaf, 0.0);
    }
    Node *node = (Node *)type->tp_alloc(type, 0); /* all zero, which is a leaf */
    if (node != NULL) {
        node->flags = TRACKED | FOREIGN;
    }
    return node;
}

/* What a mode that is not plain asks of a new node, see node_finish. */
Node *
node_finish_in_mode(State *state, Node *node)
{
    int mode = engine_mode(state);
    if (mode <= 0) {
        if (mode < 0) {
            Py_CLEAR(node);
        }
        return node;
    }
    node->scope = state->mode_scope;
    if (state->mode_special) {
        PyObject *mode_now = Py_NewRef(state->mode);
        PyObject *done = PyObject_CallMethod(state->helpers, "observe", "OO", node, mode_now);
        int leaf = done != NULL && PyObject_IsTrue(done);
        Py_DECREF(mode_now);
        Py_XDECREF(done);
        if (done == NULL) {
            Py_DECREF(node);
            return NULL;
        }
        if (leaf) { /* no_grad */
            node_drop_operands(state, node);
            node->role = ROLE_INPUT;
        }
    }
    return node;
}

/* Whether a sweep that lets signal handlers run goes through a folded node, and counts on it;
 * with an error then. */
int
node_is_swept(State *state, const Node *node)
{
    for (Sweep *sweep = state ? state->sweeps : NULL; sweep != NULL; sweep = sweep->outer) {
        if (node->mark == sweep->mark ||
            (node->op == OP_layers && layers_mark(node) == sweep->mark)) {
            PyErr_SetString(PyExc_RuntimeError, "backward() is going through this node: look "
                                                "inside it, assign to it, or go backward from "
                                                "it, when that is done");
            return 1;
        }
    }
    return 0;
}

/* Let a folded node be what it stands for. 0, or -1 with an error, and then nothing has changed. */
int
node_write_out(State *state, Node *node)
{
    switch (node->op) {
    case OP_layers: return layers_write_out(state, node);
    case OP_chain: return chain_write_out(state, node);
    default: return 0;
    }
}

static inline uintptr_t
distance(const Node *a, const Node *b)
{
    return a > b ? (uintptr_t)a - (uintptr_t)b : (uintptr_t)b - (uintptr_t)a;
}

/* Whether a node is made of leaves alone. */
static inline int
is_low(const Node *node)
{
    return !(node->flags & (BLOCK | FOLDED)) &&
           (node->count < 1 || node->pair[0]->op == OP_leaf) &&
           (node->count < 2 || node->pair[1]->op == OP_leaf);
}

/* Of the two operands of a dying node that die with it: whether the first is likely the younger.
 * Memory is reused in the order of use if the younger one is freed first. In `c + a * b` that is
 * the product, which ends soon; else it is the one that lies nearer. */
static inline int
first_is_younger(const Node *node, const Node *x, const Node *y)
{
    int x_is_low = is_low(x), y_is_low = is_low(y);
    return x_is_low != y_is_low ? x_is_low : distance(node, x) < distance(node, y);
}

/* What waits for a deallocation. */
typedef struct {
    Node *doomed;
    int dooming;
} Waiting;

/* Before what may run Python inside a deallocation: nobody waits meanwhile. */
static Waiting
step_outside(State *state)
{
    if (state == NULL) {
        return (Waiting){NULL, 0};
    }
    Waiting waiting = {state->doomed, state->dooming};
    state->doomed = NULL;
    state->dooming = 0;
    return waiting;
}

static void
step_inside(State *state, Waiting waiting)
{
    if (state != NULL) {
        state->doomed = waiting.doomed;
        state->dooming = waiting.dooming;
    }
}

/* Drop a reference to something that may run Python when it goes. */
void
drop_outside(State *state, PyObject *object)
{
    Waiting waiting = step_outside(state);
    Py_XDECREF(object);
    step_inside(state, waiting);
}

/* Drop a reference to a node; one of a subclass may have a finaliser. */
void
node_drop(State *state, Node *node)
{
    if (Py_REFCNT(node) > 1 || IS_EXACT(node)) {
        Py_DECREF(node);
    }
    else {
        drop_outside(state, (PyObject *)node);
    }
}

/* Let go of what a node's operation holds. */
void
node_let_go(State *state, const Node *node)
{
    uint32_t count = node->count;
    if (node->op == OP_opaque) {
        drop_outside(state, node->pull);
    }
    if (node->flags & BLOCK) {
        Node **block = node->block;
        for (uint32_t i = 0; i < count; i++) {
            node_drop(state, block[i]);
        }
        PyMem_Free(block);
        return;
    }
    Node *x = node->pair[0], *y = count > 1 ? node->pair[1] : NULL;
    if (count > 1) {
        if (Py_REFCNT(x) == 1 && Py_REFCNT(y) == 1 && x != y && first_is_younger(node, x, y)) {
            Node *other = x;
            x = y;
            y = other;
        }
        node_drop(state, x);
        node_drop(state, y); /* of those that wait the last comes first */
    }
    else if (count > 0) {
        node_drop(state, x);
    }
}

/* Free the memory of a node of the exact type that holds nothing any more. */
void
node_recycle(State *state, Node *node)
{
    PyTypeObject *type = Py_TYPE(node);
    if (node->flags & TRACKED) {
        node_untrack(state, node);
    }
    if (state->free_count < FREE_LIST_LIMIT && !(node->flags & FOREIGN)) {
        node->pair[0] = state->free_list;
        state->free_list = node;
        state->free_count++;
    }
    else {
        state->blocks -= !(node->flags & FOREIGN);
        PyObject_GC_Del(node);
    }
    Py_DECREF(type);
}

/* Make a leaf of a node that lives on. What it held is freed last, for that may run Python. */
void
node_drop_operands(State *state, Node *node)
{
    if (node->flags & (FOLDED | OWNED)) {
        if (node->op == OP_layers) {
            layers_release(node);
        }
        else if (node->op == OP_chain) {
            chain_release(state, node);
        }
        else {
            block_break(node);
        }
        return;
    }
    Node had = *node;
    node->op = OP_leaf;
    node->flags &= (uint8_t)~BLOCK;
    node->count = 0;
    node->pair[0] = node->pair[1] = NULL;
    node_let_go(state, &had);
}

/* Before a node loses its operands: a walk over the graph counts on them, so keep them
 * until it ends. 0, or -1 with an error. */
int
node_keep_operands(State *state, Node *node)
{
    if (state->walks == 0) {
        return 0;
    }
    if (state->kept == NULL) {
        PyObject *kept = PyList_New(0);
        if (kept == NULL) {
            return -1;
        }
        Py_XSETREF(state->kept, kept);
    }
    if (node->op == OP_layers) {
        return PyList_Append(state->kept, (PyObject *)node->record);
    }
    int chain = node->op == OP_chain;
    for (uint32_t i = 0; i < (chain ? 2 * node->count + 1 : node->count); i++) {
        Node *x = chain ? chain_operand(node, i) : node_operands(node)[i];
        if (PyList_Append(state->kept, (PyObject *)x) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The end of a walk that began with `state->walks++`. */
void
walk_ends(State *state)
{
    if (--state->walks == 0) {
        Py_CLEAR(state->kept);
    }
}

/* Free what a dead node holds, and its memory. */
static void
node_free(State *state, Node *node)
{
    PyTypeObject *type = Py_TYPE(node);
    if (node->weakrefs != NULL) {
        Waiting waiting = step_outside(state);
        PyObject_ClearWeakRefs((PyObject *)node);
        step_inside(state, waiting);
    }
    if (node->dict != NULL) {
        PyObject *dict = node->dict;
        node->dict = NULL;
        drop_outside(state, dict);
    }
    if (node->flags & (FOLDED | OWNED)) {
        node_drop_operands(state, node);
    }
    else {
        node_let_go(state, node);
    }
    if (state != NULL && IS_EXACT(node)) {
        node_recycle(state, node);
        return;
    }
    if (state != NULL && !(node->flags & FOREIGN)) { /* its class was assigned */
        state->blocks--;
    }
    type->tp_free(node);
    Py_DECREF(type);
}

/* tp_dealloc of the exact type; subclasses come here from their own. */
void
value_dealloc(PyObject *self)
{
    Node *node = (Node *)self;
    State *state = state_of(self);
    if (node->flags & TRACKED) {
        node_untrack(state, node);
    }
    else if (!IS_EXACT(self)) {
        PyObject_GC_UnTrack(self);
    }
    if (state == NULL) { /* at the end of the interpreter: no list to wait in */
        Py_TRASHCAN_BEGIN(self, value_dealloc)
        node_free(NULL, node);
        Py_TRASHCAN_END
        return;
    }
    if (state->dooming) { /* inside another deallocation: wait for it */
        node->doomed = state->doomed;
        state->doomed = node;
        return;
    }
    state->dooming = 1;
    Py_INCREF(state->Value); /* the last node must not take type and state with it */
    PyTypeObject *type = state->Value;
    for (;;) {
        node_free(state, node);
        node = state->doomed;
        if (node == NULL) {
            break;
        }
        state->doomed = node->doomed;
    }
    state->dooming = 0;
    Py_DECREF(type);
}
