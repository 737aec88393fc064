/* Ranking losses: one group of rows at a time. Compiled per instruction set.
 *
 * Design. Everything is computed in float64, whatever the type of the scores: it is little work per row but for the pairs,
 * and no digit is lost to sums. The rows of a group are put in the order of relevance, so that all partners of a row in pairs
 * lie in one run. LambdaRank cut at k has the first k ranks in one list and the others in a second one: its pairs have at
 * least one row in the first. */
#include "group_hinge.h"
#include "group_lists.h"
#include "group_pairs.h"

static const double LN2 = 0x1.62e42fefa39efp-1;

/* ---- places ------------------------------------------------------------------------------------------------------------ */

static void put(const group *g, ptrdiff_t place, double score, double gain)
{
    g->s[place] = score, g->gain[place] = gain;
    g->discount[place] = g->rise[place] = g->fall[place] = 0;
}

/* Rows that add nothing to logistic pairs, and nothing that counts to the hinge: behind both lists, and as a first row. */
static void pad(group *g)
{
    const int hinge = g->job->loss == PAIRWISE_HINGE;
    const double much = 1e100, last = g->rest < g->end ? g->gain[g->rest] : 0;
    g->none = g->end + STEP;
    for (int l = 0; l < STEP; l++) put(g, g->top + l, hinge ? -much : g->low, 0), put(g, g->end + l, hinge ? -much : g->low, 0);
    put(g, g->none, hinge ? much : g->high, g->gain[0] > last ? g->gain[0] : last);
}

static void one_list(group *g)
{
    g->top = g->rest = g->end = g->n;
    order_descending(g->n, g->y, g->order, g->entries[0], g->entries[1]);
    for (ptrdiff_t k = 0; k < g->n; k++) g->s[k] = g->scores[g->order[k]], g->gain[k] = g->y[g->order[k]];
}

static double gain_of(const group_job *j, double y)
{
    if (!j->gains) return y;
    const int level = y < (double)j->n_gains ? (int)y : -1;
    return level == y ? j->gains[level] : exp2(y) - 1;
}

/* Both lists of LambdaRank; the sum of the largest gains times the discounts. */
static double rank_lists(group *g, ptrdiff_t top)
{
    const group_job *j = g->job;
    ptrdiff_t *by_score = g->spare[0], *ranks = g->spare[1], first = 0;
    double *y = g->more[0], ideal = 0;
    order_descending(g->n, g->scores, by_score, g->entries[0], g->entries[1]);
    for (ptrdiff_t r = 0; r < g->n; r++) y[r] = g->y[by_score[r]];
    order_descending(g->n, y, ranks, g->entries[0], g->entries[1]);
    g->top = top, g->rest = g->end = top < g->n ? top + STEP : top;
    for (ptrdiff_t i = 0; i < g->n; i++) {
        const ptrdiff_t r = ranks[i], leads = r < top, place = leads ? first : g->end;
        first += leads, g->end += !leads;
        g->order[place] = by_score[r];
        g->s[place] = g->scores[by_score[r]];
        g->gain[place] = gain_of(j, y[r]);
        g->discount[place] = j->discounts[r];
        if (i < top) ideal += g->gain[place] * j->discounts[i];
    }
    return ideal;
}

/* ---- pairs ------------------------------------------------------------------------------------------------------------- */

/* Two rows against the rows [from, to) of a list. */
static void run(group *g, pair_run *function, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, double *size)
{
    pair_sums sums[2] = { { 0 } };
    function(g, rows, from, to, sums);
    for (int r = 0; r < 2; r++) {
        g->value += sums[r].value, *size += sums[r].size;
        g->gradient[rows[r]] -= sums[r].slope;
        g->hessian[rows[r]] += sums[r].curvature;
    }
}

/* All pairs of a first row in the list up to `top` and a second row behind it in gain; then those with the other list, in
 * which the rows of equal gain lie between [.., above) and [below, ..). They weigh nothing: only steps are left out. Returns
 * the sum of the sizes of slopes. */
