// Image: classification of grey images read as sequences of pixels, row by row. Fashion-MNIST
// stands in for the grey CIFAR-10 of the Long Range Arena.
//
// Ids: pixel + 1, so that 0 is padding only; or, under mask_black, the pixel itself, so that black
// pixels are padding, as in the PyTorch versions of the Arena.
#include <fmt/format.h>

#include <array>

#include "experiments/config/options.h"
#include "experiments/tasks/entries.h"
#include "experiments/tasks/image_data.h"
#include "experiments/tasks/sampling.h"

namespace luna::experiments {
namespace {

constexpr int64_t kValidation = 6000;  // the last of the 60,000 training images
constexpr char kPackageFolder[] = "/usr/share/datasets/fashion-mnist";

const std::array<ImageFile, 4> kFiles = {{
    {"train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
    {"train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
    {"t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
    {"t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
}};

struct ImageOptions {
  int64_t size;
  bool mask_black;
};

ImageOptions read_options(const nlohmann::json& object) {
  OptionReader reader(object, "task");
  ImageOptions options;
  options.size = reader.integer("size", 32, 1, 32);
  options.mask_black = reader.boolean("mask_black", false);
  reader.finish();
  if (options.size != 32 && options.size != 14 && options.size != 7) {
    throw UsageError(fmt::format("task.size is {}; expected 32, 14 or 7", options.size));
  }
  return options;
}

/// The user's own copy comes first.
std::filesystem::path find_folder(const DataRoot& root) {
  const auto own = root.path / "fashion-mnist";
  for (const std::filesystem::path& folder : {own, std::filesystem::path(kPackageFolder)}) {
    const auto file = folder / kFiles[0].name;
    if (std::filesystem::exists(file) || std::filesystem::exists(file.string() + ".gz")) {
      return folder;
    }
  }
  throw std::runtime_error(
      fmt::format("Fashion-MNIST is neither in {} nor in {}; run: apt-get install "
                  "dataset-fashion-mnist, or put its IDX files in the former folder",
                  own.string(), kPackageFolder));
}

class Image : public Task {
 public:
  Image(const ImageOptions& options, std::filesystem::path folder)
      : options_(options),
        folder_(std::move(folder)),
        train_(read_images(folder_, kFiles[0], kFiles[1])),
        test_(read_images(folder_, kFiles[2], kFiles[3])),
        order_(train_.count() - kValidation) {
    shape_.vocabulary = options.mask_black ? 256 : 257;
    shape_.length = options.size * options.size;
    shape_.classes = kImageClasses;
    shape_.per_token = false;
  }

  const TaskShape& shape() const override { return shape_; }

  int64_t examples(Split split) const override {
    if (split == Split::train) return train_.count() - kValidation;
    return split == Split::validation ? kValidation : test_.count();
  }

  Batch train_batch(int64_t size, uint64_t seed, int64_t step) const override {
    return batch(train_, order_.batch(size, seed, step), 0);
  }

  Batch held_out(Split split, int64_t begin, int64_t count) const override {
    const auto indices = held_out_range(begin, count, examples(split));
    if (split == Split::test) return batch(test_, indices, 0);
    return batch(train_, indices, split == Split::validation ? train_.count() - kValidation : 0);
  }

  double majority_class() const override {
    return majority_share({test_.labels.begin(), test_.labels.end()}, kImageClasses);
  }

  nlohmann::json provenance() const override {
    nlohmann::json files;
    for (const ImageFile& file : kFiles) files[file.name] = file.sha256;
    return {{"source", folder_.string()},
            {"files", files},
            {"note",
             fmt::format("Fashion-MNIST, a stand-in for LRA's grey CIFAR-10: {} training, {} "
                         "validation (the last of the training file) and {} test images, {} x {}{}",
                         examples(Split::train), kValidation, test_.count(), options_.size,
                         options_.size, options_.mask_black ? ", black pixels masked" : "")}};
  }

 private:
  /// The images number first + indices[b].
  Batch batch(const GreyImages& set, const std::vector<int64_t>& indices, int64_t first) const {
    const int64_t size = static_cast<int64_t>(indices.size());
    Batch out{at::empty({size, shape_.length}, at::kLong), at::empty({size}, at::kLong)};
    int64_t* ids = out.ids.mutable_data_ptr<int64_t>();
    int64_t* labels = out.labels.mutable_data_ptr<int64_t>();
    const int64_t shift = options_.mask_black ? 0 : 1;
    for (const int64_t index : indices) {
      const int64_t image = first + index;
      for (const int64_t pixel :
           resized(&set.pixels[image * kImageSide * kImageSide], options_.size)) {
        *ids++ = pixel + shift;
      }
      *labels++ = set.labels[image];
    }
    return out;
  }

  ImageOptions options_;
  std::filesystem::path folder_;
  GreyImages train_;
  GreyImages test_;
  EpochOrder order_;
  TaskShape shape_;
};

void check(const nlohmann::json& options) { read_options(options); }

std::unique_ptr<Task> make(const nlohmann::json& options, const DataRoot& root) {
  const ImageOptions read = read_options(options);
  return std::make_unique<Image>(read, find_folder(root));
}

void check_files(const nlohmann::json& options, const DataRoot& root,
                 const std::function<void(const std::string&)>& say) {
  read_options(options);
  const auto folder = find_folder(root);
  read_images(folder, kFiles[0], kFiles[1]);
  read_images(folder, kFiles[2], kFiles[3]);
  say(fmt::format("Fashion-MNIST in {} is whole", folder.string()));
}

}  // namespace

TaskEntry image_entry() {
  return {"image",     "grey images, pixel by pixel (Fashion-MNIST): which of 10 classes",
          check,       make,
          check_files, check_files};
}

}  // namespace luna::experiments
