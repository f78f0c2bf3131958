/* The eager engine of the backend `c`: what its parts share.
 *
 * A program builds nodes and runs backward over them. A node is 80 bytes after
 * the collector's header, comes from a free list, and is left alone by the
 * collector until the user makes something that could be a cycle.
 *
 *   module.c    the module, its state, how it gets the op table
 *   node.c      making and freeing nodes
 *   ops.c       forward and vjp of every row of the op table
 *   value.c     the type Value: operators, methods, attributes
 *   backward.c  the traversal and the sweep
 *   columns.c   capture and rebuilding, in columns
 *   block.c     the parameters of a layer, side by side
 *   layers.c    a stack of layers in one call, its results folded
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
    OP_folded = OP_COUNT /* a result of a stack of layers; written out before anyone looks */
};

enum { ROLE_NONE, ROLE_INPUT, ROLE_CONSTANT, ROLE_PARAMETER };

enum {
    BLOCK = 1,    /* the operands are in memory of their own */
    TRACKED = 2,  /* the collector looks at it */
    REACHED = 4,  /* ... and at all that is below it */
    FOLDED = 8,   /* a result of a stack of layers, with a record in place of operands */
    FIRST = 16,   /* the first result of its record in the order of this traversal */
    OWNED = 32,   /* a leaf in a Block */
    TOUCHES = 64, /* has an operand that is in a Block */
    FOREIGN = 128 /* its memory was not made here but for a subclass */
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
    uint32_t count; /* of operands */
    uint64_t scope : 24;
    uint64_t mark : 40; /* the traversal that has seen it last */
    union {
        struct Node *pair[2];
        Block *owner; /* of a leaf in a block */
        struct {      /* of a folded result */
            Record *record;
            uint64_t position;
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

#ifndef FREE_LIST_LIMIT /* 0 shows a memory checker each node as a block of its own */
#define FREE_LIST_LIMIT (1 << 20)
#endif

typedef struct {
    PyTypeObject *Value, *Block, *Stack, *Record;
    Node *free_list; /* linked through pair[0] */
    Py_ssize_t free_count;
    Node *doomed; /* nodes whose deallocation waits for the one that is running */
    int dooming;
    int walks;      /* that go on, of those during which Python may run */
    PyObject *kept; /* operands that nodes have lost meanwhile */
    int tracking; /* whether the user has made something that could be a cycle */
    PyObject *current; /* rustygrad.modes.current, a context variable */
    PyObject *plain;   /* rustygrad.modes.PLAIN */
    PyObject *mode;    /* the mode seen last, and what it says */
    uint32_t mode_scope;
    int mode_special, mode_anomaly;
    uint64_t traversals;
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
Node *node_new(State *state, int op, double data);
Node *node_of_type(State *state, PyTypeObject *type);
Node *node_finish(State *state, Node *node);
void node_track(PyObject *node);
int node_track_reachable(State *state, PyObject *holder, PyObject *stored);
int node_visit_operands(Node *node, visitproc visit, void *arg);
int node_keep_operands(State *state, Node *node);
void node_drop_operands(Node *node);
void node_let_go(const Node *node);
void walk_ends(State *state);
int torn_down(void);
PyObject *dict_find(PyObject *dict, const char *key);
int value_traverse(PyObject *self, visitproc visit, void *arg);
int value_clear(PyObject *self);
int engine_mode(State *state);

/* ops.c */
double op_unary(int op, double x);
double op_unary_vjp(int op, double g, double out, double x);
double op_binary(int op, double x, double y);
double op_pow(double x, double exponent);
double op_many(int op, Node **operands, uint32_t count);
void op_hand_down(Node *node);

/* value.c */
PyObject *engine_apply(PyObject *module, PyObject *const *args, Py_ssize_t nargs);
PyObject *engine_opaque(PyObject *module, PyObject *args);
PyObject *engine_make_opaque(PyObject *module, PyObject *args);
Node *value_operand(State *state, PyObject *x);
int number_of(State *state, PyObject *x, double *number);
int as_double(State *state, PyObject *x, double *number);

/* backward.c */
PyObject *value_backward(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names);
PyObject *value_hand_down(PyObject *self, PyObject *unused);
typedef struct {
    Node **nodes;
    Py_ssize_t count, room;
    int opaque; /* whether there are opaque nodes among them */
    int folded; /* whether there are folded ones */
    int stale;  /* whether folded ones must be written out */
} Order;
int order_of(State *, Order *order, PyObject *const *roots, Py_ssize_t count, int leaves,
             int looked_at);

/* block.c */
Block *block_of(State *state, PyObject *const *leaves, uint32_t inputs, uint32_t outputs);
void block_break(Node *leaf);
void block_refresh(Block *block);
void block_open(State *state, Block *block);
void blocks_close(State *state);

/* layers.c */
PyObject *engine_stack(PyObject *module, PyObject *args);
Node **folded_inputs(Node *node, uint32_t *count);
void folded_track(Node *node);
void folded_reset(Node *node, uint64_t mark);
int folded_is_stale(Node *node);
void folded_hand_down(State *state, Node *node);
int folded_write_out(State *state, Node *node);
void folded_release(Node *node);

/* steps.c */
PyObject *engine_zero_grad(PyObject *module, PyObject *list);
PyObject *engine_sgd(PyObject *module, PyObject *args);
PyObject *engine_adam(PyObject *module, PyObject *args);

/* columns.c */
PyObject *engine_columns(PyObject *module, PyObject *roots);
PyObject *engine_rebuild(PyObject *module, PyObject *args);

/* A node of the exact type Value frees itself here, one of a subclass elsewhere first. */
#define IS_EXACT(o) (Py_TYPE(o)->tp_dealloc == value_dealloc)
#define IS_VALUE(o) (IS_EXACT(o) || value_is_subclass(Py_TYPE(o)))
int value_is_subclass(PyTypeObject *type);

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