static double run_all(group *g, pair_run *function, int products)
{
    ptrdiff_t behind = 0, above = g->rest, below = g->rest;
    double size = 0;
    int factors = 0;
    for (ptrdiff_t i = 0, next; i < g->top; i = next) {
        const double gain = g->gain[i];
        next = i + 1 < g->top && g->gain[i + 1] == gain ? i + 2 : i + 1;
        const ptrdiff_t rows[2] = { i, next == i + 2 ? i + 1 : g->none };
        while (behind < g->top && g->gain[behind] >= gain) behind++;
        if (behind < g->top) run(g, function, rows, behind, g->top, &size);
        if (products && (factors += 2) > g->together - 2) g->value += take_products(g), factors = 0;
        if (g->rest == g->end) {
            if (behind == g->top) break;
            continue;
        }
        while (above < g->end && g->gain[above] > gain) above++;
        while (below < g->end && g->gain[below] >= gain) below++;
        const ptrdiff_t left = g->close ? g->rest + (above - g->rest + STEP - 1) / STEP * STEP : above;
        const ptrdiff_t right = g->close ? below - (below - g->rest) % STEP : below;
        if (left >= right) run(g, function, rows, g->rest, g->end, &size);
        else {
            if (left > g->rest) run(g, function, rows, g->rest, left, &size);
            if (right < g->end) run(g, function, rows, right, g->end, &size);
        }
    }
    if (products) g->value += take_products(g);
    return size;
}

static double count_pairs(const group *g)
{
    double pairs = 0;
    for (ptrdiff_t i = 0, level = 0; i < g->n; i++) {
        if (g->gain[i] != g->gain[level]) level = i;
        pairs += (double)level;
    }
    return pairs;
}

static void scale_rows(group *g, double slope, double curvature)
{
    for (ptrdiff_t k = 0; k < g->end; k++) g->gradient[k] *= slope, g->hessian[k] *= curvature;
}

/* Losses of all pairs y_i > y_j. */
static void run_pairs(group *g)
{
    enum { LARGE = 1024 };
    const group_job *j = g->job;
    const int hinge = j->loss == PAIRWISE_HINGE, wanted = (j->want & WANT_VALUE) != 0;
    one_list(g);
    pad(g);
    const double pairs = count_pairs(g), share = j->average && pairs > 0 ? 1 / pairs : 1;
    g->count = j->average ? pairs > 0 : pairs;
    if (hinge && !j->majorizer && g->finite && g->n > LARGE) g->value = hinge_sweep(g);
    else if (hinge) {
        g->close = g->low > -MUCH && g->high < MUCH && j->scale < MUCH;
        run_all(g, !g->close ? hinge_far : j->majorizer ? hinge_steep : hinge_slopes, 0);
    } else {
        look_how_close(g);
        const int products = g->close && wanted;
        if (products) memset(g->more[0], 0, (size_t)(g->n + STEP) * sizeof(double));
        run_all(g, !g->close ? logistic_far : wanted ? logistic_values : logistic_slopes, products);
    }
    g->value *= share;
    if (hinge) scale_rows(g, share, j->majorizer ? share : 0);
    else scale_rows(g, share * j->scale, share * j->scale * j->scale);
}

static void run_lambda(group *g)
{
    static pair_run *const near[2][2] = { { lambda_slopes, lambda_slopes_spread }, { lambda_values, lambda_values_spread } };
    static pair_run *const far[2] = { lambda_far, lambda_far_spread };
    const group_job *j = g->job;
    for (ptrdiff_t i = 1; i < g->n; i++) g->count += g->y[i] != g->y[0];
    if (!(g->count > 0)) return;
    g->count = 1;
    const ptrdiff_t top = j->top < g->n ? j->top : g->n;
    const double ideal = rank_lists(g, top);
    pad(g);
    look_how_close(g);
    g->least = g->low < g->high ? 0.01 : 1;
    pair_run *const pairs = g->close ? near[(j->want & WANT_VALUE) != 0][j->normalize] : far[j->normalize];
    const double size = run_all(g, pairs, 0);
    const double factor = ideal > 0 ? 1 / ideal : 0, S = 2 * j->scale * factor * size;
    const double whole = factor * (j->normalize && S > 0 ? log1p(S) / (LN2 * S) : 1);
    g->value *= whole;
    scale_rows(g, whole * j->scale, whole * j->scale * j->scale);
}

/* ---- a group ----------------------------------------------------------------------------------------------------------- */

enum { COLUMNS = 17, ENTRIES = 2 };

/* Columns lie at different offsets within a page: at equal ones loads wait for stores. */
static ptrdiff_t column_bytes(ptrdiff_t n, size_t size) { return ((n + 4 * STEP) * (ptrdiff_t)size + 63) / 64 * 64 + 5 * 64; }

