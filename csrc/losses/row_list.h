/* All row losses: name, number of parameters, curvatures beside the exact one, the kind of its phases (row_kernels.c), and the
 * formula or phase that is its own. */
#ifndef FASTLOSS_ROW_LIST_H
#define FASTLOSS_ROW_LIST_H

#define ROW_LOSSES(ROW)                                                                     \
    ROW(cross_entropy, 1, EXACT, PROBABILITY, cross_entropy)                                \
    ROW(cross_entropy_logits, 0, SCALED, SOFTMAX, cross_entropy)                            \
    ROW(negative_log_likelihood, 0, EXACT, ENTRY, negative_log_likelihood)                  \
    ROW(categorical_focal, 2, EXACT, PROBABILITY, categorical_focal)                        \
    ROW(categorical_focal_logits, 1, MAJORIZER, SOFTMAX, categorical_focal)                 \
    ROW(generalized_cross_entropy, 2, EXACT, PROBABILITY, generalized_cross_entropy)        \
    ROW(generalized_cross_entropy_logits, 1, MAJORIZER, SOFTMAX, generalized_cross_entropy) \
    ROW(poly1_cross_entropy, 1, EXACT, PROBABILITY, poly1_cross_entropy)                    \
    ROW(poly1_cross_entropy_logits, 1, MAJORIZER, SOFTMAX, poly1_cross_entropy)             \
    ROW(categorical_hinge, 1, EXACT, HINGE, hinge_close)                                    \
    ROW(categorical_hinge_keras, 1, EXACT, HINGE, hinge_close_keras)                        \
    ROW(multi_margin_1, 1, MAJORIZER, MARGINS, margins_1)                                   \
    ROW(multi_margin_2, 1, MAJORIZER, MARGINS, margins_2)                                   \
    ROW(kl_divergence, 1, EXACT, PROBABILITY_DENSE, kl_divergence)                          \
    ROW(kl_divergence_target, 1, EXACT, PROBABILITY_DENSE, kl_divergence_target)            \
    ROW(kl_divergence_log, 0, EXACT, PROBABILITY_DENSE, kl_divergence_log)                  \
    ROW(kl_divergence_log_target, 0, EXACT, PROBABILITY_DENSE, kl_divergence_log_target)    \
    ROW(kl_divergence_logits, 0, BOTH, SOFTMAX_DENSE, kl_divergence)                        \
    ROW(kl_divergence_logits_target, 0, BOTH, SOFTMAX_DENSE, kl_divergence_target)          \
    ROW(jensen_shannon, 0, EXACT, PROBABILITY_DENSE, jensen_shannon)                        \
    ROW(jensen_shannon_logits, 0, EXACT, SOFTMAX_DENSE, jensen_shannon)                     \
    ROW(multi_quantile, 0, BOTH, QUANTILES, quantiles)                                      \
    ROW(cosine_similarity, 0, NO_HESSIAN, ANGLE, angle_gradient)

#endif
