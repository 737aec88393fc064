"""The C side: csrc/job.h and csrc/dispatch.h."""

cdef extern from "job.h" nogil:
    enum: MAX_DIMS, MAX_PARAM, BLOCK_BYTES
    ctypedef enum element_type:
        FLOAT32, FLOAT64, FLOAT16, LONGDOUBLE, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64
    ctypedef struct operand:
        char *data
        Py_ssize_t strides[64]
        element_type type
        int swapped, contiguous
    enum: Y, F, F2, W, VALUE, GRADIENT, GRADIENT2, HESSIAN, HESSIAN2, OPERANDS
    ctypedef enum label_rule:
        ANY, INTERVAL, BINARY, SIGNED
    ctypedef enum curvature_t "curvature":
        EXACT_H
    enum: WANT_VALUE, WANT_GRADIENT, WANT_HESSIAN
    ctypedef struct formula:
        int row
        double factor
        double param[8]
    ctypedef struct job:
        int ndim, n_formulas, want, stream
        const formula *formulas
        Py_ssize_t size
        Py_ssize_t shape[64]
        operand operands[9]
        curvature_t curvature
        label_rule label
        double y_low, y_high, scale, min_hessian
        double f_low[2]
        double f_high[2]
    enum: BAD_Y, BAD_F, BAD_F2, BAD_W, SAW_ZERO, SAW_MINUS
    ctypedef struct partial:
        double value, weight
        int status
    ctypedef void block_function(const job *, Py_ssize_t, partial *) noexcept nogil

cdef extern from "row_job.h" nogil:
    enum: SEGMENT, GROUP
    ctypedef enum target_form:
        LABEL_ROWS, DENSE_ROWS, VALUE_ROWS, VECTOR_ROWS
    ctypedef struct row_job:
        job lead
        Py_ssize_t classes, rows, vector_size, ignore_index
        Py_ssize_t class_stride[9]
        int native[9]
        int across, group, has_ignore_index, counted, unit_range, policy
        target_form form
        double smoothing, hessian_factor, pad, y_pad
        const void *vector
    ctypedef void row_block_function(const row_job *, Py_ssize_t, char *, partial *) noexcept nogil
    ctypedef struct long_row_functions:
        Py_ssize_t (*size)(const row_job *) noexcept nogil
        void (*open)(const row_job *, Py_ssize_t, char *, void *, partial *) noexcept nogil
        Py_ssize_t (*segments)(const void *) noexcept nogil
        int (*has_phase)(const void *, int) noexcept nogil
        void (*run "pass")(void *, int, Py_ssize_t) noexcept nogil
        void (*close)(void *, int) noexcept nogil
        void (*write)(void *, Py_ssize_t) noexcept nogil
        void (*finish)(void *, partial *) noexcept nogil

cdef extern from "group_job.h" nogil:
    ctypedef enum group_loss:
        PAIRWISE_HINGE, PAIRWISE_LOGISTIC, LAMBDA_RANK, LIST_NET, LIST_MLE
    ctypedef struct row_array:
        void *data
        element_type type
    ctypedef struct group_job:
        group_loss loss
        int want, majorizer, average, normalize, proportional
        double scale
        Py_ssize_t top, n_gains
        const double *gains
        const double *discounts
        row_array y, scores, gradient, hessian
        const Py_ssize_t *start
        double *value
        double *count
    ctypedef void group_function(const group_job *, Py_ssize_t, char *) noexcept nogil

cdef extern from "pair_job.h" nogil:
    ctypedef enum pair_loss:
        CONTRASTIVE, COSINE_EMBEDDING, TRIPLET
    ctypedef enum pair_distance:
        EUCLIDEAN, SQUARED_EUCLIDEAN, COSINE
    enum: MOST_INPUTS
    ctypedef struct pair_job:
        pair_loss loss
        pair_distance distance
        int inputs, swap
        double margin, scale
        Py_ssize_t rows, entries, in_block
        operand x[3]
        operand gradient[3]
        const unsigned char *same
        const void *weight
        void *value
    ctypedef void pair_block_function(const pair_job *, Py_ssize_t, char *, partial *) noexcept nogil

