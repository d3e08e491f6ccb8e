#include "runtime/kernels/cpu/segments.h"

#include <optional>

#include "runtime/kernels/cpu/key_sums.h"
#include "runtime/kernels/cpu/segment_strip.h"
#include "runtime/kernels/cpu/state.h"
#include "runtime/kernels/cpu/tasks.h"
#include "runtime/kernels/cpu/tile.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cpu {
namespace {

/// Tokens of a task; where its sums over segments become a state, the fewest.
constexpr int64_t kTaskTokens = 2048;

/// Most that a forward keeps of its keys' sums: times v's memory.
constexpr int64_t kMostKeptSums = 2;

/// max(den + add, clamp) = 1.
constexpr Denominator kNoDenominator{kLowest, 1.0f};

Tasks segment_tasks(const at::Tensor& x) {
  return long_tasks_of(x, kTaskTokens, tiles::kStripTokens);
}

template <typename Body>
void for_each_strip(const Task& task, const Body& body) {
  for_each_tile(task, tiles::kStripTokens, body);
}

/// A tensor's strips in float32, for one thread: where they lie, or widened into memory of its own.
class Strips {
 public:
  explicit Strips(const at::Tensor& t) : storage_(t) {
    if (!t.defined()) return;
    if (t.scalar_type() == at::kFloat) {
      own_.emplace(t);
    } else {
      wide_.emplace(t.size(3), tiles::kStripTokens);
    }
  }
  bool defined() const { return storage_.defined(); }
  /// The tokens n, ... .
  StripRows read(const Task& task, int64_t n, int64_t tokens) const {
    if (wide_) storage_.load(task.b, task.h, n, tokens, /*weight=*/nullptr, 0.0f, *wide_);
    return target(task, n);
  }
  /// Where they may be written before store(); nullptr of an undefined tensor.
  StripRows target(const Task& task, int64_t n) const {
    if (wide_) return {wide_->data(), storage_.width(), wide_->pitch()};
    if (own_) return {own_->at(task.b, task.h, n), own_->width, own_->row};
    return {nullptr, 0, 0};
  }
  void store(const Task& task, int64_t n, int64_t tokens) const {
    if (wide_) storage_.store(task.b, task.h, n, tokens, wide_->matrix(tokens));
  }

 private:
  TokenRows storage_;
  std::optional<Rows> own_;
  std::optional<Tile> wide_;
};

StripScalars scalars(const Rows& rows, const Task& task, int64_t n) {
  return {rows.at(task.b, task.h, n), rows.row};
}

/// [B, Hk, D, dv] with rows padded to whole vectors.
at::Tensor padded(const at::Tensor& S) {
  const int64_t dv = S.size(3), width = tiles::round_up(dv, tiles::kLanes);
  return width == dv ? S.contiguous() : at::constant_pad_nd(S, {0, width - dv});
}

/// States of every task, [tasks, D, width] and [tasks, D], and their sums in float64 over the tasks
/// of a key head, which are adjacent.
struct SegmentStates {
  SegmentStates(int64_t tasks, int64_t D, int64_t dv)
      : S(at::empty({tasks, D, tiles::round_up(dv, tiles::kLanes)}, at::kFloat)),
        z(at::empty({tasks, D}, at::kFloat)) {}
  float* S_of(int64_t task) const { return S.data_ptr<float>() + task * S.size(1) * S.size(2); }
  float* z_of(int64_t task) const { return z.data_ptr<float>() + task * z.size(1); }

  void reduce(at::Tensor& S_sum, at::Tensor& z_sum) const {
    const auto sum = [](const at::Tensor& parts, at::Tensor& into) {
      const int64_t heads = into.size(0) * into.size(1);
      if (heads == 0) return;
      const at::Tensor by_head = parts.unflatten(0, {heads, parts.size(0) / heads});
      into.copy_((by_head.size(1) == 1 ? by_head.select(1, 0) : by_head.sum(1, false, at::kDouble))
                     .view(into.sizes()));
    };
    sum(S.narrow(2, 0, S_sum.size(3)), S_sum);
    sum(z, z_sum);
  }

