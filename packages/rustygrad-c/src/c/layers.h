/* What stack.c and layers.c share. */
#ifndef RUSTYGRAD_LAYERS_H
#define RUSTYGRAD_LAYERS_H

#include "engine.h"

/* One layer of a stack. */
typedef struct {
    Block *block;
    int activation;     /* an operation of one operand, or OP_leaf for none */
    size_t numbers;     /* where its numbers begin in a record */
    uint32_t *scopes;   /* one a neuron */
    uint32_t scope;     /* of the layer itself */
} Layer;

/* A list that must hold these items, or the stack is out of date. */
typedef struct {
    PyObject *list;
    PyObject *items; /* a tuple */
} Watched;

struct Stack {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *mode;              /* it answers in this mode alone */
    PyObject *counter, *counted; /* a list of one number, and that number when it was made */
    Watched *watched;
    Py_ssize_t watching;
    Layer *layers;
    uint32_t depth;
    uint32_t inputs, outputs;
    int recording; /* the mode records how things are made */
    size_t size;     /* of a record, in numbers */
    Py_ssize_t room; /* the same with its pointers, in words */
    Record *free_records;
    Py_ssize_t free_words; /* how large they are together */
};

/* What one call computed. `numbers` holds the inputs' data and gradients, then for each layer
 * those of its dots, and those of its activations where it has any. What the results
 * themselves hold is theirs: the user may change it. */
struct Record {
    PyObject_VAR_HEAD
    Stack *stack;
    Node **results; /* borrowed; NULL for one that is gone */
    Node **inputs;
    int with_nodes; /* whether the inputs are nodes */
    uint64_t mark;  /* the traversal that has seen it last */
    Record *next;   /* in the list of free ones */
    double numbers[];
};

static inline size_t
width(const Layer *layer)
{
    return layer->block->outputs;
}

static inline int
is_last(const Stack *stack, const Layer *layer)
{
    return layer == stack->layers + stack->depth - 1;
}

/* layers.c */
Record *record_new(State *state, Stack *stack);
const double *record_compute(Stack *stack, Record *record);
Node *layers_node(State *state, int op, double data, double grad, uint32_t scope);

#endif
