// A figure as data (panels of series) and its drawing by gnuplot as one SVG.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace luna::reports {

struct LegendEntry {
  std::string label;
  std::string color;  ///< "#rrggbb"
  int dash = 1;       ///< gnuplot dash type, 1 solid
};

struct Series {
  std::string color;  ///< "#rrggbb"
  int dash = 1;       ///< gnuplot dash type, 1 solid
  std::vector<std::pair<double, double>> points;
};

struct Panel {
  std::string title, x_label, y_label;
  bool log_y = false;
  std::optional<double> y_min, y_max;
  std::vector<Series> series;
  /// Positive, ascending: a logarithmic x axis with these ticks, points marked. Empty: linear.
  std::vector<double> log_x;
};

/// Panels stand side by side, the legend right of them.
struct Figure {
  std::string name;     ///< file name without extension, letters, digits, - and _
  std::string caption;  ///< plain text
  std::vector<Panel> panels;
  std::vector<LegendEntry> legend;
};

/// Writes folder/<name>.dat and <name>.gp, runs gnuplot on them and returns the SVG it wrote.
/// Throws std::runtime_error with one line (and the cure) when gnuplot is absent or fails.
std::string draw(const Figure& figure, const std::filesystem::path& folder);

/// The SVG without its XML prolog and with every id prefixed by the figure's name, so that several
/// can stand in one HTML page.
std::string inline_svg(const std::string& svg, const std::string& name);

/// The colour of an attention, the same in every figure.
std::string color_of(const std::string& attention);

}  // namespace luna::reports
