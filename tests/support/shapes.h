// The values random cases draw from: awkward ones beside the tuned ones.
#pragma once

#include <cstdint>
#include <vector>

namespace luna::test::shapes {

inline const std::vector<int64_t> kTokens{0, 1, 63, 64, 100, 1000};
inline const std::vector<int64_t> kQueries{0, 1, 5, 63, 64, 65, 130};
inline const std::vector<int64_t> kBatch{0, 1, 2, 3};
inline const std::vector<int64_t> kKeyHeads{1, 2, 3};
inline const std::vector<int64_t> kGroup{1, 1, 2, 3};
inline const std::vector<int64_t> kHeadSize{1, 3, 8, 17, 32, 32, 33, 64, 64, 80};
inline const std::vector<int64_t> kProjections{1, 3, 5, 8, 16, 16, 17, 19};
inline const std::vector<int64_t> kChannels{1, 2, 3, 4, 5, 8, 8, 9, 11, 20};
inline const std::vector<int64_t> kHidden{1, 2, 7, 16, 33, 64, 64, 65, 130};

}  // namespace luna::test::shapes
