#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstring>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <stdexcept>

#include "reports/figures/figure.h"

extern char** environ;

namespace luna::reports {
namespace {

namespace fs = std::filesystem;

constexpr int kPanelWidth = 420, kPanelHeight = 330, kLegendWidth = 170, kLegendPitch = 20;

/// A gnuplot string: single quotes, doubled inside.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

std::string bound(const std::optional<double>& value) {
  return value ? fmt::format("{:.6g}", *value) : "*";
}

/// Data blocks in series order, two blank lines between them: gnuplot's `index`.
void write_data(const Figure& figure, const fs::path& path) {
  std::ofstream file(path);
  for (const Panel& panel : figure.panels) {
    for (const Series& series : panel.series) {
      for (const auto& [x, y] : series.points) file << fmt::format("{:.9g} {:.9g}\n", x, y);
      file << "\n\n";
    }
  }
  if (!file.flush()) throw std::runtime_error(fmt::format("cannot write {}", path.string()));
}

/// The axis reaches a little beyond its outer ticks, where points lie.
std::string x_axis(const std::vector<double>& ticks) {
  if (ticks.empty()) return "unset logscale x\nset xrange [*:*]\nset xtics autofreq\n";
  constexpr double kRoom = 1.2;
  return fmt::format("set logscale x\nset xrange [{:.6g}:{:.6g}]\nset xtics ({:.6g})\n",
                     ticks.front() / kRoom, ticks.back() * kRoom, fmt::join(ticks, ", "));
}

/// Every series of a panel; `index` runs on over all panels.
std::string plot_command(const std::string& data, const Panel& panel, int& index) {
  const char* style = panel.log_x.empty() ? "lines" : "linespoints pt 7 ps 0.6";
  std::vector<std::string> parts;
  for (const Series& series : panel.series) {
    if (!series.points.empty()) {
      parts.push_back(fmt::format("{} index {} with {} lw 1.8 dt {} lc rgb {} notitle",
                                  quoted(data), index, style, series.dash, quoted(series.color)));
    }
    // An empty series takes no data block number: gnuplot counts only blocks that have lines.
    if (!series.points.empty()) ++index;
  }
  if (parts.empty()) {  // gnuplot refuses to plot nothing
    return "set xrange [1:10]\nset yrange [1:10]\nplot 10 with dots lc rgb '#ffffff' notitle\n";
  }
  return fmt::format("plot {}\n", fmt::join(parts, ", \\\n     "));
}

std::string panel_script(const std::string& data, const Panel& panel, int& index, double left,
                         double right) {
  std::string script = fmt::format(
      "set lmargin at screen {:.4f}\nset rmargin at screen {:.4f}\n"
      "set title {} noenhanced\nset xlabel {} noenhanced\nset ylabel {} noenhanced offset 0.5,0\n",
      left, right, quoted(panel.title), quoted(panel.x_label), quoted(panel.y_label));
  script += panel.log_y ? "set logscale y\nset format y '%.0e'\n"
                        : "unset logscale y\nset format y '%g'\n";
  script += x_axis(panel.log_x);
  script += fmt::format("set yrange [{}:{}]\n", bound(panel.y_min), bound(panel.y_max));
  return script + plot_command(data, panel, index);
}

/// Line samples and names as arrows and labels: gnuplot's own key drops entries where it thinks
/// them too many.
/// Widths differ by dash because gnuplot 5.4 joins neighbouring arrows of one colour and width into
/// one solid path.
std::string legend_script(const std::vector<LegendEntry>& legend, double left, double width) {
  std::string script;
  double y = 0.86;
  for (const LegendEntry& entry : legend) {
    script += fmt::format(
        "set arrow from screen {:.4f},{:.4f} to screen {:.4f},{:.4f} nohead lw {:.1f} dt {} lc rgb "
        "{}\n"
        "set label {} at screen {:.4f},{:.4f} left noenhanced\n",
        left, y, left + 30 / width, y, 2.6 - 0.2 * entry.dash, entry.dash, quoted(entry.color),
        quoted(entry.label), left + 38 / width, y);
    y -= kLegendPitch / static_cast<double>(kPanelHeight);
  }
  return script;
}

std::string script_of(const Figure& figure) {
  const int panels = static_cast<int>(figure.panels.size());
  const int width = panels * kPanelWidth + kLegendWidth;
  std::string script = fmt::format(
      "set terminal svg size {},{} dynamic font 'DejaVu Sans,12' background '#ffffff'\n"
      "set output '{}.svg'\nset multiplot\nset grid lc rgb '#dddddd' lt 1 lw 0.5\n"
      "set border 3 lc rgb '#444444'\nset tics nomirror\n"
      "set tmargin at screen 0.88\nset bmargin at screen 0.19\nunset key\n",
      width, kPanelHeight, figure.name);
  int index = 0;
  for (int i = 0; i < panels; ++i) {
    const double left = (i * kPanelWidth + 78.0) / width;
    const double right = ((i + 1) * kPanelWidth - 18.0) / width;
    if (i + 1 == panels) {  // labels belong to the next plot: once, with the last panel
      script += legend_script(figure.legend, (panels * kPanelWidth + 4.0) / width, width);
    }
    script += panel_script(figure.name + ".dat", figure.panels[i], index, left, right);
  }
  return script + "unset multiplot\n";
}

/// Runs `gnuplot script` in folder, its messages into log. Returns the exit status.
int run_gnuplot(const fs::path& folder, const std::string& script, const fs::path& log) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::string program = "gnuplot", argument = script;
  char* arguments[] = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) throw std::runtime_error("gnuplot not found: apt-get install gnuplot-nox");
  if (error != 0) throw std::runtime_error(fmt::format("gnuplot: {}", std::strerror(error)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string read_all(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// gnuplot begins its complaints with blank lines and the line of the script.
std::string last_line(const std::string& text) {
  std::istringstream lines(text);
  std::string line, last = "no message";
  while (std::getline(lines, line)) {
    if (!line.empty()) last = line;
  }
  return last;
}

}  // namespace

std::string draw(const Figure& figure, const fs::path& folder) {
  const fs::path script = folder / (figure.name + ".gp");
  const fs::path svg = folder / (figure.name + ".svg");
  const fs::path log = fs::absolute(folder / (figure.name + ".log"));
  write_data(figure, folder / (figure.name + ".dat"));
  std::ofstream(script) << script_of(figure);
  fs::remove(svg);
  const int status = run_gnuplot(folder, script.filename().string(), log);
  const std::string drawn = read_all(svg);
  if (status != 0 || drawn.find("</svg>") == std::string::npos) {
    throw std::runtime_error(
        fmt::format("gnuplot failed on {}: {}", script.string(), last_line(read_all(log))));
  }
  fs::remove(log);
  return drawn;
}

std::string inline_svg(const std::string& svg, const std::string& name) {
  const size_t begin = svg.find("<svg");
  std::string body = begin == std::string::npos ? svg : svg.substr(begin);
  body = std::regex_replace(body, std::regex(R"((\sid=["'])([^"']+))"), "$1" + name + "-$2");
  body = std::regex_replace(body, std::regex(R"((href=["']#)([^"']+))"), "$1" + name + "-$2");
  return std::regex_replace(body, std::regex(R"((url\(#)([^)]+))"), "$1" + name + "-$2");
}

// Okabe and Ito's palette, which colour-blind readers can tell apart, and grey for the controls.
std::string color_of(const std::string& attention) {
  static const std::map<std::string, std::string> colors = {
      {"softmax", "#000000"},       {"elu", "#E69F00"},  {"relu", "#56B4E9"},
      {"performer", "#009E73"},     {"luna", "#D55E00"}, {"luna-eps", "#0072B2"},
      {"luna-separate", "#CC79A7"}, {"mean", "#999999"},
  };
  const auto it = colors.find(attention);
  return it == colors.end() ? "#7B4F9D" : it->second;
}

}  // namespace luna::reports
