// The rows that a pass will take next, asked for while a product keeps the processor busy. All at
// once they would be waited for: a processor has few places for lines on their way.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "runtime/kernels/cpu/tile.h"

namespace luna::kernels {

class NextTile {
 public:
  /// A pass in tiles of `tile` tokens, each of which takes so many multiplications in the products
  /// that ask; undefined rows are none.
  NextTile(int64_t tile, int64_t multiplications, std::initializer_list<const TokenRows*> read,
           std::initializer_list<const TokenRows*> written);

  /// From now on it asks for what follows the tokens n, ... of (b, h).
  void follow(int64_t b, int64_t h, int64_t n, int64_t tokens);
  /// Asks for the lines that so many multiplications are worth, as many as can be on their way at
  /// the most; nothing where all have been asked for.
  void ask(int64_t multiplications);

  /// Lines that follow each other in memory, from the one that holds `first` on.
  struct Lines {
    const char* first;
    int64_t count;
    bool written;
  };
  /// What is to be asked for next, `most` lines at most; none at the end.
  Lines take(int64_t most);

 private:
  static constexpr int kMost = 6;
  struct Source {
    const TokenRows* rows;
    bool written;
  };
  struct Run {  ///< rows of the next tile, one where they follow each other
    MemoryRows memory;
    bool written;
  };
  void add(const TokenRows* rows, bool written);

  int64_t tile_, multiplications_;
  std::array<Source, kMost> sources_{};
  std::array<Run, kMost> runs_{};
  int sources_count_ = 0, runs_count_ = 0;
  int run_ = 0;                 ///< what is asked for next: this run,
  int64_t row_ = 0, byte_ = 0;  ///< row and byte
  double pace_ = 0, due_ = 0;   ///< lines a multiplication; lines to be asked for by now
};

}  // namespace luna::kernels
