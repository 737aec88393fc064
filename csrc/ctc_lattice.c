/* CTC: the sum over all paths through the lattice of blanks and labels (Graves et al. 2006). In double only.
 *
 * Design. Probabilities, not their logarithms: that is faster and keeps all digits of the posteriors. Each frame is taken
 * relative to its most probable needed class and scaled by a power of two, which is exact; the loss is minus the sum of
 * what was taken away. Posteriors are alpha beta over their sum, whatever the scales are. States from which the end cannot
 * be reached in time, and those which cannot be reached yet, are left out, but for those in one step with others.
 *
 * What lies more than 2^-1022 below the rest of its frame is lost. It cannot matter where the sum of alpha beta is the same
 * for all frames: what matters in the end is largest in beta, so what alpha has lost is missed. Where it is not the same, and
 * where an exponential underflows, the sequence is done again with logarithms. */
#include "ctc_job.h"
#include "kernels.h"
#include "long_sum.h"
#include "vmath.h"

#include <string.h>

typedef double step __attribute__((vector_size(WIDE * sizeof(double)), aligned(sizeof(double)), may_alias));
#define STEP_AT(address) (*(step *)(address))
#define CONST_STEP_AT(address) (*(const step *)(address))

INLINE double folded(const step *x)
{
    const step s = *x;
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

INLINE ptrdiff_t padded(ptrdiff_t n) { return (n + WIDE - 1) / WIDE * WIDE; }

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

#define TAKE(type, name, count) \
    s->name = (type *)at;       \
    at += ((count) * (ptrdiff_t)sizeof(type) + 63) / 64 * 64

static char *lay_out(ctc_space *s, ptrdiff_t frames, ptrdiff_t labels, char *at)
{
    at = (char *)(((uintptr_t)at + 63) / 64 * 64);
    s->frames = frames, s->labels = labels, s->width = padded(labels + 1);
    TAKE(ptrdiff_t, class_of, labels + 1);
    TAKE(ptrdiff_t, position_of, labels + 1);
    TAKE(int32_t, slot, labels + 1);
    TAKE(double, skip, s->width + WIDE);
    TAKE(double, sum, frames);
    TAKE(double, blank, frames);
    TAKE(double, e_blank, frames);
    TAKE(double, shift, frames);
    TAKE(double, unit, frames);
    TAKE(double, at_blank, frames);
    TAKE(double, share, frames);
    TAKE(double, grown, frames);
    TAKE(double, label_at, frames * s->width);
    TAKE(double, e_label, frames * s->width);
    TAKE(double, ahead, 2 * ctc_stride(s));
    TAKE(double, lattice, (frames + 1) * ctc_stride(s));
    return at;
}

static ptrdiff_t room(ptrdiff_t frames, ptrdiff_t labels)
{
    ctc_space s;
    return lay_out(&s, frames, labels, (char *)64) - (char *)0;
}

static void open_sequence(const ctc_job *j, ptrdiff_t i, char *memory, int32_t *by_class, ctc_space *s)
{
    lay_out(s, j->frames[i], j->first[i + 1] - j->first[i], memory);
    s->label = j->label + j->first[i];
    memset(s->skip, 0, (size_t)(s->width + WIDE) * sizeof(double));
    for (ptrdiff_t k = 1; k < s->labels; k++) s->skip[k] = s->label[k] != s->label[k - 1];
    for (ptrdiff_t k = 0; k < s->labels; k++) by_class[s->label[k]] = 0;
    s->distinct = 1, s->class_of[0] = j->blank, s->position_of[0] = 0;
    for (ptrdiff_t k = 0; k < s->labels; k++) {
        int32_t *slot = &by_class[s->label[k]];
        if (!*slot) {
            *slot = (int32_t)s->distinct;
            s->class_of[s->distinct] = s->label[k], s->position_of[s->distinct] = k;
            s->distinct++;
        }
        s->slot[k] = *slot;
    }
}

/* ---- frames of the lattice -------------------------------------------------------------------------------------------- */

/* What is read beside a window. */
INLINE void close_window(double *label, double *blank, ctc_window w, double nothing)
{
    for (int l = 0; l < WIDE; l++) {
        label[w.from - WIDE + l] = label[w.to + l] = nothing;
        blank[w.from - WIDE + l] = blank[w.to + l] = nothing;
    }
}

/* Logarithms relative to the largest needed one of each frame, which is left in `shift`; returns whether an exponential
 * underflows, but for those of -inf. */
static int exponentials(ctc_space *s)
{
    const double lowest = -700;
    double least = 0;
    for (ptrdiff_t t = 0; t < s->frames; t++) {
        const double *x = s->label_at + t * s->width;
        double *e = s->e_label + t * s->width, top = s->blank[t], lost = 0;
        _Pragma("omp simd reduction(max : top)") for (ptrdiff_t k = 0; k < s->width; k++) top = x[k] > top ? x[k] : top;
        const double shift = top > -REAL_INFINITY ? top : 0;
        _Pragma("omp simd reduction(min : lost)") for (ptrdiff_t k = 0; k < s->width; k++)
        {
            const double d = x[k] - shift;
            const double low = d < lowest ? d : 0, finite = low > -REAL_MAX ? low : 0;
            lost = finite < lost ? finite : lost;
            e[k] = exp_of_negative(d);
        }
        const double d = s->blank[t] - shift;
        if (d < lowest && d >= -REAL_MAX) lost = d;
        least = lost < least ? lost : least;
        s->shift[t] = shift;
    }
    for (ptrdiff_t t = 0; t < s->frames; t++) s->e_blank[t] = exp_of_negative(s->blank[t] - s->shift[t]);
    return least < 0;
}

/* ---- probabilities ---------------------------------------------------------------------------------------------------- */

/* The exponent of a sum that is neither tiny nor huge, and 2^-exponent. */
INLINE int is_plain(double sum) { return sum > 0x1p-900 && sum < 0x1p900; }
INLINE double exponent_of(double x) { return unbiased(word_of(x) >> FRACTION_BITS); }
INLINE double power_of_minus(double exponent)
{
    return from_word(word_of(UNIT_SPACING + ((double)EXPONENT_BIAS - exponent)) << FRACTION_BITS);
}

typedef struct {
    double mantissa, exponent;
} scaled;

/* alpha: the probability of all beginnings of a path that end in a state, with the emission of its frame. */
static int go_forward(ctc_space *s, scaled *total)
{
    const ptrdiff_t between = s->width + WIDE;
    double *label = ctc_labels_at(s, -1), grown = 0, scale = 1;
    memset(label - WIDE, 0, (size_t)ctc_stride(s) * sizeof(double));
    label[between] = 1; /* blank_0, before the first frame */
    for (ptrdiff_t t = 0; t < s->frames; t++) {
        const ctc_window w = ctc_window_at(s, t);
        const double *before = label, *e = s->e_label + t * s->width, *skip = s->skip;
        const double e_blank = s->e_blank[t] * scale;
        label = ctc_labels_at(s, t);
        step sum = { 0 };
        for (ptrdiff_t i = w.from; i < w.to; i += WIDE) {
            const step last = CONST_STEP_AT(before + i - 1), same = CONST_STEP_AT(before + i);
            const step blank = CONST_STEP_AT(before + between + i);
            const step next = (same + blank + CONST_STEP_AT(skip + i) * last) * (CONST_STEP_AT(e + i) * scale);
            const step next_blank = (blank + last) * e_blank;
            STEP_AT(label + i) = next, STEP_AT(label + between + i) = next_blank;
            sum += next + next_blank;
        }
        close_window(label, label + between, w, 0);
        const double all = folded(&sum);
        if (!is_plain(all)) return 0;
        s->grown[t] = grown;
        const double k = exponent_of(all);
        grown += k, scale = power_of_minus(k);
    }
    total->mantissa = label[between + s->labels] + (s->labels ? label[s->labels - 1] : 0);
    total->exponent = s->grown[s->frames - 1];
    return is_plain(total->mantissa);
}

/* beta: the probability of all ends of a path after a state, without the emission of its frame. Leaves alpha beta. */
static int go_backward(ctc_space *s, scaled total, int posteriors)
{
    const ptrdiff_t between = s->width + WIDE, stride = ctc_stride(s);
    const double tolerance = 0x1p-49 * (double)(s->frames + 8);
    double *ahead = s->ahead + WIDE, *here = ahead + stride, grown = 0, pending = 0, scale = 1;
    memset(s->ahead, 0, 2 * (size_t)stride * sizeof(double));
    ahead[between + s->labels] = 1; /* after the last frame */
    for (ptrdiff_t t = s->frames - 1; t >= 0; t--) {
        const ctc_window w = ctc_window_at(s, t);
        const double *e = s->e_label + t * s->width, *skip = s->skip;
        const double e_blank = s->e_blank[t] * scale;
        double *label = ctc_labels_at(s, t);
        step sum = { 0 }, of_blanks = { 0 }, of_labels = { 0 };
        for (ptrdiff_t i = w.from; i < w.to; i += WIDE) {
            const step same = CONST_STEP_AT(ahead + i), next = CONST_STEP_AT(ahead + i + 1);
            const step blank = CONST_STEP_AT(ahead + between + i), next_blank = CONST_STEP_AT(ahead + between + i + 1);
            const step b = blank + same, l = same + next_blank + CONST_STEP_AT(skip + i + 1) * next;
            const step at_label = CONST_STEP_AT(label + i) * l;
            of_labels += at_label, of_blanks += CONST_STEP_AT(label + between + i) * b;
            if (posteriors) STEP_AT(label + i) = at_label;
            const step g = l * (CONST_STEP_AT(e + i) * scale), g_blank = b * e_blank;
            STEP_AT(here + i) = g, STEP_AT(here + between + i) = g_blank;
            sum += g + g_blank;
        }
        close_window(here, here + between, w, 0);
        const double blanks = folded(&of_blanks), both = blanks + folded(&of_labels), all = folded(&sum);
        const double k = s->grown[t] + grown - total.exponent; /* both 2^k is the total */
        if (!(k > -900 && k < 900 && is_plain(all) && is_plain(both))) return 0;
        const double ratio = both / (total.mantissa * power_of_minus(k));
        if (!(ratio - 1 < tolerance && 1 - ratio < tolerance)) return 0;
        s->at_blank[t] = blanks, s->share[t] = 1 / both;
        grown += pending, pending = exponent_of(all), scale = power_of_minus(pending);
        double *swap = ahead;
        ahead = here, here = swap;
    }
    return 1;
}

/* ---- logarithms ------------------------------------------------------------------------------------------------------- */

INLINE double larger(double x, double y) { return x > y ? x : y; }

INLINE double log_sum_of_three(double x, double y, double z)
{
    const double top = larger(larger(x, y), z), base = top > -REAL_INFINITY ? top : 0;
    return base + vm_log(exp_of_negative(x - base) + exp_of_negative(y - base) + exp_of_negative(z - base));
}

INLINE double log_sum_of_two(double x, double y)
{
    const double top = larger(x, y), base = top > -REAL_INFINITY ? top : 0;
    return base + vm_log(exp_of_negative(x - base) + exp_of_negative(y - base));
}

#define FOR_WINDOW(i, w) _Pragma("omp simd") for (ptrdiff_t i = (w).from; i < (w).to; i++)

/* The largest logarithm of a frame becomes 0; returns what it was. */
static double relative_to_largest(double *label, double *blank, ctc_window w)
{
    double top = -REAL_INFINITY;
    _Pragma("omp simd reduction(max : top)") for (ptrdiff_t i = w.from; i < w.to; i++)
    {
        const double x = larger(label[i], blank[i]);
        top = x > top ? x : top;
    }
    if (!(top > -REAL_INFINITY)) return top;
    FOR_WINDOW(i, w) label[i] -= top, blank[i] -= top;
    close_window(label, blank, w, -REAL_INFINITY);
    return top;
}

static void fill_frame(double *at, ptrdiff_t n, double x)
{
    for (ptrdiff_t k = 0; k < n; k++) at[k] = x;
}

/* The logarithm of the sum of all paths; -inf if there is none. */
static double go_forward_in_logs(ctc_space *s)
{
    const ptrdiff_t between = s->width + WIDE;
    double *label = ctc_labels_at(s, -1);
    long_sum total = { 0, 0 };
    fill_frame(label - WIDE, ctc_stride(s), -REAL_INFINITY);
    label[between] = 0;
    for (ptrdiff_t t = 0; t < s->frames; t++) {
        const ctc_window w = ctc_window_at(s, t);
        const double *before = label, *blank = label + between, *x = s->label_at + t * s->width, *skip = s->skip;
        const double shift = s->shift[t], x_blank = s->blank[t] - shift;
        double *to = ctc_labels_at(s, t), *to_blank = to + between;
        FOR_WINDOW(i, w)
        {
            const double last = skip[i] > 0 ? before[i - 1] : -REAL_INFINITY;
            to[i] = log_sum_of_three(before[i], blank[i], last) + (x[i] - shift);
            to_blank[i] = log_sum_of_two(blank[i], before[i - 1]) + x_blank;
        }
        const double top = relative_to_largest(to, to_blank, w);
        if (!(top > -REAL_INFINITY)) return -REAL_INFINITY;
        add_long(&total, top);
        label = to;
    }
    add_long(&total, log_sum_of_two(label[between + s->labels], s->labels ? label[s->labels - 1] : -REAL_INFINITY));
    return total_long(total);
}

static void go_backward_in_logs(ctc_space *s)
{
    const ptrdiff_t between = s->width + WIDE, stride = ctc_stride(s);
    double *ahead = s->ahead + WIDE, *here = ahead + stride;
    fill_frame(s->ahead, 2 * stride, -REAL_INFINITY);
    ahead[between + s->labels] = 0;
    for (ptrdiff_t t = s->frames - 1; t >= 0; t--) {
        const ctc_window w = ctc_window_at(s, t);
        const double *x = s->label_at + t * s->width, *skip = s->skip, *blank = ahead + between;
        const double shift = s->shift[t], x_blank = s->blank[t] - shift;
        double *label = ctc_labels_at(s, t), *label_blank = label + between, *here_blank = here + between;
        double top = -REAL_INFINITY, of_labels = 0, of_blanks = 0;
        FOR_WINDOW(i, w)
        {
            const double next = skip[i + 1] > 0 ? ahead[i + 1] : -REAL_INFINITY;
            const double l = log_sum_of_three(ahead[i], blank[i + 1], next), b = log_sum_of_two(blank[i], ahead[i]);
            label[i] += l, label_blank[i] += b;
            here[i] = l + (x[i] - shift), here_blank[i] = b + x_blank;
        }
        _Pragma("omp simd reduction(max : top)") for (ptrdiff_t i = w.from; i < w.to; i++)
        {
            const double y = larger(label[i], label_blank[i]);
            top = y > top ? y : top;
        }
        _Pragma("omp simd reduction(+ : of_labels, of_blanks)") for (ptrdiff_t i = w.from; i < w.to; i++)
        {
            label[i] = exp_of_negative(label[i] - top);
            of_labels += label[i], of_blanks += exp_of_negative(label_blank[i] - top);
        }
        s->at_blank[t] = of_blanks, s->share[t] = 1 / (of_labels + of_blanks);
        relative_to_largest(here, here_blank, w);
        double *swap = ahead;
        ahead = here, here = swap;
    }
}

/* ---- all together ----------------------------------------------------------------------------------------------------- */

/* The loss, and with `posteriors` what the gradient takes. */
static void sum_paths(ctc_space *s, int posteriors)
{
    scaled total;
    double undefined = 0;
    for (ptrdiff_t t = 0; t < s->frames; t++) undefined += s->sum[t] - s->sum[t];
    s->state = undefined == 0 ? CTC_FINITE : CTC_UNDEFINED, s->loss = REAL_NAN, s->in_logs = 0;
    if (s->state == CTC_UNDEFINED) return;

    const int underflow = exponentials(s);
    long_sum sum = { 0, 0 };
    if (!underflow && go_forward(s, &total) && go_backward(s, total, posteriors)) {
        add_long(&sum, total.exponent * LN2_HIGH);
        add_long(&sum, total.exponent * LN2_LOW);
        add_long(&sum, vm_log(total.mantissa));
    } else {
        s->in_logs = 1;
        const double log_total = go_forward_in_logs(s);
        if (!(log_total > -REAL_INFINITY)) {
            s->state = CTC_INFEASIBLE, s->loss = REAL_INFINITY;
            return;
        }
        add_long(&sum, log_total);
        if (posteriors) go_backward_in_logs(s);
    }
    _Pragma("omp simd") for (ptrdiff_t t = 0; t < s->frames; t++) s->unit[t] = s->shift[t] - vm_log(s->sum[t]);
    for (ptrdiff_t t = 0; t < s->frames; t++) add_long(&sum, s->unit[t]);
    _Pragma("omp simd") for (ptrdiff_t t = 0; t < s->frames; t++) s->unit[t] = vm_exp(s->shift[t]) / s->sum[t];
    s->loss = -total_long(sum);
}

const ctc_lattice_functions SYMBOL(ctc_lattice) = { room, open_sequence, sum_paths };