  at::Tensor S, z;
};

/// Sums over (projection, segment) of one task at a time, in memory [tasks, SegmentTable::floats]
/// where all tasks' stay, or [1, ...], which tasks take in turn.
class TaskTable {
 public:
  TaskTable(const SegmentMap& map, int64_t dv, at::Tensor memory)
      : map_(map),
        dv_(dv),
        memory_(std::move(memory)),
        table_(map, dv, memory_[0]),
        crowded_(map.m(), table_.rows(), table_.width()) {}
  /// The task's, 0 to begin with.
  void begin(int64_t task) {
    take(task);
    table_.clear();
    crowded_.clear();
  }
  /// The task's, as they were left.
  void take(int64_t task) { table_ = {map_, dv_, memory_[std::min(task, memory_.size(0) - 1)]}; }
  void add(Strip& sites, const Columns& columns) { sites.add_sums(columns, table_, crowded_); }
  /// Of all that was added; nothing is added after it.
  const SegmentTable& total() const {
    crowded_.restore(table_);
    return table_;
  }

 private:
  const SegmentMap& map_;
  int64_t dv_;
  at::Tensor memory_;
  SegmentTable table_;
  CrowdedRows crowded_;
};

/// Memory of one task's table.
at::Tensor sums_memory(const SegmentMap& map, int64_t dv) {
  return at::empty({1, SegmentTable::floats(map, dv)}, at::kFloat);
}

/// Parameter sums of every task: dproj [m, d], dbias [m], gradient of the coefficients. Not wanted,
/// they have no memory and cost nothing.
class TaskSums {
 public:
  TaskSums(const SegmentMap& map, int64_t tasks, bool wanted) : map_(map), wanted_(wanted) {
    if (!wanted) return;
    proj_ = at::zeros({tasks, map.m(), map.d()}, at::kFloat);
    bias_ = at::zeros({tasks, map.m()}, at::kFloat);
    coefficients_ = at::empty({tasks, map.L(), map.segments(), 2}, at::kFloat);
  }
  bool wanted() const { return wanted_; }
  float* proj(int64_t task) const { return of(proj_, task); }
  float* bias(int64_t task) const { return of(bias_, task); }
  void add_table(int64_t task, const float* S, const float* z, const SegmentTable& sums) const {
    if (wanted_) table_gradient(map_, S, z, sums, of(coefficients_, task));
  }
  void reduce(MapGrads& grads) const {
    if (!wanted_) return;
    const auto total = [](const at::Tensor& parts) {
      return sum_tasks(parts.flatten(1), 1, 1).view(parts.sizes().slice(1));
    };
    grads.proj = total(proj_).to(at::kFloat);
    grads.bias = total(bias_).to(at::kFloat);
    map_.unfold(total(coefficients_), grads);
  }

 private:
  float* of(const at::Tensor& sums, int64_t task) const {
    return wanted_ ? sums.data_ptr<float>() + task * sums.stride(0) : nullptr;
  }

  const SegmentMap& map_;
  bool wanted_;
  at::Tensor proj_, bias_, coefficients_;
};

/// The table of the (b, key head) at hand: tasks of one head follow each other.
class HeadTable {
 public:
  HeadTable(const SegmentMap& map, const at::Tensor& S, const at::Tensor& z, int64_t dv)
      : map_(map), S_(S), z_(z), table_(map, dv) {}
  const SegmentTable& of(int64_t head) {
    if (head != head_) {
      fill_table(map_, S(head), z(head), table_);
      head_ = head;
    }
    return table_;
  }
  const float* S(int64_t head) const {
    return S_.const_data_ptr<float>() + head * S_.size(2) * S_.size(3);
  }
  const float* z(int64_t head) const { return z_.const_data_ptr<float>() + head * z_.size(2); }

 private:
  const SegmentMap& map_;
  const at::Tensor &S_, &z_;
  SegmentTable table_;
  int64_t head_ = -1;
};

/// Whether c is at most twice what values differ by, as a sample of every head's shows. Sums of w v
/// serve then as well as those of w (v - c):
///   sum w (v - c) . R - u_c sum w = sum w v . R - u_0 sum w,  u_0 = u_c + R . c
/// loses to rounding as c is larger than that spread.
bool is_small(const at::Tensor& center, const Problem& p) {
  constexpr int64_t kSample = 64;
  constexpr double kMostSquared = 4.0;
  const int64_t N = p.v.size(2), step = std::max<int64_t>(1, N / kSample);
  const auto sample = [&](const at::Tensor& x) { return x.slice(2, 0, N, step); };
  at::Tensor squares = (sample(p.v) - center.unsqueeze(2)).square_().mean(-1);
  if (p.k_weight.defined()) squares.masked_fill_(sample(p.k_weight) == 0, 0.0);
  const at::Tensor small = center.square().mean(-1) <= kMostSquared * squares.mean(-1);
  return small.all().item<bool>();
}

/// The forward's sums where they serve in place of those of w (v - c); else undefined.
at::Tensor kept_sums(const Forward& saved, const Problem& p, const SegmentMap& map,
                     const Tasks& tasks, const at::Tensor& center) {
  const at::Tensor sums =
      key_sums_of(saved, {tasks.count(), SegmentTable::floats(map, p.v.size(3))});
  return sums.defined() && is_small(center, p) ? sums : at::Tensor();
}

}  // namespace