cdef extern from "batch_job.h" nogil:
    enum: ROWS_IN_BLOCK, PARTNERS, APART
    ctypedef enum batch_mining:
        MINE_ALL, MINE_HARD, MINE_SEMIHARD
    ctypedef enum batch_distance:
        BY_NORM, BY_SQUARE, BY_ANGLE
    ctypedef struct batch_job:
        batch_mining mining
        batch_distance distance
        double margin
        int want, mixed
        Py_ssize_t rows, entries, padded, stride, first, last
        const void *x
        void *panels
        void *tile
        const unsigned char *kind
        const Py_ssize_t *start
        const Py_ssize_t *stop
        const Py_ssize_t *index
        const double *weight
        double *value
        double *active
        double *gradient
        double *slope
        Py_ssize_t *chosen
    ctypedef struct batch_functions:
        Py_ssize_t panel, step
        Py_ssize_t (*scratch)(const batch_job *) noexcept nogil
        void (*pack)(const batch_job *, Py_ssize_t) noexcept nogil
        void (*mine)(const batch_job *, Py_ssize_t, char *) noexcept nogil
        void (*gradient)(const batch_job *, Py_ssize_t) noexcept nogil
        void (*gradient_of_chosen)(const batch_job *, Py_ssize_t) noexcept nogil

