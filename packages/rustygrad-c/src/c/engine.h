/* The eager engine of the backend `c`: what its parts share.
 *
 * A program builds nodes and runs backward over them. A node is 80 bytes after
 * the collector's header, comes from a free list, and is left alone by the
 * collector until the user makes something that could be a cycle.
 *
 *   module.c    the module, its state, how it gets the op table
 *   node.c      making and freeing nodes
 *   cycles.c    what the collector has to know
 *   ops.c       forward and vjp of every row of the op table
 *   operators.c what makes nodes: operators, methods, any row of the table
 *   value.c     the type Value: construction, attributes, what it shows
 *   backward.c  the traversal and the sweep
 *   columns.c   capture and rebuilding, in columns
 *   chain.c     sums of products, folded
 *   block.c     the parameters of a layer, side by side
 *   stack.c     a stack of layers as one function
 *   layers.c    what a call of it computed, folded
 *   steps.c     the optimisers' steps
 */
#ifndef RUSTYGRAD_ENGINE_H
#define RUSTYGRAD_ENGINE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

/* The op table, in the order of rustygrad.ops; module.c refuses to load with another one. */
#define OP_TABLE(X)                                                                              \
    X(leaf) X(opaque)                                                                            \
    X(add) X(sub) X(mul) X(div) X(pow) X(power) X(neg) X(abs) X(relu) X(tanh) X(sigmoid) X(exp)  \
    X(log) X(sqrt) X(sin) X(cos) X(sum) X(mean) X(dot) X(maximum) X(minimum) X(logsumexp)        \
    X(where) X(greater) X(equal) X(argmax) X(argmin)

enum {
#define X(name) OP_##name,
    OP_TABLE(X)
#undef X
    OP_COUNT,
    /* Folded nodes stand for several, which are written out before anyone looks: */
    OP_layers = OP_COUNT, /* a result of a stack of layers */
    OP_chain,             /* a sum of products */
};

enum { ROLE_NONE, ROLE_INPUT, ROLE_CONSTANT, ROLE_PARAMETER };

enum {
    BLOCK = 1,    /* the operands are in memory of their own */
    TRACKED = 2,  /* the collector looks at it */
    FOLDED = 4,   /* its operation is one of the folded ones */
    FIRST = 8,    /* the first result of its record in the order of this traversal */
    OWNED = 16,   /* a leaf in a Block */
    TOUCHES = 32, /* has an operand that is in a Block */
    FOREIGN = 64  /* its memory was not made here but for a subclass */
};

#if defined(__GNUC__) || defined(__clang__)
/* Graphs are larger than caches: ask for memory a few nodes ahead of its use. */
#define PREFETCH(address) __builtin_prefetch((address), 1)
#else
#define PREFETCH(address) ((void)(address))
#endif

typedef struct Block Block;
typedef struct Stack Stack;
typedef struct Record Record;

/* A product in a chain. */
typedef struct {
    struct Node *w, *x;
    double product; /* its data */
    double sum;     /* that of the total after it; of the last one it is in the node */
} Pair;

typedef struct Node {
    PyObject_HEAD
    double data;
    union {
        double grad;
        struct Node *doomed; /* of a node that waits to be freed: the next one */
    };
    uint8_t op;
    uint8_t flags;
    uint8_t role; /* of a leaf */
    uint32_t count; /* of operands; of a chain, of pairs */
    uint64_t scope : 24;
    uint64_t mark : 40; /* the traversal that has seen it last */
    union {
        struct Node *pair[2];
        Block *owner; /* of a leaf in a block */
        struct {      /* of a result of layers */
            Record *record;
            uint64_t position;
        };
        struct {      /* of a chain */
            struct Node *start;
            Pair *pairs;
        };
        struct {
            union {
                struct Node **block;
                struct Node *x;
            };
            union {
                double attribute; /* of pow */
                PyObject *pull;   /* of an opaque node: its Pull */
            };
        };
    };
    PyObject *dict;
    PyObject *weakrefs;
} Node;

/* The parameters of a layer, see block.c. */
struct Block {
    PyObject_HEAD
    uint32_t inputs, outputs;
    size_t count;
    Node **nodes;    /* rows of weights, one a neuron, then the biases */
    double *rows;    /* the weights' data as they lie in `nodes` */
    double *columns; /* the same, transposed */
    double *biases;
    double *row_grads, *bias_grads; /* while it is open; one behind the other */
    int stale;                      /* the data must be copied again */
    int broken;                     /* one of them is no plain leaf any more */
    int open;
    Block *next_open;
};

/* Memory that a traversal leaves to the next one. */
typedef struct {
    void *items;
    Py_ssize_t room;
} Scratch;

/* A sweep that lets signal handlers run now, and the one around it. */
typedef struct Sweep {
    uint64_t mark;
    struct Sweep *outer;
} Sweep;