ptrdiff_t SYMBOL(group_scratch)(ptrdiff_t largest)
{
    return 64 + COLUMNS * column_bytes(largest, sizeof(double)) + ENTRIES * column_bytes(largest, sizeof(entry));
}

static void *take(char **from, ptrdiff_t n, size_t size)
{
    char *here = *from;
    *from += column_bytes(n, size);
    return here;
}

static void lay_out(group *g, char *scratch)
{
    double **const columns[] = { &g->y,        &g->scores,  &g->s,       &g->gain,    &g->discount, &g->rise,   &g->fall,
                                 &g->gradient, &g->hessian, &g->more[0], &g->more[1], &g->more[2],  &g->more[3] };
    ptrdiff_t **const indices[] = { &g->order, &g->spare[0], &g->spare[1], &g->spare[2] };
    char *at = (char *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) *columns[k] = take(&at, g->n, sizeof(double));
    for (size_t k = 0; k < sizeof indices / sizeof *indices; k++) *indices[k] = take(&at, g->n, sizeof(ptrdiff_t));
    for (int k = 0; k < ENTRIES; k++) g->entries[k] = take(&at, g->n, sizeof(entry));
}

static void load(row_array from, ptrdiff_t first, ptrdiff_t n, double *restrict to)
{
    if (from.type == FLOAT64) memcpy(to, (const double *)from.data + first, (size_t)n * sizeof *to);
    else
        for (ptrdiff_t i = 0; i < n; i++) to[i] = (double)((const float *)from.data)[first + i];
}

/* 1 if a score is NaN. All are 0 then. */
static int look_at_scores(group *g)
{
    const ptrdiff_t n = g->n;
    double *restrict s = g->scores, low = HUGE_VAL, high = -HUGE_VAL;
    int nan = 0;
    _Pragma("omp simd reduction(min:low) reduction(max:high) reduction(|:nan)") for (ptrdiff_t i = 0; i < n; i++)
    {
        low = s[i] < low ? s[i] : low;
        high = s[i] > high ? s[i] : high;
        nan |= s[i] != s[i];
    }
    if (nan) memset(s, 0, (size_t)n * sizeof *s), low = high = 0;
    g->low = low, g->high = high, g->finite = low > -HUGE_VAL && high < HUGE_VAL;
    return nan;
}

/* One list after the other. */
static void store(const group *g, const double *x, double more, row_array to, ptrdiff_t first)
{
    const ptrdiff_t lists[2][2] = { { 0, g->top }, { g->rest, g->end } };
    if (!to.data) return;
    for (int l = 0; l < 2; l++)
        for (ptrdiff_t k = lists[l][0]; k < lists[l][1]; k++)
            if (to.type == FLOAT32) ((float *)to.data)[first + g->order[k]] = (float)(x[k] + more);
            else ((double *)to.data)[first + g->order[k]] = x[k] + more;
}

void SYMBOL(run_group)(const group_job *j, ptrdiff_t index, char *scratch)
{
    const ptrdiff_t first = j->start[index], n = j->start[index + 1] - first;
    group g = { .job = j, .n = n, .top = n, .rest = n, .end = n };
    j->value[index] = j->count[index] = 0;
    if (!n) return;
    lay_out(&g, scratch);
    load(j->y, first, n, g.y);
    load(j->scores, first, n, g.scores);
    const int nan = look_at_scores(&g);
    memset(g.gradient, 0, (size_t)(n + 4 * STEP) * sizeof *g.gradient);
    memset(g.hessian, 0, (size_t)(n + 4 * STEP) * sizeof *g.hessian);
    for (ptrdiff_t i = 0; i < n; i++) g.order[i] = i;
    switch (j->loss) {
    case PAIRWISE_HINGE:
    case PAIRWISE_LOGISTIC: run_pairs(&g); break;
    case LAMBDA_RANK: run_lambda(&g); break;
    case LIST_NET: run_list_net(&g); break;
    case LIST_MLE:
        one_list(&g);
        run_list_mle(&g);
        break;
    }
    /* The sum of slopes of a group with NaN is NaN throughout, if the group counts at all. */
    const double spoilt = nan && g.count > 0 ? (double)NAN : 0;
    j->value[index] = g.value + spoilt;
    j->count[index] = g.count;
    store(&g, g.gradient, spoilt, j->gradient, first);
    store(&g, g.hessian, spoilt, j->hessian, first);
}