void segment_state(const Problem& p, const SegmentMap& map, Forward& result) {
  const int64_t dv = p.v.size(3);
  const Tasks tasks = segment_tasks(p.k);
  const at::Tensor kept =
      key_sums_memory(p, {tasks.count(), SegmentTable::floats(map, dv)}, kMostKeptSums);
  if (kept.defined()) result.key_sums = {kept};
  const SegmentStates states(tasks.count(), map.m() * map.L(), dv);
  float one = 1.0f;
  const Rows weight(p.k_weight, &one);
  tasks.run([&](int64_t begin, int64_t end) {
    const Strips k(p.k), v(p.v);
    Strip sites(map, dv);
    TaskTable sums(map, dv, kept.defined() ? kept : sums_memory(map, dv));
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      sums.begin(index);
      for_each_strip(task, [&](int64_t n, int64_t tokens) {
        const StripScalars w = scalars(weight, task, n);
        sites.locate(k.read(task, n, tokens), w, tokens);
        sums.add(sites, {v.read(task, n, tokens), w, w});
      });
      state_of(map, sums.total(), states.S_of(index), states.z_of(index));
    }
  });
  states.reduce(result.S, result.z);
}

void segment_apply(const Problem& p, const SegmentMap& map, Forward& result) {
  const int64_t H = p.q.size(1), Hk = p.k.size(1), dv = p.v.size(3);
  const at::Tensor S = padded(result.S);
  float one = 1.0f;
  const Rows weight(p.q_weight, &one), den(result.den);
  const Tasks tasks(p.q.size(0), H, p.q.size(2), kTaskTokens);  // no sums
  tasks.run([&](int64_t begin, int64_t end) {
    const Strips q(p.q), o(result.o);
    Strip sites(map, dv);
    HeadTable tables(map, S, result.z, dv);
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      const SegmentTable& table = tables.of(task.b * Hk + task.h * Hk / H);
      for_each_strip(task, [&](int64_t n, int64_t tokens) {
        const StripScalars w = scalars(weight, task, n);
        sites.locate(q.read(task, n, tokens), w, tokens);
        sites.product(w, table, p.denominator, o.target(task, n), scalars(den, task, n));
        o.store(task, n, tokens);
      });
    }
  });
}

at::Tensor center_of(const Forward& saved) {
  const at::Tensor z = saved.z.unsqueeze(-1);
  const at::Tensor c = (saved.S * z).sum(2) / z.square().sum(2);
  return c.nan_to_num(0.0, 0.0, 0.0).contiguous();
}

at::Tensor StateGradient::u_from(const at::Tensor& other) const {
  if (other.is_same(center)) return u;
  const auto shift = [this](const at::Tensor& c) { return (R * c.unsqueeze(2)).sum(-1); };
  at::Tensor result = center.defined() ? u - shift(center) : u;
  return other.defined() ? result + shift(other) : result;
}

void StateGradient::count_from(const at::Tensor& other) {
  u = u_from(other);
  center = other;
}