#define LONGEST_CHAIN (1 << 16) /* so that a sweep looks at signals often enough */
#ifndef FREE_LIST_LIMIT /* 0 shows a memory checker each node as a block of its own */
#define FREE_LIST_LIMIT (1 << 20)
#endif
#define FREE_WORDS_LIMIT FREE_LIST_LIMIT /* of the records of a stack */

typedef struct {
    PyTypeObject *Value, *Block, *Stack, *Record;
    Node *free_list; /* linked through pair[0] */
    Py_ssize_t free_count;
    Py_ssize_t blocks;  /* nodes and free ones, but for those of subclasses */
    Py_ssize_t tracked; /* of the nodes among them */
    Node *doomed; /* nodes whose deallocation waits for the one that is running */
    int dooming;
    int walks;      /* that go on, of those during which Python may run */
    PyObject *kept; /* operands that nodes have lost meanwhile */
    Sweep *sweeps;
    int tracking; /* whether the user has made something that could be a cycle */
    PyObject *current; /* rustygrad.modes.current, a context variable */
    PyObject *plain;   /* rustygrad.modes.PLAIN */
    PyObject *mode;    /* the mode seen last, and what it says */
    uint32_t mode_scope;
    int mode_special, mode_anomaly;
    uint64_t traversals;
    Scratch listed, frames;
    Block *open_blocks;
    PyObject *ops;         /* tuple of rustygrad.ops rows by code */
    PyObject *as_float;    /* rustygrad.convert.as_float */
    PyObject *helpers;     /* rustygrad_c.helpers: what is rare, in Python */
    Py_ssize_t arity[OP_COUNT]; /* -1 for any number */
} State;

extern struct PyModuleDef engine_module;
extern PyType_Spec value_spec, block_spec, stack_spec, record_spec;

/* node.c */
void value_dealloc(PyObject *self);
Node *node_allocate(State *state);
void node_recycle(State *state, Node *node);
Node *node_finish_in_mode(State *state, Node *node);
Node *node_of_type(State *state, PyTypeObject *type);
int node_write_out(State *state, Node *node);
int node_is_swept(State *state, const Node *node);
int node_keep_operands(State *state, Node *node);
void node_drop(State *state, Node *node);
void node_drop_operands(State *state, Node *node);
void node_let_go(State *state, const Node *node);
void drop_outside(State *state, PyObject *object);
void walk_ends(State *state);
int torn_down(void);
PyObject *dict_find(PyObject *dict, const char *key);
PyObject *text_of(PyObject *object);
int engine_mode(State *state);

/* cycles.c */
void node_track(State *state, Node *node);
void node_untrack(State *state, Node *node);
int node_visit_operands(Node *node, visitproc visit, void *arg);
int cycles_possible(State *state, Node *holder);
int cycles_watch(State *state);
PyObject *engine_before_collection(PyObject *module, PyObject *args);
int value_traverse(PyObject *self, visitproc visit, void *arg);
int value_clear(PyObject *self);

/* ops.c */
double op_unary(int op, double x);
double op_unary_vjp(int op, double g, double out, double x);
double op_binary(int op, double x, double y);
double op_pow(double x, double exponent);
double op_many(int op, Node **operands, uint32_t count);
void op_hand_down(Node *node);

/* operators.c */
#define UNARY_METHODS(X) X(relu) X(tanh) X(sigmoid) X(exp) X(log) X(sqrt) X(sin) X(cos)
#define X(name) PyObject *value_##name(PyObject *self, PyObject *unused);
UNARY_METHODS(X)
#undef X
PyObject *value_add(PyObject *a, PyObject *b);
PyObject *value_sub(PyObject *a, PyObject *b);
PyObject *value_mul(PyObject *a, PyObject *b);
PyObject *value_div(PyObject *a, PyObject *b);
PyObject *value_power(PyObject *a, PyObject *b, PyObject *modulus);
PyObject *value_neg(PyObject *self);
PyObject *value_pos(PyObject *self);
PyObject *value_abs(PyObject *self);
PyObject *engine_apply(PyObject *module, PyObject *const *args, Py_ssize_t nargs);
PyObject *engine_opaque(PyObject *module, PyObject *args);
int number_of(State *state, PyObject *x, double *number);
int as_double(State *state, PyObject *x, double *number);

/* value.c */
PyObject *engine_make_opaque(PyObject *module, PyObject *args);

/* backward.c */
PyObject *value_backward(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names);
PyObject *value_hand_down(PyObject *self, PyObject *unused);
/* A part of a chain, where the order does not hold it in one piece. */
typedef struct {
    Node *chain;
    uint32_t from, to; /* its pairs */
} Segment;

typedef struct {
    Node **nodes; /* or, with the lowest bit set, the position of a segment, times two */
    Py_ssize_t count, room;
    Segment *segments;
    Py_ssize_t segment_count, segment_room;
    int opaque; /* whether there are opaque nodes among them */
    int folded; /* whether there are folded ones */
    int stale;     /* whether folded ones must be written out */
    uint64_t mark; /* of the traversal */
} Order;
int grow(void *items, Py_ssize_t *room, size_t size);
void order_free(State *state, Order *order);
int order_of(State *, Order *order, PyObject *const *roots, Py_ssize_t count, int leaves,
             int looked_at);

