// What an operator has to do at the least, from its shape alone: the model behind "% of roofline".
// An FMA counts two operations, an exponential one; bytes are those that come from or go to memory,
// of float32 unless said. All figures below are a token of one head, with dv = d and D features;
// "training" is forward and backward together. Tested in tests/experiments/bench.
#pragma once

#include "experiments/bench/operators.h"

namespace luna::bench {

/// "forward", "forward_backward" or "decode".
const char* name_of(Pass pass);

/// Of one call.
struct Work {
  double flops, bytes;
};

/// How a feature map is evaluated. Operations on both sides together, forward and backward; fused
/// operators recompute features in backward, eager ones have kept them:
///   piecewise linear psi   4 d m + 4 m L                     12 d m + 14 m L
///   dense psi, eager       4 d m + 4 m hid (1 + L)           8 d m + 2 m hid (5 + 4 L)
///   one coordinate         2 D                               4 D, eager 2 D
///   projection             4 d D + 2 D                       8 d D + 4 D, eager 4 d D + 2 D
///   its pairs              2 d D + 2 D                       4 d D + 4 D, eager 2 d D + 2 D
///   trained projection     4 d D + 2 D                       12 d D + 4 D, eager 8 d D + 2 D
///   its pairs              2 d D + 2 D                       6 d D + 4 D, eager 4 d D + 2 D
/// Pairs: two features a projection, as a sine and a cosine, or of y and of -y. Trained: with a
/// gradient of its own (scales beside a projection, as RFA's, are not counted).
enum class MapWork {
  kPiecewiseLinear,
  kDensePsi,
  kCoordinate,
  kProjection,
  kProjectedPairs,
  kTrainedProjection,
  kTrainedPairs
};

/// Fused: the map, 4 D d + 3 D + d forward (sum, apply, denominator), 8 D d backward, whatever the
/// kernel saves of it; causal the same (a scan). Bytes: q, k, v, o, and in backward q, do, o, dq,
/// k, v, dk, dv.
Work fused_work(const Size& size, double features, MapWork map, Pass pass);

/// Features through memory: 4 D floats more forward, 8 D backward. Causal, the quadratic
/// definition: 2 N (D + d) operations in place of 4 D d, twice that backward, and every score
/// written and read forward, twice backward.
Work eager_work(const Size& size, double features, MapWork map, Pass pass, bool causal);

/// Softmax with scores in cache: 4 N d forward, 10 N d backward (scores again), causal half of it.
Work flash_work(const Size& size, Pass pass, bool causal);

/// Softmax with scores in memory, written and read by the product, the softmax and the second
/// product: 4 N d and 4 N floats forward, 8 N d and 8 N backward, causal too.
Work scores_work(const Size& size, Pass pass);

/// A decoding step: the map forward, as fused or eager, 4 D d + 4 D + d, and beside q, k, v and o,
/// of so many bytes each, the state, D (d + 1) floats, read and written once.
Work decode_work(const Size& size, double features, MapWork map, double element_bytes = 4);

/// By the operator's kind, in the dtype of `in`; it says how many features its map has, too.
Work work_of(const Operator& op, const Size& size, const Inputs& in, Pass pass);

/// Features of a head of size d under the operator's map; 0 for softmax.
int64_t features_of(const Operator& op, const Inputs& in);

}  // namespace luna::bench
