/* Forward and derivative of every row of the op table, in its order of operations.
 *
 * These are transcriptions of rustygrad/ops.py; the conformance suite compares
 * the bits. Compiled with -ffp-contract=off: every product is rounded before it
 * is added. libm's functions are called as such (-fno-builtin).
 */
#include "engine.h"
#include <math.h>

static inline double
sigmoid(double x)
{
    if (x >= 0.0) {
        return 1.0 / (1.0 + exp(-x));
    }
    double e = exp(x);
    return e / (1.0 + e);
}

double
op_pow(double x, double exponent)
{
    if (exponent == 2.0) {
        return x * x;
    }
    if (exponent == -1.0) {
        return 1.0 / x;
    }
    return pow(x, exponent);
}

double
op_unary(int op, double x)
{
    switch (op) {
    case OP_neg: return -x;
    case OP_abs: return fabs(x);
    case OP_relu: return x <= 0.0 ? 0.0 : x;
    case OP_tanh: return tanh(x);
    case OP_sigmoid: return sigmoid(x);
    case OP_exp: return exp(x);
    case OP_log: return log(x);
    case OP_sqrt: return sqrt(x);
    case OP_sin: return sin(x);
    case OP_cos: return cos(x);
    default: Py_UNREACHABLE();
    }
}

double
op_binary(int op, double x, double y)
{
    switch (op) {
    case OP_add: return x + y;
    case OP_sub: return x - y;
    case OP_mul: return x * y;
    case OP_div: return x / y;
    case OP_power: return pow(x, y);
    case OP_greater: return x > y ? 1.0 : 0.0;
    case OP_equal: return x == y ? 1.0 : 0.0;
    default: Py_UNREACHABLE();
    }
}

/* --- reductions --- */

/* The first best operand, or the first nan. */
static uint32_t
best(Node **operands, uint32_t count, int largest)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        double x = operands[i]->data, y = operands[found]->data;
        if (x != x) {
            return i;
        }
        if (largest ? x > y : x < y) {
            found = i;
        }
    }
    return found;
}

static double
sum(Node **operands, uint32_t count)
{
    double total = operands[0]->data;
    for (uint32_t i = 1; i < count; i++) {
        total = total + operands[i]->data;
    }
    return total;
}

static double
dot(Node **operands, uint32_t count)
{
    uint32_t i;
    double total;
    if (count % 2) {
        total = operands[0]->data;
        i = 1;
    }
    else {
        total = operands[0]->data * operands[1]->data;
        i = 2;
    }
    for (; i < count; i += 2) {
        total = total + operands[i]->data * operands[i + 1]->data;
    }
    return total;
}

static double
logsumexp(Node **operands, uint32_t count)
{
    double peak = operands[best(operands, count, 1)]->data;
    if (!isfinite(peak)) {
        return peak;
    }
    double total = exp(operands[0]->data - peak);
    for (uint32_t i = 1; i < count; i++) {
        total = total + exp(operands[i]->data - peak);
    }
    return peak + log(total);
}

double
op_many(int op, Node **operands, uint32_t count)
{
    switch (op) {
    case OP_sum: return sum(operands, count);
    case OP_mean: return sum(operands, count) / (double)count;
    case OP_dot: return dot(operands, count);
    case OP_maximum: return operands[best(operands, count, 1)]->data;
    case OP_minimum: return operands[best(operands, count, 0)]->data;
    case OP_logsumexp: return logsumexp(operands, count);
    case OP_argmax: return (double)best(operands, count, 1);
    case OP_argmin: return (double)best(operands, count, 0);
    case OP_where: return operands[0]->data != 0.0 ? operands[1]->data : operands[2]->data;
    default: Py_UNREACHABLE();
    }
}

/* --- derivatives --- */