/* block.c */
Block *block_of(State *state, PyObject *const *leaves, uint32_t inputs, uint32_t outputs);
void block_break(Node *leaf);
void block_refresh(Block *block);
void block_open(State *state, Block *block);
void blocks_close(State *state);

/* chain.c */
void chain_absorb(State *state, Node *sum);
void chain_release(State *state, Node *node);
int chain_visit(Node *node, visitproc visit, void *arg);
void chain_hand_down(Node *node, uint32_t from, uint32_t to);
int chain_write_out(State *state, Node *node);

/* stack.c */
PyObject *engine_stack(PyObject *module, PyObject *args);

/* layers.c */
uint64_t layers_mark(const Node *node);
Node **layers_inputs(Node *node, uint32_t *count);
void layers_track(Node *node);
void layers_reset(Node *node, uint64_t mark);
int layers_are_stale(Node *node);
uint64_t layers_hand_down(State *state, Node *node);
int layers_write_out(State *state, Node *node);
void layers_release(Node *node);

/* steps.c */
PyObject *engine_zero_grad(PyObject *module, PyObject *list);
PyObject *engine_sgd(PyObject *module, PyObject *args);
PyObject *engine_adam(PyObject *module, PyObject *args);

/* columns.c */
PyObject *engine_columns(PyObject *module, PyObject *roots);
PyObject *engine_rebuild(PyObject *module, PyObject *args);

/* A node of the exact type Value frees itself here, one of a subclass elsewhere first. The
 * module may be there twice, each with a type of its own: what comes from outside is ours
 * where the type is the state's. */
#define IS_EXACT(o) (Py_TYPE(o)->tp_dealloc == value_dealloc)
#define IS_OURS(state, o) (Py_TYPE(o) == (state)->Value)
#define IS_VALUE(state, o) (IS_OURS(state, o) || PyType_IsSubtype(Py_TYPE(o), (state)->Value))
#define IS_ANY_VALUE(o) (IS_EXACT(o) || value_is_subclass(Py_TYPE(o)))
int value_is_subclass(PyTypeObject *type);

/* A node without operands; NULL with an error. */
static inline Node *
node_new(State *state, int op, double data)
{
    Node *node = state ? state->free_list : NULL;
    if (node != NULL) {
        state->free_list = node->pair[0];
        state->free_count--;
        PREFETCH(node->pair[0]);
#ifdef Py_REF_DEBUG
        (void)PyObject_Init((PyObject *)node, state->Value);
#else /* what that does, for memory that has been a node before */
        Py_INCREF(state->Value);
        Py_SET_REFCNT((PyObject *)node, 1);
#endif
    }
    else {
        node = node_allocate(state);
        if (node == NULL) {
            return NULL;
        }
    }
    node->data = data;
    node->grad = 0.0;
    node->op = (uint8_t)op;
    node->flags = 0;
    node->role = ROLE_NONE;
    node->count = 0;
    node->scope = 0;
    node->mark = 0;
    node->pair[0] = node->pair[1] = NULL;
    node->dict = NULL;
    node->weakrefs = NULL;
    return node;
}

/* What the mode asks of a new node. Steals the node, and gives it back or NULL. */
static inline Node *
node_finish(State *state, Node *node)
{
    PyObject *mode;
    if (state->tracking) {
        node_track(state, node);
    }
    if (PyContextVar_Get(state->current, NULL, &mode) < 0) {
        Py_DECREF(node);
        return NULL;
    }
    Py_DECREF(mode); /* modes live for ever */
    return mode == state->plain ? node : node_finish_in_mode(state, node);
}

/* The first of some marks that no node has; after 2^40 of them they begin again. */
static inline uint64_t
next_marks(State *state, uint64_t count)
{
    if (state->traversals + count >= (uint64_t)1 << 40) {
        state->traversals = 0;
    }
    uint64_t first = state->traversals + 1;
    state->traversals += count;
    return first;
}

/* The operands of a chain: what it starts with, then w and x of each pair. */
static inline Node *
chain_operand(const Node *chain, uint32_t i)
{
    if (i == 0) {
        return chain->start;
    }
    const Pair *pair = chain->pairs + (i - 1) / 2;
    return i % 2 ? pair->w : pair->x;
}

static inline Node **
node_operands(Node *node)
{
    return node->flags & BLOCK ? node->block : node->pair;
}

/* The module's state; NULL at the end of the interpreter, when the type has lost its module. */
static inline State *
state_of_exact(PyObject *value)
{
    PyObject *module = ((PyHeapTypeObject *)Py_TYPE(value))->ht_module;
    return module ? (State *)PyModule_GetState(module) : NULL;
}

State *state_of(PyObject *value);

#endif
