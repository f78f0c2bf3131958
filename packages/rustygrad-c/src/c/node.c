/* Making and freeing nodes.
 *
 * Nodes of the exact type come from a free list in the module's state, so a
 * training loop reuses the same memory in the order in which it was used.
 * Freeing never recurses: what a dying node held alone waits in a list.
 *
 * Value is a type that the collector knows, but its nodes start untracked.
 * Through operands a node only reaches older nodes, so no cycle can come of
 * them. The first time a user stores something in a node that may point back
 * (an attribute, a closure), the holder and every node reachable from it are
 * tracked, and all later nodes from their birth. A plain program never pays.
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

void
node_track(PyObject *node)
{
    if (!(((Node *)node)->flags & TRACKED)) {
        PyObject_GC_Track(node);
        ((Node *)node)->flags |= TRACKED;
        if (((Node *)node)->op == OP_layers) {
            layers_track((Node *)node);
        }
    }
}

/* Memory for a node of the exact type, where the free list has none; NULL with an error. */
Node *
node_allocate(State *state)
{
    if (state == NULL) {
        torn_down();
        return NULL;
    }
    return PyObject_GC_New(Node, state->Value);
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
            node_drop_operands(node);
            node->role = ROLE_INPUT;
        }
    }
    return node;
}

/* Whether a sweep is going through folded nodes with this mark, and counts on them; with an
 * error then. */
int
node_is_swept(State *state, uint64_t mark)
{
    if (state == NULL || state->sweeping == 0 || mark != state->sweeping) {
        return 0;
    }
    PyErr_SetString(PyExc_RuntimeError, "backward() is going through this node: look inside it, "
                                        "or assign to it, when that is done");
    return 1;
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

/* Let go of what a node's operation holds. */
void
node_let_go(const Node *node)
{
    uint32_t count = node->count;
    if (node->op == OP_opaque) {
        Py_XDECREF(node->pull);
    }
    if (node->flags & BLOCK) {
        Node **block = node->block;
        for (uint32_t i = 0; i < count; i++) {
            Py_DECREF(block[i]);
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
        Py_DECREF(x);
        Py_DECREF(y); /* of those that wait the last comes first */
    }
    else if (count > 0) {
        Py_DECREF(x);
    }
}

/* Free the memory of a node of the exact type that holds nothing any more. */
void
node_recycle(State *state, Node *node)
{
    PyTypeObject *type = Py_TYPE(node);
    if (node->flags & TRACKED) {
        PyObject_GC_UnTrack(node);
    }
    if (state->free_count < FREE_LIST_LIMIT && !(node->flags & FOREIGN)) {
        node->pair[0] = state->free_list;
        state->free_list = node;
        state->free_count++;
    }
    else {
        PyObject_GC_Del(node);
    }
    Py_DECREF(type);
}

/* Make a leaf of a node that lives on. What it held is freed last, for that may run Python. */
void
node_drop_operands(Node *node)
{
    if (node->flags & (FOLDED | OWNED)) {
        if (node->op == OP_layers) {
            layers_release(node);
        }
        else if (node->op == OP_chain) {
            chain_release(node);
        }
        else {
            block_break(node);
        }
        return;
    }
    Node had = *node;
    node->op = OP_leaf;
    node->flags &= ~(BLOCK | REACHED);
    node->count = 0;
    node->pair[0] = node->pair[1] = NULL;
    node_let_go(&had);
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
        PyObject_ClearWeakRefs((PyObject *)node);
    }
    Py_CLEAR(node->dict);
    if (node->flags & (FOLDED | OWNED)) {
        node_drop_operands(node);
    }
    else {
        node_let_go(node);
    }
    if (state != NULL && IS_EXACT(node)) {
        node_recycle(state, node);
        return;
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
    if (!IS_EXACT(self) || node->flags & TRACKED) {
        PyObject_GC_UnTrack(self);
        node->flags &= ~TRACKED;
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

/* --- the collector --- */

/* A list of objects still to be looked at. */
typedef struct {
    PyObject **items;
    Py_ssize_t count, room;
} Pending;

static int
pend(Pending *pending, PyObject *object)
{
    if (pending->count == pending->room) {
        Py_ssize_t room = pending->room ? 2 * pending->room : 64;
        PyObject **items = PyMem_Realloc(pending->items, room * sizeof(PyObject *));
        if (items == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        pending->items = items;
        pending->room = room;
    }
    pending->items[pending->count++] = object;
    return 0;
}

static int
pend_visited(PyObject *object, void *pending)
{
    return pend(pending, object);
}

/* Track the holder, the Values below it, and those that what was stored in it reaches
 * through functions, cells, methods and containers. Later nodes are tracked from birth. */
int
node_track_reachable(State *state, PyObject *holder, PyObject *stored)
{
    Pending pending = {NULL, 0, 0};
    PyObject *seen = PySet_New(NULL); /* of what is no Value; Values are seen when tracked */
    int status = seen == NULL || pend(&pending, holder) < 0 || pend(&pending, stored) < 0 ? -1 : 0;
    state->tracking = 1;
    while (status == 0 && pending.count > 0) {
        PyObject *object = pending.items[--pending.count];
        if (IS_VALUE(object)) {
            if (!(((Node *)object)->flags & REACHED)) {
                node_track(object);
                ((Node *)object)->flags |= REACHED;
                status = node_visit_operands((Node *)object, pend_visited, &pending);
            }
            continue;
        }
        int look = Py_TYPE(object) == state->Record || PyFunction_Check(object) || PyCell_Check(object) || PyMethod_Check(object) ||
                   PyTuple_Check(object) || PyList_Check(object) || PyDict_Check(object);
        if (!look) {
            continue;
        }
        PyObject *address = PyLong_FromVoidPtr(object);
        int known = address ? PySet_Contains(seen, address) : -1;
        if (known == 0) {
            known = PySet_Add(seen, address);
            if (known == 0 && PyFunction_Check(object)) { /* not its globals: they reach all */
                PyObject *parts[] = {PyFunction_GET_CLOSURE(object), PyFunction_GET_DEFAULTS(object)};
                for (int i = 0; i < 2 && status == 0; i++) {
                    status = parts[i] ? pend(&pending, parts[i]) : 0;
                }
            }
            else if (known == 0) {
                status = Py_TYPE(object)->tp_traverse(object, pend_visited, &pending);
            }
        }
        Py_XDECREF(address);
        status = known < 0 ? -1 : status;
    }
    PyMem_Free(pending.items);
    Py_XDECREF(seen);
    return status;
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
    node_drop_operands(node); /* one that was initialised again may reach itself through them */
    return 0;
}