cdef extern from "similarity_job.h" nogil:
    ctypedef struct similarity_job:
        void *s
        Py_ssize_t rows, columns, stride, first_row, first_column
        double factor, bias
        int same
        const Py_ssize_t *positive
        const void *label
        void *top
        void *column_top
        double *rest
        double *column_rest
        void *own
        double *near
        const void *row_factor
        const void *column_factor
        const void *at_positive
        const void *label_factor
        double *value
        double *slope
    ctypedef struct unit_job:
        operand x
        void *unit
        void *slope
        Py_ssize_t entries
        int normalize
        double *inverse
        double *factor
        double *dot
    ctypedef void similarity_function(const similarity_job *, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void unit_function(const unit_job *, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef struct similarity_functions:
        similarity_function *rows
        similarity_function *columns
        similarity_function *slopes
        similarity_function *sigmoids
        unit_function *units
        unit_function *project

cdef extern from "region_job.h" nogil:
    ctypedef enum score_kind:
        SOFTMAX_SCORES, SIGMOID_SCORES, PROBABILITIES, HINGE_SCORES
    ctypedef enum region_operand:
        REGION_F, REGION_Y, REGION_GRADIENT, REGION_OPERANDS
    enum: TARGET_SUM, HIT_SUM, MISSED_SUM, EXTRA_SUM, REGION_SUMS
    enum: REGION_SLOPES
    ctypedef struct region_job:
        score_kind scores
        int labels, hard, squared, has_ignored, ndim, stream
        Py_ssize_t ignored, samples, classes, pixels, tile, in_block, first_sample
        Py_ssize_t shape[64]
        operand operands[3]
        Py_ssize_t sample_stride[3]
        Py_ssize_t class_stride[3]
        int native[3]
        const double *slopes
        void *errors
        Py_ssize_t error_strides[2]
        const Py_ssize_t *slot
    ctypedef int region_sum_function(const region_job *, Py_ssize_t, Py_ssize_t, char *, double *) noexcept nogil
    ctypedef void region_block_function(const region_job *, Py_ssize_t, Py_ssize_t, char *) noexcept nogil
    ctypedef double lovasz_function(int, Py_ssize_t, double, void *, int, char *) noexcept nogil
    ctypedef struct region_functions:
        Py_ssize_t (*scratch)(const region_job *) noexcept nogil
        region_sum_function *count
        region_sum_function *sum
        region_block_function *gradient
        region_block_function *errors
        region_block_function *lovasz_gradient
        lovasz_function *lovasz
        Py_ssize_t key_size

cdef extern from "losses/segmentation.h" nogil:
    ctypedef struct region_terms:
        double value
        double slope[4]
    region_terms tversky(const double *sums, double alpha, double beta, double smooth)
    region_terms squared_dice(const double *sums, double smooth)
    region_terms focal(region_terms, double gamma)
cdef extern from "ctc_job.h" nogil:
    ctypedef struct ctc_job:
        int logits
        Py_ssize_t classes, blank, most_frames, most_labels
        operand f, gradient
        const Py_ssize_t *label
        const Py_ssize_t *first
        const Py_ssize_t *frames
        const double *factor
    ctypedef enum ctc_state:
        CTC_FINITE, CTC_INFEASIBLE, CTC_UNDEFINED
    ctypedef struct ctc_space:
        double loss
        ctc_state state
        int in_logs
    ctypedef struct ctc_lattice_functions:
        Py_ssize_t (*room)(Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*open)(const ctc_job *, Py_ssize_t, char *, int *, ctc_space *) noexcept nogil
        void (*sum_paths)(ctc_space *, int) noexcept nogil
    ctypedef struct ctc_row_functions:
        Py_ssize_t (*scratch)(const ctc_job *) noexcept nogil
        void (*read)(const ctc_job *, Py_ssize_t, const ctc_space *, Py_ssize_t, Py_ssize_t, char *) noexcept nogil
        void (*write)(const ctc_job *, Py_ssize_t, const ctc_space *, Py_ssize_t, Py_ssize_t, char *) noexcept nogil
        void (*clear)(const ctc_job *, Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil

cdef extern from "soft_dtw_job.h" nogil:
    ctypedef struct soft_dtw_job:
        int divergence
        double gamma
        Py_ssize_t features, most_pred
        operand y, f, gradient
        const Py_ssize_t *y_frames
        const Py_ssize_t *f_frames
        const double *factor
        double *value
    ctypedef struct soft_dtw_functions:
        Py_ssize_t (*scratch)(const soft_dtw_job *, Py_ssize_t) noexcept nogil
        void (*run)(const soft_dtw_job *, Py_ssize_t, char *) noexcept nogil

cdef extern from "dispatch.h" nogil:
    ctypedef struct vmath_row:
        const char *name
        void (*function)(Py_ssize_t n, const void *x, void *out) noexcept nogil
    ctypedef struct instruction_set:
        const char *name
        block_function *run[2]
        row_block_function *run_rows[2]
        Py_ssize_t (*row_scratch[2])(const row_job *) noexcept nogil
        const long_row_functions *long_rows[2]
        group_function *run_group
        Py_ssize_t (*group_scratch)(Py_ssize_t) noexcept nogil
        pair_block_function *run_pairs[2]
        Py_ssize_t (*pair_scratch[2])(const pair_job *) noexcept nogil
        const batch_functions *batch[2]
        const similarity_functions *similarity[2]
        const region_functions *regions[2]
        const ctc_row_functions *ctc_rows[2]
        const ctc_lattice_functions *ctc_lattice
        const soft_dtw_functions *soft_dtw
        const vmath_row *vmath[2]
        double (*probe[2])(Py_ssize_t n, const void *y, const void *f, void *g, void *h, int stream) noexcept nogil
    ctypedef struct loss_row:
        const char *name
        int parameters, predictions, curvatures
    const loss_row fastloss_losses[]
    const loss_row fastloss_row_losses[]
    int fastloss_instruction_sets(const instruction_set **sets)
    Py_ssize_t fastloss_cache_size()
    void fastloss_note_threads()
    int fastloss_forked()
    double fastloss_now() nogil
    void fastloss_waited(double began, double done, double all_done) nogil
    int fastloss_alone()
    int FASTLOSS_OPENMP
    const char *FASTLOSS_COMPILER