void segment_query_gradients(const Problem& p, const SegmentMap& map, const Forward& saved,
                             const at::Tensor& grad, bool wants_params, Backward& result,
                             StateGradient& state_gradient) {
  const int64_t H = p.q.size(1), Hk = p.k.size(1), dv = p.v.size(3);
  const Tasks tasks = segment_tasks(p.q);
  const at::Tensor& center = state_gradient.center;
  const at::Tensor S = padded(saved.S - center.unsqueeze(2) * saved.z.unsqueeze(-1));
  const SegmentStates states(tasks.count(), map.m() * map.L(), dv);
  const TaskSums params(map, tasks.count(), wants_params);
  float one = 1.0f;
  const Rows den(saved.den), weight(p.q_weight, &one);
  tasks.run([&](int64_t begin, int64_t end) {
    const Strips q(p.q), g(grad), o(saved.o), dq(result.q);
    Strip sites(map, dv);
    TaskTable sums(map, dv, sums_memory(map, dv));
    HeadTable tables(map, S, saved.z, dv);
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      const int64_t head = task.b * Hk + task.h * Hk / H;
      const SegmentTable& table = tables.of(head);
      const float* c = center.const_data_ptr<float>() + head * dv;
      sums.begin(index);
      for_each_strip(task, [&](int64_t n, int64_t tokens) {
        const StripScalars w = scalars(weight, task, n);
        const StripRows rows = q.read(task, n, tokens);
        sites.locate(rows, w, tokens);
        const Columns columns =
            sites.query_columns(g.read(task, n, tokens), o.read(task, n, tokens),
                                scalars(den, task, n), w, c, p.denominator);
        sums.add(sites, columns);
        if (!dq.defined() && !params.wanted()) return;
        sites.dot(columns, table);
        sites.back(rows, w, dq.target(task, n), params.proj(index), params.bias(index));
        dq.store(task, n, tokens);
      });
      const SegmentTable& total = sums.total();
      state_of(map, total, states.S_of(index), states.z_of(index));
      params.add_table(index, tables.S(head), tables.z(head), total);
    }
  });
  params.reduce(result.q_map);
  states.reduce(state_gradient.R, state_gradient.u);
}

void segment_key_gradients(const Problem& p, const SegmentMap& map, const Forward& saved,
                           const StateGradient& state_gradient, bool wants_params,
                           const at::Tensor& power, Backward& result) {
  const int64_t Hk = p.k.size(1), dv = p.v.size(3);
  const Tasks tasks = segment_tasks(p.k);
  const at::Tensor R = padded(state_gradient.R);
  const TaskSums params(map, tasks.count(), wants_params);
  const at::Tensor kept =
      wants_params ? kept_sums(saved, p, map, tasks, state_gradient.center) : at::Tensor();
  const bool sums_up = wants_params && !kept.defined();
  const at::Tensor u = kept.defined() ? state_gradient.u_from({}) : state_gradient.u;
  float one = 1.0f;
  const at::Tensor value_gradient =
      result.v.defined() || !power.defined() ? result.v : at::empty_like(p.v);
  const at::Tensor rest = at::empty({p.k.size(0), Hk, p.k.size(2)}, at::kFloat);
  const Rows weight(p.k_weight, &one), den(rest);
  tasks.run([&](int64_t begin, int64_t end) {
    const Strips k(p.k), v(p.v), dk(result.k), dvalue(value_gradient);
    Strip sites(map, dv);
    TaskTable sums(map, dv, kept.defined() ? kept : sums_memory(map, dv));
    HeadTable tables(map, R, state_gradient.u, dv);
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      const int64_t head = task.b * Hk + task.h;
      const SegmentTable& table = tables.of(head);
      const float* c = state_gradient.center.const_data_ptr<float>() + head * dv;
      if (sums_up) sums.begin(index);
      for_each_strip(task, [&](int64_t n, int64_t tokens) {
        const StripScalars w = scalars(weight, task, n);
        const StripRows rows = k.read(task, n, tokens);
        sites.locate(rows, w, tokens);
        const Columns columns{sites.centered(v.read(task, n, tokens), c), w, w};
        if (dvalue.defined()) {
          sites.product(w, table, kNoDenominator, dvalue.target(task, n), scalars(den, task, n));
          dvalue.store(task, n, tokens);
        }
        if (sums_up) sums.add(sites, columns);
        if (!dk.defined() && !wants_params) return;
        sites.dot(columns, table);
        sites.back(rows, w, dk.target(task, n), params.proj(index), params.bias(index));
        dk.store(task, n, tokens);
      });
      if (!wants_params) continue;
      if (kept.defined()) sums.take(index);
      const float* u_head = u.const_data_ptr<float>() + head * u.size(2);
      params.add_table(index, tables.S(head), u_head, sums.total());
    }
  });
  params.reduce(result.k_map);
  if (power.defined()) {
    power.copy_(((p.v - state_gradient.center.unsqueeze(2)) * value_gradient).sum(-1) + rest);
  }
}

}  // namespace luna::kernels::cpu
