// Generator parameters that choose a feature map, and the map's arguments: what every pass on every
// device shares. Inputs of the map follow the pass's own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "generators/common/numeric.h"
#include "generators/common/tiles.h"
#include "generators/feature_map/feature_map.h"

namespace luna {

template <typename Pass>
class MapPass : public Halide::Generator<Pass> {
 public:
  Halide::GeneratorParam<std::string> map{"map", "pwl"};
  Halide::GeneratorParam<int> levels{"levels", 2};  ///< of the knot search tree
  Halide::GeneratorParam<int> size{"size", 0};      ///< d = dv fixed at build time, 0: run-time

 protected:
  template <typename T>
  using Input = Halide::GeneratorInput<T>;
  template <typename T>
  using Output = Halide::GeneratorOutput<T>;

  void add_map_inputs(bool with_gradient, Form form = Form::tile,
                      int row_threads = warp::kRowThreads) {
    MapOptions options;
    options.levels = levels;
    options.size = size;
    options.form = form;
    options.row_threads = row_threads;
    feature_map_ = make_feature_map(map, options);
    auto list = feature_map_->inputs();
    if (with_gradient) {
      const auto more = feature_map_->gradient_inputs();
      list.insert(list.end(), more.begin(), more.end());
    }
    for (const Argument& argument : list) {
      add_map_input(argument);
    }
  }

  /// The map's inputs by name; call first in generate(). Packed buffers are dense and 64-byte
  /// aligned.
  Arguments arguments() {
    Arguments result;
    for (auto& [name, buffer] : buffer_inputs_) {
      result.buffers[name] = *buffer;
      align(*buffer);
      if (pitches_.at(name)) {
        buffer->dim(1).set_stride(pitches_.at(name));
      }
    }
    for (auto& [name, scalar] : float_inputs_) {
      result.scalars[name] = *scalar;
    }
    for (auto& [name, scalar] : int_inputs_) {
      result.scalars[name] = *scalar;
    }
    for (auto& [name, buffer] : buffer_inputs_) {
      result.shapes.emplace(name, *buffer);
    }
    return result;
  }

  template <typename Packed>
  static void align(Packed& buffer) {
    buffer.set_host_alignment(64);
    for (int k = 0; k < buffer.dimensions(); k++) {
      buffer.dim(k).set_min(0);
    }
  }

  Var D_{"D"}, e_{"e"}, n_{"n"}, j_{"j"};
  std::unique_ptr<FeatureMap> feature_map_;
  Expr features_;  ///< D after padding

 private:
  void add_map_input(const Argument& argument) {
    if (argument.dimensions) {
      buffer_inputs_.emplace_back(
          argument.name, this->template add_input<Halide::Buffer<>>(argument.name, argument.type,
                                                                    argument.dimensions));
      pitches_[argument.name] = argument.pitch;
    } else if (argument.type.is_float()) {
      float_inputs_.emplace_back(argument.name, this->template add_input<float>(argument.name));
    } else {
      int_inputs_.emplace_back(argument.name, this->template add_input<int>(argument.name));
    }
  }

  std::vector<std::pair<std::string, Input<Halide::Buffer<>>*>> buffer_inputs_;
  std::map<std::string, int> pitches_;
  std::vector<std::pair<std::string, Input<float>*>> float_inputs_;
  std::vector<std::pair<std::string, Input<int>*>> int_inputs_;
};

}  // namespace luna