double
op_unary_vjp(int op, double g, double out, double x)
{
    switch (op) {
    case OP_neg: return -g;
    case OP_abs: return x > 0.0 ? g : 0.0 > x ? -g : 0.0;
    case OP_relu: return x > 0.0 ? g : 0.0;
    case OP_tanh: return (1.0 - out * out) * g;
    case OP_sigmoid: return (out * (1.0 - out)) * g;
    case OP_exp: return out * g;
    case OP_log: return g / x;
    case OP_sqrt: return g / (2.0 * out);
    case OP_sin: return cos(x) * g;
    case OP_cos: return -(sin(x) * g);
    default: Py_UNREACHABLE();
    }
}

static inline double
pow_vjp(double g, double x, double exponent)
{
    if (exponent == 0.0) {
        return 0.0;
    }
    return (exponent * op_pow(x, exponent - 1.0)) * g;
}

static inline void
power_vjp(double g, double out, Node *a, Node *b)
{
    double x = a->data, y = b->data;
    double dx = y == 0.0 ? 0.0 : (y * pow(x, y - 1.0)) * g;
    double dy = x == 0.0 && !(0.0 > y) ? 0.0 : (out * log(x)) * g;
    a->grad += dx;
    b->grad += dy;
}

static void
many_vjp(Node *node, Node **operands, uint32_t count)
{
    double g = node->grad, out = node->data;
    switch (node->op) {
    case OP_sum:
        for (uint32_t i = 0; i < count; i++) {
            operands[i]->grad += g;
        }
        return;
    case OP_mean: {
        double share = g / (double)count;
        for (uint32_t i = 0; i < count; i++) {
            operands[i]->grad += share;
        }
        return;
    }
    case OP_dot: { /* last to first; the two of a pair can only be one node with equal shares */
        uint32_t biased = count % 2;
        for (uint32_t i = count; i > biased; i -= 2) {
            Node *w = operands[i - 2], *x = operands[i - 1];
            double dw = x->data * g, dx = w->data * g;
            w->grad += dw;
            x->grad += dx;
        }
        if (biased) {
            operands[0]->grad += g;
        }
        return;
    }
    case OP_maximum:
    case OP_minimum: {
        uint32_t chosen = best(operands, count, node->op == OP_maximum);
        for (uint32_t i = 0; i < count; i++) {
            operands[i]->grad += i == chosen ? g : 0.0;
        }
        return;
    }
    case OP_logsumexp:
        for (uint32_t i = 0; i < count; i++) {
            operands[i]->grad += exp(operands[i]->data - out) * g;
        }
        return;
    case OP_where: {
        int holds = operands[0]->data != 0.0;
        operands[0]->grad += 0.0;
        operands[1]->grad += holds ? g : 0.0;
        operands[2]->grad += holds ? 0.0 : g;
        return;
    }
    default: /* masks: their derivative is zero */
        for (uint32_t i = 0; i < count; i++) {
            operands[i]->grad += 0.0;
        }
    }
}

/* Hand the gradient of a node of the op table to its operands. */
void
op_hand_down(Node *node)
{
    double g = node->grad;
    Node *x = node->pair[0], *y = node->pair[1];
    switch (node->op) {
    case OP_leaf:
    case OP_opaque:
        return;
    case OP_add:
        x->grad += g;
        y->grad += g;
        return;
    case OP_sub:
        x->grad += g;
        y->grad += -g;
        return;
    case OP_mul: {
        double dx = y->data * g, dy = x->data * g;
        x->grad += dx;
        y->grad += dy;
        return;
    }
    case OP_div: {
        double dx = g / y->data, dy = -((node->data / y->data) * g);
        x->grad += dx;
        y->grad += dy;
        return;
    }
    case OP_power:
        power_vjp(g, node->data, x, y);
        return;
    case OP_pow:
        x->grad += pow_vjp(g, x->data, node->attribute);
        return;
    case OP_neg:
    case OP_abs:
    case OP_relu:
    case OP_tanh:
    case OP_sigmoid:
    case OP_exp:
    case OP_log:
    case OP_sqrt:
    case OP_sin:
    case OP_cos:
        x->grad += op_unary_vjp(node->op, g, node->data, x->data);
        return;
    default:
        many_vjp(node, node_operands(node), node->count);
    }
}
